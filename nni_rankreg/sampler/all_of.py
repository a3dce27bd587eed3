"""Several constraints as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import nni

from .._util.error import brief
from ..typing import Accept, Constraints, Sample

__all__ = ['AllOf', 'all_of']


def all_of(constraints: Constraints | Mapping[str, Any]) -> Accept | None:
    """Return what accepts the architectures that all constraints accept.

    Whatever takes constraints takes one, several or none of them, and passes them through here.

    Parameters
    ----------
    constraints
        One, such as a `LatencyConstraint`, or several; each may be a dict with the arguments of
        NNI's `RangeProfilerFilter`. None, and none of several, accept all.

    Returns
    -------
    None if all architectures are accepted.

    Raises
    ------
    TypeError
        If one of them is no function of an architecture.

    Examples
    --------
    >>> wide, even = lambda one: one['width'] > 9, lambda one: one['width'] % 2 == 0
    >>> accept = all_of([wide, even])
    >>> [accept({'width': width}) for width in (8, 11, 12)]
    [False, False, True]
    >>> all_of([]), all_of(wide) is wide
    (None, True)
    """
    if constraints is None:
        return None
    every = [*map(_accept, constraints if isinstance(constraints, (list, tuple))
                  else [constraints])]
    return AllOf(every) if len(every) > 1 else every[0] if every else None


def _accept(constraint: Any) -> Accept:
    if isinstance(constraint, Mapping):
        from nni.nas.oneshot.pytorch.profiler import RangeProfilerFilter  # it takes seconds

        return RangeProfilerFilter(**constraint)
    if not callable(constraint):
        raise TypeError('Expected constraints that are functions of an architecture, such as a '
                        f'LatencyConstraint, got {brief(constraint)}.')
    return constraint


@nni.trace
class AllOf:
    """Accept the architectures that all constraints accept; see `all_of`.

    Each constraint is asked about every architecture, so that the text of this tells what numbers
    each has found in the whole space.

    Parameters
    ----------
    constraints
        Functions of an architecture.

    Examples
    --------
    >>> AllOf([lambda one: True, lambda one: False])({'op': 'conv'})
    False
    """

    def __init__(self, constraints: Sequence[Accept]):
        self.constraints = list(constraints)

    def __call__(self, sample: Sample) -> bool:
        """Return whether all accept an architecture."""
        accepted = [one(sample) for one in self.constraints]
        return all(accepted)

    def __str__(self) -> str:
        return ' and by '.join(map(str, self.constraints))
