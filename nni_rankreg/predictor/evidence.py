"""What is known of architectures before any of them has been trained."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from ..archive import Archive
from ..proxy import ProxyScorer
from ..sampler import UniformSampler
from ..typing import Constraints, Sample, Scorer, sample_keys
from .graph import Graphs, StructuredEncoder
from .target import ranks_among

__all__ = ['PROXIES', 'Evidence', 'EvidenceEncoder']

_logger = logging.getLogger(__name__)

PROXIES = ('synflow', 'naswot', 'jacov', 'flops', 'params')
"""The proxies that are evidence by default: they disagree with each other, and all are cheap."""

Scorers: TypeAlias = 'Mapping[str, str | Scorer] | Sequence[str | Scorer]'

_ANNOUNCED = 20.  # seconds of scoring that are worth a line in the log


class Evidence:
    r"""Named scorers of a space, read as ranks among the same random architectures; a `Scorer`.

    .. math:: r_k(a) = \frac{\#\{b: s_k(b) < s_k(a)\} + \frac12 \#\{b: s_k(b) = s_k(a)\} +
              \frac12}{M + 1}, \qquad v(a) = \sum_k \log r_k(a)

    with the scores :math:`s_k` of M reference architectures b. Ranks have no unit, so that any mix
    of scorers can be combined: proxies, costs, latencies, a super-net. A score that is not finite
    has the rank of the worst. The *vote* v, the sum of the logarithms of the ranks, combines all
    scorers: an architecture with a good vote is bad by none of them. Source of the vote:
    Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR 2024.

    Parameters
    ----------
    space
        An NNI model space.
    batch
        Images and labels that proxies see, or a loader of them, as of `ProxyScorer`; None if no
        scorer is the name of a proxy.
    scorers
        Names of proxies, or scorers, or a dict of name -> either. A scorer without a name is called
        as its function or class.
    reference
        Number M of random reference architectures, or a list of architectures.
    seed
        Of the reference and of the proxies.
    accept
        Which architectures count as reference; None takes all.
    cache
        Where scores of proxies are kept, so that none is computed twice.
    processes
        Number of processes that score architectures by proxies.
    progress
        Whether to show progress bars.

    Attributes
    ----------
    names
        Of the scorers, K of them.
    seconds
        Name -> seconds for an architecture, of the scorers that have been used so far.

    Raises
    ------
    ValueError
        If there is no scorer, two have the same name, or a proxy has no batch.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {'width': Categorical([8, 16, 24, 32], label='width')}
    >>> width = lambda samples: torch.tensor([float(sample['width']) for sample in samples])
    >>> evidence = Evidence(space, scorers={'width': width})
    >>> evidence.ranks([{'width': 8}, {'width': 32}])
    tensor([[0.2000],
            [0.8000]], dtype=torch.float64)
    """

    def __init__(self, space: Any, batch: Any = None, scorers: Scorers = PROXIES, *,
                 reference: int | Sequence[Sample] = 1000, seed: int = 0,
                 accept: Constraints = None, cache: Archive | None = None, processes: int = 1,
                 progress: bool = True):
        self.space, self.batch, self.scorers, self.seed = space, batch, scorers, seed
        self.reference, self.accept = reference, accept
        self.cache, self.processes, self.progress = cache, processes, progress
        self._scorers = {name: self._scorer(one) for name, one in _named(scorers).items()}
        self.names = list(self._scorers)
        self.seconds: dict[str, float] = {}
        self._known: dict[str, dict[str, float]] = {name: {} for name in self.names}
        self._places: tuple[list[np.ndarray], np.ndarray] | None = None

    @property
    def dear(self) -> bool:
        """Whether a scorer is a proxy, which computes with a network for each architecture."""
        return any(isinstance(scorer, ProxyScorer) for scorer in self._scorers.values())

    @cached_property
    def among(self) -> Sequence[Sample]:
        """The M architectures among which scores are ranked."""
        if isinstance(self.reference, int):
            return _draw(self.space, self.reference, self.seed, self.accept)
        return self.reference

    def ranks(self, samples: Sequence[Sample]) -> Tensor:
        """Return the ranks of N architectures, shape (N, K), float64, in (0, 1), 1 is best."""
        return torch.from_numpy(_ranks(self._scores(samples), self._reference()[0]))

    def features(self, samples: Sequence[Sample]) -> Tensor:
        """Return the normal scores of the ranks and of the vote, shape (N, K + 1), float32.

        They are what predictors take: over the space, each is close to a standard normal
        distribution.
        """
        ranks = _ranks(self._scores(samples), self._reference()[0])
        vote = _ranks(_vote(ranks)[:, None], [self._reference()[1]])
        return torch.from_numpy(norm.ppf(np.concatenate([ranks, vote], axis=1))).float()

    def by_source(self, samples: Sequence[Sample]) -> dict[str, list[float]]:
        """Return the `features` of N architectures by the name of the scorer, and ``vote``."""
        return dict(zip([*self.names, 'vote'], self.features(samples).T.tolist()))

    def vote(self, samples: Sequence[Sample]) -> Tensor:
        """Return the vote of N architectures, shape (N,), float64, higher is better."""
        return self.ranks(samples).log().sum(dim=1)

    __call__ = vote

    def kept_in(self, archive: Archive) -> Evidence:
        """Return the same evidence, whose scores of proxies the archive keeps; this if one does."""
        if self.cache is not None:
            return self
        return Evidence(self.space, self.batch, self.scorers, reference=self.reference,
                        seed=self.seed, accept=self.accept, cache=archive,
                        processes=self.processes, progress=self.progress)

    def _scorer(self, scorer: str | Scorer) -> Scorer:
        if not isinstance(scorer, str):
            return scorer
        if self.batch is None:
            raise ValueError(f'Expected a batch of images and labels for the proxy {scorer}, got '
                             'none.')
        return ProxyScorer(scorer, self.space, self.batch, seed=self.seed, cache=self.cache,
                           processes=self.processes, progress=self.progress)

    def _reference(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the sorted scores of the reference by each scorer, and its sorted votes."""
        if self._places is None:
            scores = self._scores(self.among)
            places = list(np.sort(scores, axis=0).T)
            self._places = places, np.sort(_vote(_ranks(scores, places)))
        return self._places

    def _scores(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the scores of N architectures, shape (N, K); the worst is minus infinity."""
        keys = sample_keys(samples)
        found = np.empty((len(keys), len(self.names)))
        for column, name in enumerate(self.names):
            known = self._known[name]
            self._compute(name, {key: sample for key, sample in zip(keys, samples)
                                 if key not in known})
            found[:, column] = [known[key] for key in keys]
        return np.where(np.isfinite(found), found, -np.inf)

    def _compute(self, name: str, missing: dict[str, Sample]) -> None:
        """Score the architectures that a scorer has not seen; say how long it takes before."""
        expected = len(missing) * self.seconds.get(name, 0.)
        if expected > _ANNOUNCED:
            _logger.info('Scoring %d architectures by %s takes about %.0f s.', len(missing), name,
                         expected)
        started = time.monotonic()
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', '.* is not finite')  # it is the worst rank here
            scores = self._scorers[name](list(missing.values())) if missing else torch.zeros(0)
        self._known[name].update(zip(missing, scores.tolist()))
        if missing:
            self.seconds.setdefault(name, (time.monotonic() - started) / len(missing))


class EvidenceEncoder:
    """An encoder whose graphs have evidence as hyper-parameters of the whole network.

    Parameters
    ----------
    encoder
        From architectures to graphs.
    evidence
        Its features are added to `Graphs.extras`.
    """

    def __init__(self, encoder: StructuredEncoder, evidence: Evidence):
        self.encoder, self.evidence = encoder, evidence
        self.node_features = encoder.node_features

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        """Return the graphs of N architectures, shape (N, H + K + 1) of the extras."""
        graphs = self.encoder(samples)
        extras = torch.cat([graphs.extras, self.evidence.features(samples)], dim=1)
        return Graphs(graphs.features, graphs.edges, graphs.mask, extras)


def _named(scorers: Scorers) -> dict[str, str | Scorer]:
    if isinstance(scorers, Mapping):
        named = dict(scorers)
    else:
        pairs = [(one if isinstance(one, str) else _name(one), one) for one in scorers]
        named = dict(pairs)
        if len(named) < len(pairs):
            raise ValueError('Expected scorers of different names, got '
                             f'{[name for name, _ in pairs]}; give a dict of name -> scorer.')
    if not named:
        raise ValueError('Expected at least one scorer as evidence, got none.')
    return named


def _name(scorer: Scorer) -> str:
    name = getattr(scorer, 'name', None) or getattr(scorer, '__name__', None)
    return str(name or type(scorer).__name__)


def _draw(space: Any, count: int, seed: int, accept: Constraints) -> list[Sample]:
    """Return different random architectures, or all of a space that has no more."""
    if count < 2:
        raise ValueError(f'Expected at least 2 architectures as reference, got {count}.')
    return UniformSampler(space, seed, accept=accept).up_to(count)


def _ranks(scores: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """Return the ranks of scores, shape (N, K), among K sorted lists of M scores."""
    return np.stack([ranks_among(column, place) for column, place in zip(scores.T, places)], axis=1)


def _vote(ranks: np.ndarray) -> np.ndarray:
    return np.log(ranks).sum(axis=1)
