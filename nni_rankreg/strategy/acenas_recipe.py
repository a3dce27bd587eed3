"""What an `AceNAS` search is described by: its rounds, its weak labels, what it chooses from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._util.size import check_count
from ..constraint import all_of
from ..predictor import Evidence
from ..sampler import UniformSampler
from ..search import Candidates
from ..space import canonical_form
from ..typing import Constraints, Sample, Scorer

__all__ = ['CandidatePool', 'Rounds', 'WeakLabelling']


@dataclass(frozen=True)
class Rounds:
    """In which rounds architectures are trained stand-alone.

    Parameters
    ----------
    first
        Number of architectures of the first round, before there is a result to learn from.
    size
        Number of architectures of each further round. Best is the number that can be trained at a
        time, as each round learns from all before.
    share
        Share of the candidates, the best by the evidence, from which the first round is drawn at
        random; without evidence it is drawn from all.
    explore
        Share of the trainings, 0 to 1, whose architectures are drawn at random from all; the others
        are those predicted best. The random ones tell how far predictions can be trusted, see
        `Reliability`, and show the predictor what it does not know.
    spread
        The architectures of a round are chosen by the predicted mean plus a multiple of the
        predicted spread, each by another multiple, which is about this number on average, see
        `multiples`. A larger number tries more of what is uncertain. In a search with costs the
        expected improvement weighs the spread instead.
    top
        Number of architectures that are trained in the end, in addition to the budget: those whose
        predicted mean is best.
    landmarks
        How many architectures of the budget are trained before the super-net, as landmarks of its
        regularisers; they are drawn as the first round is. None is the whole first round if the
        super-net needs results that nobody has given, else 0.

    Raises
    ------
    ValueError
        If a number is out of range, or a count is no whole number.

    Examples
    --------
    >>> Rounds(first=8, size=4).ends(budget=18)
    [8, 12, 16, 18]
    """

    first: int = 10
    size: int = 5
    share: float = 0.06
    explore: float = 0.1
    spread: float = 0.75
    top: int = 0
    landmarks: int | None = None

    def __post_init__(self) -> None:
        for name, least in (('first', 2), ('size', 1), ('top', 0)):
            check_count(name, getattr(self, name), least)
        if self.landmarks is not None:
            check_count('landmarks', self.landmarks, 0)
        if not 0 <= self.spread < math.inf:
            raise ValueError(f'Expected a finite spread of at least 0, got {self.spread}.')
        if not 0 <= self.explore <= 1:
            raise ValueError(f'Expected explore from 0 to 1, got {self.explore}.')
        if not 0 < self.share <= 1:
            raise ValueError(f'Expected a share above 0, up to 1, got {self.share}.')

    @classmethod
    def as_published(cls, budget: int = 100, *, landmarks: int | None = None) -> Rounds:
        """Return the rounds of the AceNAS paper: five, half of each but the first at random.

        Parameters
        ----------
        budget
            Of the search, 10 or more; the ten architectures predicted best are trained in addition.
            Of a budget that is no multiple of five the first round has the rest, too.
        landmarks
            As of the rounds.

        Raises
        ------
        ValueError
            If the budget is less than 10, as the first round then is too small to learn from.

        Examples
        --------
        >>> Rounds.as_published(23).ends(budget=23)
        [7, 11, 15, 19, 23]
        """
        check_count('budget of five rounds', budget, 10)
        fifth = budget // 5
        return cls(budget - 4 * fifth, fifth, share=1., explore=0.5, spread=0., top=10,
                   landmarks=landmarks)

    def ends(self, budget: int) -> list[int]:
        """Return the number of trainings after which each round ends."""
        return [*range(self.first, budget, self.size), budget]

    def multiples(self, count: int) -> list[float]:
        r"""Return the multiple of the predicted spread by which each of a round is chosen.

        .. math:: -s \ln\left(1 - \frac{i - 1/2}{n}\right), \qquad 1 \le i \le n

        These are quantiles of an exponential distribution of mean `spread` s: most of a round are
        near the best mean, one is far more curious. Source: Hutter, Hoos and Leyton-Brown,
        "Parallel Algorithm Configuration", LION 2012; there they are drawn at random.

        Parameters
        ----------
        count
            Number n of architectures.

        Examples
        --------
        >>> [round(multiple, 2) for multiple in Rounds(spread=1.).multiples(3)]
        [0.18, 0.69, 1.79]
        """
        return [-self.spread * math.log1p(-(row + 0.5) / count) for row in range(count)]


@dataclass(frozen=True)
class WeakLabelling:
    """Random architectures on whose cheap labels the predictor is pretrained.

    If there is a super-net, labels are its scores, FLOPs and parameters. Further scorers give
    further labels.

    Parameters
    ----------
    count
        Number of architectures.
    scorers
        Name -> scorer of further labels, such as a `ProxyScorer` or the latency.

    Raises
    ------
    ValueError
        If the count is no whole number from 1 up.
    """

    count: int = 4000
    scorers: Mapping[str, Scorer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_count('count of weak labels (weak=None is for none)', self.count)


@dataclass(frozen=True)
class CandidatePool:
    """The architectures that may be trained, and how many of them the predictor looks at.

    Parameters
    ----------
    given
        Architectures to choose from, such as those of a table; None takes the space.
    accept
        Which architectures count: a constraint, such as a `LatencyConstraint`, or several. The
        others are neither scored nor trained, nor are they paths of the super-net. NNI must be able
        to serialise constraints, as they travel to the super-net's trial.
    size
        How many architectures of a larger space are scored each time, random ones and neighbours
        of the best in the rounds.
    scored
        How many architectures of a larger space are scored if evidence takes long, as zero-cost
        proxies do: random ones, drawn once, to which neighbours of the best are added.
    generations
        Of the evolution that finds the best in the end; it scores `size` architectures in all.
    merge_twins
        Whether one architecture stands for all that compute the same, see `canonical_form`, so
        that each function is trained once. In a search with costs all are candidates, as twins cost
        differently.

    Raises
    ------
    ValueError
        If a number is no whole number from 1 up, or no architecture is given.
    """

    given: Sequence[Sample] | None = None
    accept: Constraints = None
    size: int = 100_000
    scored: int = 2000
    generations: int = 10
    merge_twins: bool = True

    def __post_init__(self) -> None:
        for name in ('size', 'scored', 'generations'):
            check_count(name, getattr(self, name))
        if self.given is not None and not len(self.given):
            raise ValueError('Expected at least 1 architecture to choose from as given, got none; '
                             'given=None takes the space.')

    def check(self, space: Any, seed: int) -> None:
        """Refuse constraints that accept nothing.

        Parameters
        ----------
        space, seed
            As of `of`.

        Raises
        ------
        ValueError
            If none of the architectures given, or of 10,000 random ones, is accepted; with the
            numbers that were found.
        """
        accept = all_of(self.accept)
        if accept is None:
            return
        if self.given is None:
            UniformSampler(space, seed, accept=accept).sample()
        elif not any(map(accept, self.given)):
            raise ValueError(f'Expected candidates of which one is accepted by {accept}, got none '
                             f'of {len(self.given)}: loosen the constraints.')

    def of(self, space: Any, seed: int, evidence: Evidence | None = None,
           known: Sequence[Sample] = (), *, costs: bool = False) -> Candidates:
        """Return the candidates of a space.

        Parameters
        ----------
        space
            An NNI space, or the dict that its ``simplify()`` returns.
        seed
            Of all draws.
        evidence
            By which they are looked at.
        known
            Architectures that are not proposed, as of `Candidates`.
        costs
            Whether architectures have costs.
        """
        dear = evidence is not None and evidence.dear
        return Candidates(space, given=self.given, accept=self.accept, fixed=dear,
                          pool=self.scored if dear else self.size, seed=seed, known=known,
                          form=canonical_form(space) if self.merge_twins and not costs else None)
