"""How far predictions could be trusted: what was predicted, and what trainings showed then."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..archive import Archive
from ..metric import kendall_tau, kendall_tau_interval
from ..metric.values import Values
from ..typing import Sample, metric_sign, sample_key, sample_keys

__all__ = ['RankCorrelation', 'Reliability', 'correct_for_selection', 'read_reliability',
           'record_predictions', 'reliability_rounds']

_KIND = 'Prediction'  # of the job in the archive
_FEWEST = 5           # trainings that an interval needs
_UPPER = math.sqrt(1 - 2 / math.pi)  # deviation of the upper half of a standard normal variable


@dataclass(frozen=True)
class RankCorrelation:
    """Kendall's tau-b with its 95 % interval; NaN where there are too few trainings.

    The interval is the wider of the bootstrap and of Fisher's transformation at either end.

    Parameters
    ----------
    tau, low, high
        Estimate and ends of the interval.
    """

    tau: float
    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.tau:+.2f} ({self.low:+.2f} .. {self.high:+.2f})'


@dataclass
class _Compared:
    """What a source has predicted, what was measured, and what of it was drawn at random."""

    predicted: list[float] = field(default_factory=list)
    metrics: list[float] = field(default_factory=list)
    random: list[bool] = field(default_factory=list)


class Reliability:
    r"""The prospective rank correlation of each source of predictions, with an interval.

    A source is a predictor, a super-net or a scorer of the evidence. Its predictions are recorded
    before architectures are trained, and compared with the metrics afterwards. So no architecture
    counts that the source has learnt from: the correlation is *prospective*.

    A search trains what it predicts to be good. Among these architectures predictions vary little,
    and some look good by chance, so that their correlation says little of the space. Therefore
    some trainings are of architectures drawn at random, and only these give the correlation
    `over_all` of the space. The correlation among the better half follows if predictions and
    metrics are jointly normal (Thorndike, "Personnel Selection", 1949), see
    `correct_for_selection`.

    Examples
    --------
    >>> reliability = Reliability()
    >>> reliability.add({'vote': [-1., 0., 1., 2., 0.5]}, [0.1, 0.3, 0.4, 0.9, 0.6], [True] * 5)
    >>> round(reliability.over_all('vote').tau, 2)
    0.8
    """

    def __init__(self) -> None:
        self._sources: dict[str, _Compared] = {}

    @property
    def sources(self) -> list[str]:
        """The names of the sources."""
        return list(self._sources)

    def add(self, predictions: Mapping[str, Values], metrics: Values,
            random: Sequence[bool]) -> None:
        """Add what was predicted of N architectures, and what their trainings showed.

        Parameters
        ----------
        predictions
            Source -> predictions, shape (N,), higher is better; NaN where a source has none.
        metrics
            Shape (N,), higher is better; NaN of a training that has failed.
        random
            Which of the architectures were drawn at random from all, shape (N,).

        Raises
        ------
        ValueError
            If shapes do not fit.
        """
        found = np.asarray(metrics, dtype=np.float64)
        for source, values in predictions.items():
            predicted = np.asarray(values, dtype=np.float64)
            if not predicted.shape == found.shape == (len(random),):
                raise ValueError(f'Expected {len(random)} metrics and predictions of {source}, '
                                 f'got {len(found)} and {len(predicted)}.')
            kept = np.isfinite(found) & np.isfinite(predicted)
            compared = self._sources.setdefault(source, _Compared())
            compared.predicted.extend(predicted[kept].tolist())
            compared.metrics.extend(found[kept].tolist())
            compared.random.extend(np.asarray(random)[kept].tolist())

    def count(self, source: str) -> int:
        """Return the number of random architectures that a source has been compared on."""
        return sum(self._sources[source].random)

    def among_trained(self, source: str) -> RankCorrelation:
        """Return the correlation among all that the search has trained."""
        compared = self._sources[source]
        return _correlation(compared.predicted, compared.metrics)

    def over_all(self, source: str) -> RankCorrelation:
        """Return the correlation over the whole space, from the random architectures alone."""
        compared = self._sources[source]
        rows = np.flatnonzero(compared.random)
        return _correlation(*(np.array(values)[rows] for values in (compared.predicted,
                                                                    compared.metrics)))

    def over_upper_half(self, source: str) -> RankCorrelation:
        """Return the correlation that is expected among the truly better half of the space."""
        every = self.over_all(source)
        return RankCorrelation(*(correct_for_selection(tau, _UPPER)
                                 for tau in (every.tau, every.low, every.high)))

    def table(self) -> pd.DataFrame:
        """Return a row for each source: random architectures, and each correlation."""
        return pd.DataFrame([
            {'source': source, 'random': self.count(source),
             **{f'{column} {end}'.strip(): value
                for column, correlation in (('tau', self.among_trained(source)),
                                            ('tau over all', self.over_all(source)),
                                            ('tau over upper half', self.over_upper_half(source)))
                for end, value in (('', correlation.tau), ('low', correlation.low),
                                   ('high', correlation.high))}}
            for source in self.sources])

    def __str__(self) -> str:
        return '; '.join(f'{source} {self.over_all(source)}' for source in self.sources
                         if self.count(source) >= _FEWEST)


def record_predictions(archive: Archive, stage: str, samples: Sequence[Sample],
                       random: Sequence[bool], predictions: Mapping[str, Values]) -> None:
    """Keep the predictions of N architectures before these are trained.

    The first prediction of an architecture by a source stays. A search that is continued, perhaps
    with a larger budget or with other evidence, adds those that it makes for the first time.

    Parameters
    ----------
    archive
        Of the search.
    stage
        Stage of the search.
    samples
        N architectures.
    random
        Which of the architectures were drawn at random from all, shape (N,).
    predictions
        Source -> predictions, shape (N,), higher is better.
    """
    kept, known = list(_kept(archive)), set[tuple[str, str]]()
    for one in kept:
        keys = sample_keys(one['samples'])
        known |= {(source, key) for source, values in one['predictions'].items()
                  for key, value in zip(keys, values) if math.isfinite(value)}
    keys = sample_keys(samples)
    new = {source: [math.nan if (source, key) in known else float(value)
                    for key, value in zip(keys, np.asarray(values, dtype=np.float64))]
           for source, values in predictions.items()}
    if np.isfinite(list(new.values())).any():
        key = f'prediction {len(kept) + 1}, {stage}'
        archive.record_job(key, _KIND, {})
        archive.record_result(key, {'samples': list(samples), 'random': list(random),
                                    'predictions': new})


def read_reliability(archive: Archive) -> Reliability:
    """Return the reliability of a search from what its archive keeps, also while it runs."""
    return deque([Reliability(), *_round_by_round(archive)], maxlen=1).pop()


def reliability_rounds(archive: Archive) -> pd.DataFrame:
    """Return the rank correlation over the whole space after each round, as of `over_all`.

    Returns
    -------
    A row for each round and source: round from 1, source, random (architectures so far), tau, low
    and high.
    """
    return pd.DataFrame([
        {'round': count, 'source': source, 'random': reliability.count(source),
         **asdict(reliability.over_all(source))}
        for count, reliability in enumerate(_round_by_round(archive), start=1)
        for source in reliability.sources],
        columns=['round', 'source', 'random', 'tau', 'low', 'high'])


def _round_by_round(archive: Archive) -> Iterator[Reliability]:
    """Yield what is known after each round; it is the same object, which grows."""
    reliability, sign = Reliability(), metric_sign(archive.mode or 'max')
    metrics = {sample_key(sample): sign * metric for sample, metric in archive.results().pairs()}
    for kept in _kept(archive):
        reliability.add(kept['predictions'], [metrics.get(key, math.nan)
                                              for key in sample_keys(kept['samples'])],
                        kept['random'])
        yield reliability


def _kept(archive: Archive) -> Iterator[dict[str, Any]]:
    """Yield what `record_predictions` has kept, in order."""
    for key in archive.jobs().query(f"kind == '{_KIND}' and status == 'done'")['key']:
        if kept := archive.job_result(key):
            yield kept


def correct_for_selection(tau: float, ratio: float) -> float:
    r"""Return Kendall's tau with another range of one variable, of a joint normal distribution.

    .. math:: r = \sin \frac{\pi \tau}{2}, \qquad
              r' = \frac{u r}{\sqrt{1 + r^2 (u^2 - 1)}}, \qquad
              \tau' = \frac{2}{\pi} \arcsin r'

    Source: Thorndike, "Personnel Selection", 1949, case 2.

    Parameters
    ----------
    tau
        Where it was measured.
    ratio
        u, the standard deviation of that variable where tau is wanted, divided by its standard
        deviation where tau was measured.

    Examples
    --------
    >>> round(correct_for_selection(0.2, ratio=3.), 2)
    0.49
    """
    correlation = math.sin(math.pi / 2 * tau)
    variance = 1 + correlation ** 2 * (ratio ** 2 - 1)
    return float(2 / np.pi * np.arcsin(np.clip(ratio * correlation / np.sqrt(variance), -1, 1)))


def _correlation(predicted: Values, metrics: Values) -> RankCorrelation:
    if len(np.unique(np.asarray(metrics))) < 2 or len(np.asarray(metrics)) < _FEWEST:
        return RankCorrelation(math.nan, math.nan, math.nan)
    tau = kendall_tau(predicted, metrics)
    ends = [*kendall_tau_interval(predicted, metrics),
            *_normal_interval(tau, len(np.asarray(metrics)))]
    return RankCorrelation(tau, min(ends), max(ends))


def _normal_interval(tau: float, count: int) -> tuple[float, float]:
    r"""Return the 95 % interval of tau by Fisher's transformation, also of a tau of 1.

    .. math:: \tanh\left(\operatorname{artanh} \frac{m \tau}{m + 1} \pm
              1.96 \sqrt{\frac{0.437}{N - 4}}\right), \qquad m = \frac{N (N - 1)}{2}

    Resamples of a few architectures that are all in order are in order, too: by themselves they
    hold the truth too seldom. Source: Fieller, Hartley and Pearson, "Tests for Rank Correlation
    Coefficients I", Biometrika 1957; that tau is measured on m pairs and one without order, so that
    it is below 1, is ours.
    """
    pairs = count * (count - 1) / 2
    center, half = math.atanh(tau * pairs / (pairs + 1)), 1.96 * math.sqrt(0.437 / (count - 4))
    return math.tanh(center - half), math.tanh(center + half)
