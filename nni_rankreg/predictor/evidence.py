"""What is known of architectures before any of them has been trained."""

from __future__ import annotations

import json
import logging
import operator
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from .._util.error import brief
from ..archive import Archive
from ..proxy import ProxyScorer
from ..sampler import UniformSampler
from ..typing import Constraints, Sample, Scorer, sample_keys
from .graph import Graphs, StructuredEncoder
from .scorers import Scorers, ask, named_scorers
from .target import ranks_among

__all__ = ['PROXIES', 'Evidence', 'EvidenceEncoder', 'as_reference']

_logger = logging.getLogger(__name__)

PROXIES = ('synflow', 'naswot', 'jacov', 'flops', 'params')
"""The proxies that are evidence by default: they disagree with each other, and all are cheap."""

_ANNOUNCED = 20.  # seconds of scoring that are worth a line in the log
_DEAR = 1e-3      # seconds for an architecture: 100,000 of them take two minutes
_FEW = 8          # architectures that tell how long others take
_SECONDS = json.dumps({'scorer': None, 'unit': 'seconds'})  # in the archive, name -> seconds


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
        as its function or class. Searches use the names average, predictor, supernet and vote
        themselves.
    reference
        Number M of random reference architectures, or a list of architectures; at least 2. A space
        that has fewer is its own reference.
    seed
        Of the reference and of the proxies.
    accept
        Which architectures count as reference; None takes all.
    cache
        Where scores of proxies are kept, so that none is computed twice. Those of other scorers
        that take more than a millisecond are kept if `scorers` is a dict, and are found again by
        their name alone: a scorer that has changed needs another name.
    processes
        Number of processes that score architectures by proxies.
    progress
        Whether to show progress bars.

    Attributes
    ----------
    names
        Of the scorers, K of them.
    seconds
        Name -> seconds for an architecture, of the scorers that have been used so far. Those of
        other scorers than proxies stay in the archive, so that a resumed search finds the same.

    Raises
    ------
    ValueError
        If there is no scorer, two have the same name, a name is taken, a proxy has no batch, or
        there is no reference; on scoring, if a scorer does not return a number of each
        architecture.
    RuntimeError
        On scoring, if a scorer raises an error; naming the scorer.

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
        self._given = named_scorers(scorers)
        self.space, self.batch, self.scorers, self.seed = space, batch, scorers, seed
        self.reference, self.accept = as_reference(reference), accept
        self.cache, self.processes, self.progress = cache, processes, progress
        self.names = list(self._given)
        self.seconds: dict[str, float] = {}
        self._known: dict[str, dict[str, float]] = {name: {} for name in self.names}
        self._places: tuple[list[np.ndarray], np.ndarray] | None = None
        self._connect()

    @property
    def dear(self) -> bool:
        """Whether a scorer takes long for an architecture.

        Proxies do, which compute with a network. Of other scorers the reference tells: more than a
        millisecond is long.
        """
        if any(map(self._is_proxy, self.names)):
            return True
        self._reference()
        return any(map(self._is_dear, self.names))

    @cached_property
    def among(self) -> Sequence[Sample]:
        """The M architectures among which scores are ranked."""
        if isinstance(self.reference, int):
            return UniformSampler(self.space, self.seed, accept=self.accept).up_to(self.reference)
        return self.reference

    def ranks(self, samples: Sequence[Sample]) -> Tensor:
        """Return the ranks of N architectures, shape (N, K), float64, in (0, 1), 1 is best."""
        return torch.from_numpy(self._ranked(samples))

    def features(self, samples: Sequence[Sample]) -> Tensor:
        """Return the normal scores of the ranks and of the vote, shape (N, K + 1), float32.

        They are what predictors take: over the space, each is close to a standard normal
        distribution.
        """
        ranks = self._ranked(samples)
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
        """Return the same evidence, whose scores an archive keeps as a `cache`; this if one does.

        Both know what either has computed.
        """
        if self.cache is not None:
            return self
        kept = copy(self)
        kept.cache, kept._places = archive, None     # what is known is kept with the reference
        kept._connect()
        return kept

    def _connect(self) -> None:
        """Make the proxies, and read what the archive keeps."""
        self._scorers = {name: self._scorer(one) for name, one in self._given.items()}
        seconds = {} if self.cache is None else self.cache.scores(_SECONDS)
        for name, known in self._known.items():
            if name in seconds and not self._is_proxy(name):
                self.seconds[name] = seconds[name]
            key = self._key(name)
            if self.cache is not None and key is not None:
                known.update(self.cache.scores(key))

    def _scorer(self, scorer: str | Scorer) -> Scorer:
        if not isinstance(scorer, str):
            return scorer
        if self.batch is None:
            raise ValueError(f'Expected a batch of images and labels for the proxy {scorer}, got '
                             'none.')
        proxy = ProxyScorer(scorer, self.space, self.batch, seed=self.seed, cache=self.cache,
                            processes=self.processes, progress=self.progress)
        self.batch = proxy.batch     # a loader may begin with another one the next time
        return proxy

    def _key(self, name: str) -> str | None:
        """Return under what an archive keeps the scores of a scorer; None if it keeps none."""
        scorer = self._scorers[name]
        if isinstance(scorer, ProxyScorer):
            return scorer.key or None
        return json.dumps({'scorer': name}) if isinstance(self.scorers, Mapping) else None

    def _is_proxy(self, name: str) -> bool:
        return isinstance(self._scorers[name], ProxyScorer)

    def _is_dear(self, name: str) -> bool:
        return self._is_proxy(name) or self.seconds[name] > _DEAR

    def _ranked(self, samples: Sequence[Sample]) -> np.ndarray:
        places, _ = self._reference()    # before others, as it tells how long they take
        return _ranks(self._scores(samples), places)

    def _reference(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the sorted scores of the reference by each scorer, and its sorted votes."""
        if self._places is None:
            scores = self._scores(self.among)
            places = list(np.sort(scores, axis=0).T)
            self._places = places, np.sort(_vote(_ranks(scores, places)))
            for name, known in self._known.items():
                self._keep(name, known)
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
        """Score the architectures that a scorer has not seen; say how long it takes before.

        Of the first ones a few are scored alone, as nobody knows yet how long the others take. The
        quicker of both calls counts: the other may have loaded something, or waited for a turn.
        """
        if not missing:
            return
        items, few = list(missing.items()), 0 if name in self.seconds else _FEW
        for part in filter(None, (items[:few], items[few:])):
            self._announce(name, len(part))
            started = time.monotonic()
            self._known[name].update(self._score(name, dict(part)))
            if few:
                seconds = (time.monotonic() - started) / len(part)
                self.seconds[name] = min(self.seconds.get(name, seconds), seconds)
        if self._is_dear(name) and not self._is_proxy(name):     # a proxy has kept its scores
            self._keep(name, missing)

    def _announce(self, name: str, count: int) -> None:
        expected = count * self.seconds.get(name, 0.)
        if expected > _ANNOUNCED:
            _logger.info('Scoring %d architectures by %s takes about %.0f s.', count, name,
                         expected)

    def _score(self, name: str, samples: dict[str, Sample]) -> dict[str, float]:
        every, scorer = list(samples.values()), self._scorers[name]
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', '.* is not finite')  # it is the worst rank here
            # A proxy says in its own words what is wrong, with architectures or with the archive.
            scores = scorer(every) if self._is_proxy(name) else ask(scorer, every, name)
        return dict(zip(samples, scores.tolist()))

    def _keep(self, name: str, keys: Iterable[str]) -> None:
        """Let the archive have scores of a dear scorer, and the seconds of any but a proxy.

        By the seconds a resumed search finds the same scorers dear, whatever else the machine does.
        """
        if self.cache is None:
            return
        if not self._is_proxy(name):
            self.cache.add_scores(_SECONDS, {name: self.seconds[name]})
        key = self._key(name)
        if key is not None and self._is_dear(name):
            self.cache.add_scores(key, {one: self._known[name][one] for one in keys})


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


def as_reference(reference: int | Sequence[Sample]) -> int | Sequence[Sample]:
    """Return a number of reference architectures, or a list of them, at least 2 of either.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> as_reference(np.int64(200))
    200
    """
    if isinstance(reference, Sequence) and not isinstance(reference, str):
        count = len(reference)
    else:
        try:
            count = reference = operator.index(reference)
        except TypeError:
            raise ValueError('Expected a number of architectures as reference, or a list of '
                             f'architectures, got {brief(reference)}.') from None
    if count < 2:
        raise ValueError(f'Expected at least 2 architectures as reference, got {count}.')
    return reference


def _ranks(scores: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """Return the ranks of scores, shape (N, K), among K sorted lists of M scores."""
    return np.stack([ranks_among(column, place) for column, place in zip(scores.T, places)], axis=1)


def _vote(ranks: np.ndarray) -> np.ndarray:
    return np.log(ranks).sum(axis=1)
