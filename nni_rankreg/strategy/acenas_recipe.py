"""What an `AceNAS` search is described by: its rounds, its weak labels, what it chooses from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..search import Candidates
from ..space import canonical_form
from ..typing import Accept, Sample, Scorer

__all__ = ['CandidatePool', 'Rounds', 'WeakLabelling']


@dataclass(frozen=True)
class Rounds:
    """When architectures are trained stand-alone; the defaults are those of the AceNAS paper.

    Parameters
    ----------
    count
        Number of rounds, which share the budget equally.
    explore
        Share of a round after the first that is drawn at random, 0 to 1; the others are those
        predicted best.
    top
        Number of architectures that are trained in the end, in addition to the budget.
    landmarks
        How many architectures of the budget are trained before the super-net, as landmarks of its
        regularisers; they are drawn at random.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> greedy = Rounds(10, explore=0.)
    """

    count: int = 5
    explore: float = 0.5
    top: int = 10
    landmarks: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f'Expected a count of rounds of at least 1, got {self.count}.')
        if not 0 <= self.explore <= 1:
            raise ValueError(f'Expected a share explore from 0 to 1, got {self.explore}.')
        if self.top < 1:
            raise ValueError(f'Expected top of at least 1, got {self.top}.')
        if self.landmarks < 0:
            raise ValueError(f'Expected landmarks of at least 0, got {self.landmarks}.')


@dataclass(frozen=True)
class WeakLabelling:
    """Random architectures on whose cheap labels the predictor is pretrained.

    Labels are the score by the super-net, FLOPs and parameters, if there is a super-net, and those
    of further scorers.

    Parameters
    ----------
    count
        Number of architectures.
    scorers
        Name -> scorer of further labels, such as a `ProxyScorer` or the latency.

    Raises
    ------
    ValueError
        If there is nothing to label.
    """

    count: int = 4000
    scorers: Mapping[str, Scorer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f'Expected weak labels of at least 1 architecture, got {self.count}; '
                             'weak=None is for none.')


@dataclass(frozen=True)
class CandidatePool:
    """The architectures that may be trained, and how many of them the predictor looks at.

    Parameters
    ----------
    given
        Architectures to choose from, such as those of a table; None takes the space.
    accept
        Which architectures count, a function of a sample; the others are neither scored nor
        trained. It travels to the super-net's trial, so it must be serialisable by NNI.
    size
        How many architectures of a larger space are scored each time, random ones in the rounds.
    generations
        Of the evolution that finds the best in the end; it scores `size` architectures in all.
    merge_twins
        Whether one architecture stands for all that compute the same, see `canonical_form`, so
        that each function is trained once.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    given: Sequence[Sample] | None = None
    accept: Accept | None = None
    size: int = 100_000
    generations: int = 10
    merge_twins: bool = True

    def __post_init__(self) -> None:
        for name in ('size', 'generations'):
            if getattr(self, name) < 1:
                raise ValueError(f'Expected {name} of at least 1, got {getattr(self, name)}.')

    def of(self, space: Any, seed: int) -> Candidates:
        """Return the candidates of a space.

        Parameters
        ----------
        space
            An NNI space, or the dict that its ``simplify()`` returns.
        seed
            Of all draws.
        """
        return Candidates(space, given=self.given, accept=self.accept, pool=self.size, seed=seed,
                          form=canonical_form(space) if self.merge_twins else None)
