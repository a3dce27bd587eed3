"""The sandwich rule: the largest, the smallest and random architectures in every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

from torch import nn

from ..space import choice_parameters
from ..typing import Sample
from .choice import ChoiceSpace
from .uniform import UniformSampler

__all__ = ['SandwichSampler']


class SandwichSampler:
    """The sandwich rule: the largest, the smallest and some random architectures in every step.

    Source: Yu and Huang, "Universally Slimmable Networks", ICCV 2019; a peer of RD-NAS.

    Parameters
    ----------
    space
        A model space as written, not yet turned into a super-net.
    seed
        Of the random architectures.
    count
        Number of random architectures.
    largest, smallest
        The two architectures. None derives them: of layers the one with most (fewest) parameters,
        of equal ones the last, as a layer without output comes first where there is one; of
        numbers the largest (smallest). Labels with other choices, such as the inputs of a cell,
        are drawn anew in each step.

    Raises
    ------
    ValueError
        If `count` is negative, or `largest` or `smallest` is no architecture of the space.

    .. note:: The published code also distils the largest architecture's outputs into the others;
       here all are trained by the evaluator's own loss.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> largest, smallest, *others = SandwichSampler(NasBench201()).paths()
    >>> set(largest.values()), set(smallest.values()), len(others)
    ({'conv_3x3'}, {'avg_pool_3x3'}, 2)
    """

    def __init__(self, space: nn.Module, seed: int = 0, *, count: int = 2,
                 largest: Sample | None = None, smallest: Sample | None = None):
        if count < 0:
            raise ValueError(f'Expected a count of at least 0, got {count}.')
        self._sampler, self._count = UniformSampler(space, seed), count
        choices, parameters = ChoiceSpace(space), choice_parameters(space)
        self._largest, self._smallest = (
            _extreme(choices, parameters, select) if given is None else choices.canonical(given)
            for given, select in ((largest, max), (smallest, min)))
        self._space = choices

    def paths(self) -> list[Sample]:
        """Return the largest, the smallest and `count` random architectures."""
        return [self._completed(self._largest), self._completed(self._smallest),
                *(self._sampler.sample() for _ in range(self._count))]

    def _completed(self, extreme: Sample) -> Sample:
        """Return an architecture whose other labels are drawn."""
        return self._space.draw_valid(lambda: {**self._sampler.sample(), **extreme})

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random architectures."""
        return self._sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        self._sampler.load_state_dict(state)


def _extreme(space: ChoiceSpace, parameters: Mapping[str, Mapping[Any, int]],
             select: Callable[..., Any]) -> Sample:
    """Return the largest or smallest choice of each label whose choices have a size."""
    extreme: Sample = {}
    for dimension in space.dimensions:
        sizes = parameters.get(dimension.label)
        if sizes is not None:
            best = select(sizes.values())
            extreme[dimension.label] = [name for name, size in sizes.items() if size == best][-1]
        elif dimension.choices and all(isinstance(one, Real) for one in dimension.choices):
            extreme[dimension.label] = select(dimension.choices)
    return extreme
