"""Zero-cost proxies as a `Scorer` of the architectures of a space."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import nni
import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor
from tqdm.auto import tqdm

from .._util.fork import fork_map
from .._util.random import seeded
from ..archive import Archive
from ..typing import Sample, sample_key
from .network import NetworkFactory
from .registry import find_proxy
from .state import Batch

__all__ = ['ProxyScorer']

_FLUSH = 1.  # seconds of scoring that a kill may lose


class ProxyScorer:
    """Score architectures by a zero-cost proxy, each at its initial weights; a `Scorer`.

    One network is in memory at a time; no architecture is scored twice. Neither `space` nor the
    global random generators change.

    Parameters
    ----------
    name
        One of `proxy_names()`: flops and params (millions, see there), snip, grad_norm, grasp,
        synflow, fisher, jacov, naswot, zen, l2_norm, epe_nas, plain, or of another package.
    space
        Any NNI model space.
    batch
        Images (B, C, H, W) and labels (B,), or a loader of such batches, of which the first is
        taken. 16 or more real images are advisable.
    options
        Of the proxy, for example ``{'residuals': False}`` of `zen`.
    seed
        Of the initial weights, of the loader, and of the proxy if it draws numbers.
    device
        Where to compute; None stays where the batch is. On the CPU equal seeds give equal scores.
    cache
        Where scores are kept, so that an interrupted scoring goes on. They are found again by
        proxy, options, seed, kind of device, space, and content of the batch.
    processes
        That score, copies of this process; on a GPU one.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        If the name, an option or the batch is not what is expected, or if the cache cannot tell
        the space or the options apart.

    Examples
    --------
    >>> from nni.nas.hub.pytorch import NasBench201
    >>> space = NasBench201(stem_out_channels=4, num_modules_per_stack=1)
    >>> params = ProxyScorer('params', space, (torch.zeros(2, 3, 8, 8), torch.zeros(2)))
    >>> params([{label: 'none' for label in space.simplify()}])
    tensor([0.0049], dtype=torch.float64)
    """

    def __init__(self, name: str, space: ModelSpace, batch: Batch | Iterable[Batch], *,
                 options: Mapping[str, Any] | None = None, seed: int = 0,
                 device: str | torch.device | None = None, cache: Archive | None = None,
                 processes: int = 1, progress: bool = False):
        self.name, self.proxy, self.seed = name, find_proxy(name), seed
        self.options = dict(options or {})
        _check_options(name, self.proxy, self.options)
        with seeded(seed):
            images, labels = _first_batch(batch)
        self.device = images.device if device is None else torch.device(device)
        self.batch = images.to(self.device), labels.to(self.device)
        self.cache, self.progress = cache, progress
        self.processes = processes if self.device.type == 'cpu' else 1
        self.key = '' if cache is None else self._identity(space)
        self._known: dict[str, float] | None = None
        self._space = type(space).__name__
        self._network = NetworkFactory(space, seed=seed, device=self.device)
        if 'seed' in inspect.signature(self.proxy).parameters:
            self.options.setdefault('seed', seed)

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the scores of `samples`, shape (N,), float64, higher is better.

        A score that is not finite is NaN, and a warning tells how many there are.
        """
        keys = [sample_key(sample) for sample in samples]
        if self._known is None:
            self._known = {} if self.cache is None else self.cache.scores(self.key)
        self._compute({key: sample for key, sample in zip(keys, samples)
                       if key not in self._known}, self._known)
        scores = torch.tensor([self._known[key] for key in keys], dtype=torch.float64)
        bad = int(scores.isnan().sum())
        if bad:
            warnings.warn(f'{self.name} is not finite for {bad} of {len(keys)} architectures, '
                          'which get NaN.', stacklevel=2)
        return scores

    def __repr__(self) -> str:
        return f'ProxyScorer({self.name!r}, {self._space})'

    def score(self, sample: Sample) -> float:
        """Return the score of one architecture, computed anew; NaN if it is not finite."""
        network = self._network(sample)
        # In a training of mixed precision the score is the same as elsewhere.
        with seeded(self.seed, self.device), torch.autocast(self.device.type, enabled=False):
            value = float(self.proxy(network, self.batch, **self.options))
        return value if math.isfinite(value) else math.nan

    def _compute(self, samples: Mapping[str, Sample], known: dict[str, float]) -> None:
        """Add the scores of `samples` to `known`, and every second to the cache."""
        kept: dict[str, float] = {}

        def keep(scores: Iterable[float]) -> Iterator[float]:
            flushed = time.monotonic()
            bar = tqdm(scores, self.name, len(samples), disable=not self.progress, leave=False)
            for key, score in zip(samples, bar):
                known[key] = kept[key] = score
                if time.monotonic() - flushed > _FLUSH:
                    self._keep(kept)
                    flushed = time.monotonic()
                yield score

        try:
            fork_map(self.score, list(samples.values()), self.processes, keep)
        finally:
            self._keep(kept)

    def _keep(self, kept: dict[str, float]) -> None:
        if self.cache is not None and kept:
            self.cache.add_scores(self.key, kept)
            kept.clear()

    def _identity(self, space: ModelSpace) -> str:
        """Return what the scores depend on, as JSON."""
        return json.dumps({
            'proxy': self.name, 'function': _name(self.proxy),
            'options': self.options, 'seed': self.seed, 'device': self.device.type,
            'space': nni.dump([_name(type(space)), space.trace_args, space.trace_kwargs]),
            'data': _digest(self.batch)}, sort_keys=True, default=_name)


def _check_options(name: str, proxy: Any, options: Mapping[str, Any]) -> None:
    accepted = [parameter.name for parameter in inspect.signature(proxy).parameters.values()
                if parameter.kind is parameter.KEYWORD_ONLY]
    unknown = set(options) - set(accepted)
    if unknown:
        raise ValueError(f'Expected options of {name} among {accepted}, got {sorted(unknown)}.')


def _first_batch(batch: Any) -> Batch:
    if isinstance(batch, Iterable) and not isinstance(batch, (tuple, list)):
        batch = next(iter(batch), None)
    if (not isinstance(batch, (tuple, list)) or len(batch) != 2
            or not all(isinstance(part, Tensor) for part in batch)
            or len(batch[0]) != len(batch[1]) or not len(batch[0])):
        raise ValueError('Expected a batch of images and labels, two tensors of the same length, '
                         f'or a loader of them, got {_describe(batch)}.')
    return batch[0].detach(), batch[1].detach()


def _describe(batch: Any) -> str:
    if isinstance(batch, (tuple, list)):
        return str([tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
                    for part in batch])
    return type(batch).__name__


def _digest(batch: Batch) -> str:
    """Return the hash of the content of a batch, wherever it lies."""
    digest = hashlib.sha256()
    for tensor in batch:
        digest.update(f'{tensor.dtype} {tuple(tensor.shape)} '.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _name(function: Any) -> str:
    """Return the import path of a function or class, its identity in the cache."""
    name = f'{getattr(function, "__module__", "")}.{getattr(function, "__qualname__", "")}'
    if name.startswith('.') or name.endswith('.') or '<' in name:
        raise ValueError(f'Expected what can be imported by name in a cached score, got '
                         f'{function!r}.')
    return name
