"""The command ``nni-rankreg proxies``: zero-cost proxies of a space, as CSV, text and picture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .._util.error import brief, one_line
from .._util.npz import named_arrays
from .._util.random import seeded
from ..archive import Archive
from ..data import ImageTensors, image_loader
from ..evaluator import check_device
from ..proxy import ProxyError, ProxyScorer, find_proxy, proxy_names
from ..report import correlations, describe_agreement, describe_correlations, rank_scatter
from ..sampler import UniformSampler
from ..typing import Sample, sample_key
from .argument import check_positive, make_object, make_space, read_truth
from .command import ImportPath

__all__ = ['proxies']

_SAMPLED = 100
_DIGITS = {'class_path': 'nni_rankreg.data.Digits', 'init_args': {'split': 'train'}}


def proxies(names: str = 'all', space: ImportPath = 'nni_rankreg.evaluator.digits.digits_space',
            data: ImportPath | None = None, batch_size: int = 32, truth: str | None = None,
            column: str | None = None, count: int | None = None, seed: int = 0,
            device: str = 'cpu', out: Path = Path('runs/proxies')) -> None:
    """Score architectures of a space by zero-cost proxies; compare with the truth if it is known.

    Writes proxies.csv and, with truth, proxies.png. A proxy that is not defined for the space or
    the data is left out, with the reason. Scores are kept in scores.sqlite, so that an interrupted
    command continues. Example: nni-rankreg proxies --truth digits

    Parameters
    ----------
    names
        proxies with commas between them, such as snip,synflow; or all
    space
        import path of an NNI model space or of a function that returns one, or {"class_path":
        ..., "init_args": {...}}; by default the NAS-Bench-201 cells of the demo
    data
        import path of a data set or a loader of (images, labels), or an .npz file with the arrays
        images (N, C, H, W) and labels; by default scikit-learn's digits
    batch_size
        number of images that the proxies look at
    truth
        CSV file of stand-alone results (columns sample, as JSON, or arch, as NAS-Bench-201
        string, or one for each label of the space; and metric...), or digits for the shipped
        table. Its architectures are scored
    column
        the column of truth; by default the mean of those that begin with metric
    count
        number of architectures to score; by default 100 drawn uniformly, or all of the truth
    seed
        seed of the architectures, the initial weights and the batch
    device
        where to compute, such as cuda
    out
        folder of the results
    """
    chosen = proxy_names() if names == 'all' else [name.strip() for name in names.split(',')]
    check_positive(batch_size=batch_size, count=count)
    check_device(device)
    if column is not None and truth is None:
        raise ValueError(f'Expected truth, which has the column {column!r}, got none.')
    for name in chosen:
        find_proxy(name)                       # wrong names are told before the work begins
    model_space = make_space(space)
    table = None if truth is None else read_truth(truth, column, model_space)
    batch = _batch(data, batch_size, seed)
    if table is None:
        samples = UniformSampler(model_space, seed).distinct(_SAMPLED if count is None else count)
    else:
        table = table if count is None else table.subset(count, seed)
        samples = table.samples
    scores = _scores(chosen, samples, lambda name: ProxyScorer(
        name, model_space, batch, seed=seed, device=device,
        cache=Archive(out / 'scores.sqlite'), progress=True))
    metrics = {} if table is None else {'metric': table.metrics}
    pd.DataFrame({'sample': [sample_key(sample) for sample in samples], **metrics, **scores}
                 ).to_csv(out / 'proxies.csv', index=False)
    if table is None:
        print(describe_agreement(scores))
    else:
        found = correlations(scores, np.array(table.metrics))
        print(describe_correlations(scores, found))
        _draw(out / 'proxies.png', scores, np.array(table.metrics), found)
    print(f'{len(samples)} architectures, batch of {len(batch[0])}, seed {seed}: {out}/')


def _scores(names: Sequence[str], samples: Sequence[Sample],
            scorer: Callable[[str], ProxyScorer]) -> dict[str, np.ndarray]:
    """Return the scores by the proxies that are defined for the space and the data."""
    scores = {}
    for name in names:
        try:
            scores[name] = scorer(name)(samples).numpy()
        except ProxyError as error:
            print(f'{name} is left out: {one_line(error)}', file=sys.stderr)
        except RuntimeError as error:          # of a layer, for example for its number of channels
            raise ValueError(f'Expected data that the networks of the space take, got by {name}: '
                             f'{one_line(error)}') from error
    if not scores:
        raise ValueError('Expected a proxy that is defined for the space and the data, got '
                         f'{", ".join(names)}, which are not.')
    return scores


def _draw(path: Path, scores: Mapping[str, np.ndarray], targets: np.ndarray,
          found: Mapping[str, list[float]]) -> None:
    """Draw the ranks of the architectures that every proxy has a finite score for."""
    good = np.isfinite(np.stack(list(scores.values()))).all(axis=0)
    if good.sum() < 2:
        print('No picture: fewer than 2 architectures have a finite score of every proxy.')
        return
    rank_scatter(path, {name: values[good] for name, values in scores.items()}, targets[good],
                 xlabel=f'stand-alone metric ({good.sum()} of {len(good)} architectures: all '
                        'proxies finite)', ylabel='rank by the proxy (1 = worst)',
                 intervals={name: (tau, low, high) for name, (tau, low, high, _)
                            in found.items()})


def _batch(path: ImportPath | None, batch_size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the first batch of the data, in an order that the seed determines."""
    with seeded(seed):
        data = _images(path) if str(path).endswith('.npz') else make_object(
            _DIGITS if path is None else path, 'data set')
        if isinstance(data, ImageTensors):
            data = image_loader(data, batch_size, shuffle=True)
        elif isinstance(data, Dataset):
            data = DataLoader(data, batch_size, shuffle=True)
        try:
            images, labels = next(iter(data))
        except (TypeError, ValueError, StopIteration) as error:
            raise ValueError(f'Expected data of (images, labels) from {path}, got: {error!r}.'
                             ) from error
    if not (isinstance(images, Tensor) and isinstance(labels, Tensor)):
        raise ValueError(f'Expected tensors, images and labels, from {path}, got '
                         f'{type(images).__name__} and {type(labels).__name__}.')
    return images, labels


def _images(path: Any) -> ImageTensors:
    images, labels = named_arrays(path, ('images', 'labels')).values()
    if images.dtype.kind not in 'biuf' or not images.size or not np.isfinite(images).all():
        raise ValueError(f'Expected finite numbers, images (N, C, H, W), in {path}, got '
                         f'{brief(images)}.')
    if labels.dtype.kind not in 'iu' or labels.ndim != 1 or labels.min(initial=0) < 0:
        raise ValueError(f'Expected class indices from 0 on, labels (N,), in {path}, got '
                         f'{brief(labels)}.')
    return ImageTensors(torch.from_numpy(images).float(),
                        torch.from_numpy(labels.astype(np.int64)))
