"""Landmark regularisation."""

from __future__ import annotations

import math
from typing import Any

import nni
import torch
from torch import Tensor

from ..loss import PairwiseRankingLoss
from ..sampler import PairSampler
from ..schedule import Schedule
from ..table.source import ResultsSource
from ..typing import metric_sign
from .among import all_pairs_loss, check_among
from .base import Regularizer
from .known import Known, check_landmarks, known_results
from .term import SupportsSubnetLoss, Term, TermContext, effective_term

__all__ = ['LandmarkRegularizer', 'LandmarkTerm']


@nni.trace
class LandmarkRegularizer(Regularizer):
    r"""Keep the super-net's losses of landmark architectures in the order of their truth.

    .. math:: \mathcal{R}(\theta) = \sum_{(i,j)} \max(0,\,
              \mathcal{L}(x,\theta_{a_i}) - \mathcal{L}(x,\theta_{a_j})),
              \qquad a_i \text{ truly better than } a_j,

    over `pairs` pairs of landmarks drawn uniformly in each step, or over all pairs of the landmarks
    of a step, on the same batch.
    Source: Yu, Ranftl and Salzmann, "Landmark Regularization", CVPR 2021, Eq. 4 (all pairs) and
    Eq. 6 (drawn pairs); weight and schedule: Eq. 5 and 7.

    Parameters
    ----------
    landmarks
        Architectures with their stand-alone metric: an `Archive`, a table, `Results`, a DataFrame
        or the path of a CSV file with columns ``sample`` and ``metric``. None takes those that a
        `LandmarkSearch` or `AceNAS` trains.
    mode
        ``'max'``, or ``'min'`` if lower metrics are better in `landmarks`, such as losses. None is
        the mode that `landmarks` have themselves, or ``'max'``.
    weight
        :math:`\lambda_{max}`.
    pairs
        Pairs per step, m of Eq. 6, of up to 2 m landmarks; None takes all pairs (Eq. 4).
    among
        Which pairs of the landmarks of a step carry the loss: those ``'drawn'`` (Eq. 6), or
        ``'all'``, up to 28 of 8 landmarks for ``pairs=4``. Both need the same sub-nets. Together
        all pairs weigh as much as the drawn ones, so that `weight` need not change: the loss has
        the same expectation, and varies less. With four pairs all of them ranked better on
        NAS-Bench-201, by 0.037 ± 0.025 over five seeds at 1.15 times the CPU time, and no better on
        NAS-Bench-101, by -0.040 ± 0.102 over three.
    criterion
        Loss of the pairs; None is the hinge of the equations.
    schedule
        Factor over the epochs; None is an increasing cosine after 37.5 % of the epochs (150 of
        400, as in the paper).
    seed
        Of the pairs.

    Raises
    ------
    ValueError
        If a parameter is out of range, or there are fewer than two landmarks when training starts.

    .. note:: The published code draws the pair of the two best landmarks 15 times too often (30
       landmarks); pairs are uniform here.

    Examples
    --------
    >>> from nni_rankreg.typing import Results
    >>> landmarks = Results([{'op': 'conv'}, {'op': 'none'}], [0.9, 0.1])
    >>> regularizer = LandmarkRegularizer(landmarks, weight=10., pairs=1)
    >>> regularizer.term(TermContext()).results.metrics
    [0.9, 0.1]
    """

    def __init__(self, landmarks: ResultsSource | None = None, *, mode: str | None = None,
                 weight: float = 10., pairs: int | None = 1, among: str = 'drawn',
                 criterion: PairwiseRankingLoss | None = None,
                 schedule: Schedule | None = None, seed: int = 0):
        super().__init__(weight, schedule or Schedule())
        if pairs is not None and pairs < 1:
            raise ValueError(f'Expected at least 1 pair per step, or None for all, got {pairs}.')
        metric_sign(mode or 'max')  # refuses another
        self.landmarks, self.mode = landmarks, mode
        self.pairs, self.among, self.seed = pairs, check_among(among), seed
        self.criterion = criterion or PairwiseRankingLoss()

    @property
    def needs_results(self) -> bool:
        """Whether no landmarks are given."""
        return self.landmarks is None

    def check(self, context: TermContext) -> None:
        """Refuse landmarks that do not fit the space."""
        known_results(self.landmarks, context, self.mode)

    def term(self, context: TermContext) -> LandmarkTerm:
        """Return the term of one training, on the landmarks given and the results of the search.

        Raises
        ------
        ValueError
            If these are fewer than two, do not fit the space, or are all equal.
        """
        known = known_results(self.landmarks, context, self.mode)
        check_landmarks(known.seen, type(self).__name__, context)
        return LandmarkTerm(self.weight, self.schedule_in(context), known, pairs=self.pairs,
                            among=self.among, criterion=self.criterion, seed=self.seed)


class LandmarkTerm(Term):
    """The term of `LandmarkRegularizer`.

    Parameters
    ----------
    weight, schedule
        As of `Term`.
    known
        The landmarks that it sees, and those held out.
    pairs, among, criterion, seed
        As of `LandmarkRegularizer`.
    """

    def __init__(self, weight: float, schedule: Schedule, known: Known, *, pairs: int | None,
                 among: str, criterion: PairwiseRankingLoss, seed: int):
        super().__init__(weight, schedule)
        self.results, self.held_out = known
        self.among, self.criterion, self.sampler = among, criterion, PairSampler(seed)
        self._pairs = pairs or math.comb(len(known.seen.samples), 2)
        self._targets = torch.tensor(known.seen.metrics, dtype=torch.float64)

    def loss(self, supernet: SupportsSubnetLoss, batch: Any, epoch: int) -> Tensor | None:
        """Return the weighted term, or None if it has no gradient in this step."""
        factor = self.factor(epoch, supernet.epochs)
        ranking = self.ranking(supernet, batch) if factor > 0 else None
        return None if ranking is None else factor * ranking

    def ranking(self, supernet: SupportsSubnetLoss, batch: Any) -> Tensor | None:
        """Return R of Eq. 6 (Eq. 4 for ``pairs=None``), or None if it has no gradient."""
        samples, metrics = self.results.samples, self.results.metrics
        pairs = self.sampler.sample(metrics, self._pairs)
        if len(pairs) == 0:
            return None
        rows = pairs.unique()

        def rank(losses: Tensor) -> Tensor:
            # The criterion may weight by the range of all targets; other scores do not matter.
            place = rows.to(losses.device, non_blocking=True)
            scores = losses.new_zeros(len(samples)).index_copy(0, place, -losses)
            if self.among == 'drawn':
                return self.criterion(scores, self._targets, pairs)
            return all_pairs_loss(self.criterion, scores, self._targets, torch.combinations(rows),
                                  len(pairs))

        return effective_term([supernet.subnet_loss(samples[index], batch)
                               for index in rows.tolist()], rank)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the pairs."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        self.sampler.load_state_dict(state)
