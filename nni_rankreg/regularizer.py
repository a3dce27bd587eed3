"""Terms added to the super-net's training loss so that it ranks architectures correctly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Union

import nni
import torch
from torch import Tensor

from .archive import Archive
from .benchmark import TabularBenchmark
from .loss import PairwiseRankingLoss
from .sampler import PairSampler
from .schedule import Schedule
from .typing import Results, Sample

__all__ = ['SupportsSubnetLoss', 'Regularizer', 'LandmarkRegularizer', 'EqualCostControl',
           'read_results']

ResultsSource = Union[Results, Archive, TabularBenchmark, str, Path]


class SupportsSubnetLoss(Protocol):
    """What a regulariser may ask of the super-net in training."""

    epochs: int
    """Number of epochs of the whole training."""

    def draw(self) -> Sample:
        """Return an architecture drawn as in training."""
        ...

    def subnet_loss(self, sample: Sample, batch: Any) -> Tensor:
        """Return the training loss of one architecture on a batch, a scalar; nothing is logged."""
        ...


class Regularizer:
    """A weighted term of the super-net's loss; subclasses implement `term`.

    Parameters
    ----------
    weight
        Constant factor, the largest weight of the term.
    schedule
        Factor over the epochs, in [0, 1].

    Raises
    ------
    ValueError
        If the weight is negative.
    """

    def __init__(self, weight: float, schedule: Schedule):
        if not weight >= 0:
            raise ValueError(f'Expected a weight of at least 0, got {weight}.')
        self.weight, self.schedule = weight, schedule

    @property
    def results(self) -> Results:
        """Stand-alone results that the term has seen; no ranking is measured on them."""
        return Results([], [])

    def bind(self, results: Results, warmed_up: bool) -> None:
        """Take note of what a search has measured before the super-net's training starts.

        Parameters
        ----------
        results
            All stand-alone results so far.
        warmed_up
            Whether the super-net has been trained before, so that no warm-up is needed.
        """
        if warmed_up:
            self.schedule = self.schedule.without_warmup()

    def loss(self, supernet: SupportsSubnetLoss, batch: Any, epoch: int) -> Tensor | None:
        """Return the weighted term, a scalar, or None if it has no gradient in this step.

        Parameters
        ----------
        supernet
            The super-net in training.
        batch
            A batch of the held-out half of the training data.
        epoch
            Current epoch, from 0.
        """
        factor = self.weight * self.schedule(epoch, supernet.epochs)
        term = self.term(supernet, batch) if factor > 0 else None
        return None if term is None else factor * term

    def active(self, epoch: int, epochs: int) -> bool:
        """Return whether the term takes part in an epoch, so that it needs a batch."""
        return self.weight * self.schedule(epoch, epochs) > 0

    def term(self, supernet: SupportsSubnetLoss, batch: Any) -> Tensor | None:
        """Return the term without its weight, or None if it has no gradient."""
        raise NotImplementedError


@nni.trace
class LandmarkRegularizer(Regularizer):
    r"""Keep the super-net's losses of landmark architectures in the order of their truth.

    .. math:: \mathcal{R}(\theta) = \sum_{(i,j)} \max(0,\,
              \mathcal{L}(x,\theta_{a_i}) - \mathcal{L}(x,\theta_{a_j})),
              \qquad a_i \text{ truly better than } a_j,

    over `pairs` pairs of landmarks drawn uniformly in each step, both on the same batch.
    Source: Yu, Ranftl and Salzmann, "Landmark Regularization", CVPR 2021, Eq. 4 (all pairs) and
    Eq. 6 (drawn pairs); weight and schedule: Eq. 5 and 7.

    Parameters
    ----------
    landmarks
        Architectures with their stand-alone metric: an `Archive`, a table, `Results` or the path
        of a CSV file with columns ``sample`` and ``metric``. None takes those that a
        `LandmarkSearch` measures.
    weight
        :math:`\lambda_{max}`.
    pairs
        Pairs per step, m of Eq. 6; None takes all pairs (Eq. 4).
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
    >>> landmarks = Results([{'op': 'conv'}, {'op': 'none'}], [0.9, 0.1])
    >>> regularizer = LandmarkRegularizer(landmarks, weight=10., pairs=1)
    >>> regularizer.results.metrics
    [0.9, 0.1]
    """

    def __init__(self, landmarks: ResultsSource | None = None, *, weight: float = 10.,
                 pairs: int | None = 1, criterion: PairwiseRankingLoss | None = None,
                 schedule: Schedule | None = None, seed: int = 0):
        super().__init__(weight, schedule or Schedule())
        if pairs is not None and pairs < 1:
            raise ValueError(f'Expected at least 1 pair per step, or None for all, got {pairs}.')
        self.landmarks = landmarks
        self.pairs = pairs
        self.criterion = criterion or PairwiseRankingLoss()
        self.sampler = PairSampler(seed)
        self._results: Results | None = None

    @property
    def results(self) -> Results:
        """The landmarks in use."""
        if self._results is None:
            if self.landmarks is None:
                raise ValueError('Expected landmarks, got none. Give LandmarkRegularizer an '
                                 'Archive, a table or results, or use it in a LandmarkSearch.')
            self._results = read_results(self.landmarks)
        if len(self._results.samples) < 2:
            raise ValueError('Expected at least 2 landmarks to make a pair, got '
                             f'{len(self._results.samples)}.')
        return self._results

    def bind(self, results: Results, warmed_up: bool) -> None:
        """Take the results of the search as landmarks, in addition to those given."""
        super().bind(results, warmed_up)
        if self.landmarks is not None:
            given = read_results(self.landmarks)
            known = [sample for sample in results.samples if sample not in given.samples]
            metrics = dict(zip(map(repr, results.samples), results.metrics))
            results = Results(given.samples + known,
                              given.metrics + [metrics[repr(sample)] for sample in known])
        self._results = results

    def term(self, supernet: SupportsSubnetLoss, batch: Any) -> Tensor | None:
        """Return R of Eq. 6 (Eq. 4 for ``pairs=None``), or None if no drawn pair is violated."""
        samples, metrics = self.results
        count = self.pairs or len(samples) * (len(samples) - 1) // 2
        pairs = self.sampler.sample(metrics, count)
        if len(pairs) == 0:
            return None
        drawn = pairs.unique()
        losses = torch.stack([supernet.subnet_loss(samples[index], batch)
                              for index in drawn.tolist()])
        # The criterion may weight by the range of all targets; scores out of pairs do not matter.
        scores = losses.new_zeros(len(samples)).index_copy(0, drawn.to(losses.device), -losses)
        targets = torch.tensor(metrics, dtype=torch.float64)
        term = self.criterion(scores, targets, pairs.to(losses.device))
        # A hinge that is not violated is exactly zero and has no gradient: save its backward.
        return term if term.item() != 0 else None


@nni.trace
class EqualCostControl(Regularizer):
    """The control of a claim: as many sub-net passes as a ranking term, but no ranking.

    In each step of the ranking epochs, `count` more architectures, drawn as in training, are
    trained by the ordinary loss on the batch that a ranking term would get.

    Parameters
    ----------
    count
        Architectures per step; 2 m for a `LandmarkRegularizer` with m pairs.
    schedule
        Only where it is not zero matters: there the weight is 1.

    Raises
    ------
    ValueError
        If the count is not positive.

    Examples
    --------
    >>> EqualCostControl(count=2).weight
    1.0
    """

    def __init__(self, count: int = 2, *, schedule: Schedule | None = None):
        super().__init__(1., schedule or Schedule())
        if count < 1:
            raise ValueError(f'Expected a count of at least 1, got {count}.')
        self.count = count

    def loss(self, supernet: SupportsSubnetLoss, batch: Any, epoch: int) -> Tensor | None:
        """Return the sum of the losses of `count` architectures in ranking epochs, else None."""
        return self.term(supernet, batch) if self.active(epoch, supernet.epochs) else None

    def term(self, supernet: SupportsSubnetLoss, batch: Any) -> Tensor:
        """Return the sum of the losses of `count` architectures."""
        losses = [supernet.subnet_loss(supernet.draw(), batch) for _ in range(self.count)]
        return torch.stack(losses).sum()


def read_results(source: ResultsSource) -> Results:
    """Return the architectures and metrics of an archive, a table, a CSV file or `Results`.

    Parameters
    ----------
    source
        Where the results are; a path names a CSV file with columns ``sample`` and ``metric``, or
        an archive.

    Examples
    --------
    >>> read_results(Results([{'op': 'conv'}], [0.9])).metrics
    [0.9]
    """
    if isinstance(source, (str, Path)):
        source = (TabularBenchmark.from_csv(source) if Path(source).suffix == '.csv'
                  else Archive(source))
    if isinstance(source, Archive):
        return source.results()
    if isinstance(source, TabularBenchmark):
        return source.results
    return Results(*source)  # a plain list if NNI has sent it to a trial
