"""What a regulariser is: a recipe of a term of the super-net's loss."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..schedule import Schedule
from ..table.source import ResultsSource
from .term import Term, TermContext

__all__ = ['Regularizer']


class Regularizer(ABC):
    """A recipe of a weighted term of the super-net's loss; subclasses implement `term`.

    A regulariser holds nothing of a training, so that it can be used again for the next one.

    Parameters
    ----------
    weight
        Constant factor, the largest weight of the term.
    schedule
        Factor over the epochs, in [0, 1].

    Attributes
    ----------
    landmarks
        Stand-alone results given to the term; None is none.

    Raises
    ------
    ValueError
        If the weight is negative.
    """

    landmarks: ResultsSource | None = None

    def __init__(self, weight: float, schedule: Schedule):
        if not weight >= 0:
            raise ValueError(f'Expected a weight of at least 0, got {weight}.')
        self.weight, self.schedule = weight, schedule

    @property
    def needs_results(self) -> bool:
        """Whether the term cannot do without results of a search, as it is given none."""
        return False

    @abstractmethod
    def term(self, context: TermContext) -> Term:
        """Return the term of one training.

        Parameters
        ----------
        context
            The space, what may be trained, and what is known before the training.
        """

    def check(self, context: TermContext) -> None:  # noqa: B027 - most have nothing to check
        """Refuse landmarks that do not fit the space, before a search trains anything.

        Parameters
        ----------
        context
            The space, without results of the search.
        """

    def schedule_in(self, context: TermContext) -> Schedule:
        """Return the factor over the epochs, without a warm-up for a warm super-net."""
        return self.schedule.without_warmup() if context.warmed_up else self.schedule
