"""How many landmarks a `LandmarkSearch` trains, and which."""

from __future__ import annotations

from dataclasses import dataclass

from .._util.size import check_count

__all__ = ['Landmarks']


@dataclass(frozen=True)
class Landmarks:
    """How many landmarks a search trains, beside what its super-nets find best.

    Parameters
    ----------
    count
        M, the number of first landmarks, which are diverse.
    threshold, pairwise
        See `LandmarkSampler`: which distance is too small, and whether it holds between any two.
    random
        Number of landmarks that are drawn at random and trained with the best architectures of
        each iteration. They tell how far the super-net can be trusted, see `Reliability`. The paper
        has none.
    share
        The first landmarks are drawn from this share of all architectures, the best by the
        evidence; above 0, up to 1. Without evidence they are drawn from all.

    Raises
    ------
    ValueError
        If `count` is no whole number from 1 up, `random` none from 0 up, or `share` is out of
        range.

    Examples
    --------
    >>> Landmarks(30, pairwise=True).count
    30
    """

    count: int = 10
    threshold: int | None = None
    pairwise: bool = False
    random: int = 2
    share: float = 0.5

    def __post_init__(self) -> None:
        check_count('landmarks', self.count)
        check_count('random landmarks', self.random, 0)
        if not 0 < self.share <= 1:
            raise ValueError(f'Expected a share above 0, up to 1, got {self.share}.')
