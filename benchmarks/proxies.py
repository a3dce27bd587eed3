"""Are the zero-cost proxies right, and what do they cost? Full-size NAS-Bench-201, real CIFAR-10.

1. Correlation of each proxy with its published scores, and of both with validation accuracy, on
   the architectures of ``zc_nb201_cifar10.csv`` (NASLib, batches of 32). Scores are kept in an
   archive, so that an interrupted benchmark continues.
2. Seconds of one core per architecture, building the network included; of some in turns with a
   straightforward implementation: ``space.freeze(sample)``, then the formula as one would write
   it down. Beside them the published seconds, of another machine.

    python benchmarks/proxies.py --data ../shared/data
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jsonargparse import CLI
from quiet import quiet
from stored import read, stored
from torch import Tensor, nn
from tqdm.auto import tqdm

from nni_rankreg.archive import Archive
from nni_rankreg.data.cifar10 import load_cifar10
from nni_rankreg.metric import bootstrap_interval, kendall_tau, pearson, spearman
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.report import markdown_table
from nni_rankreg.space import NasBench201, decode_nasbench201

FILE = 'proxies.json'
PUBLISHED = {'naswot': 'nwot', 'zen': ''}  # where the column has another name, or there is none
NAMES = ('flops', 'params', 'l2_norm', 'synflow', 'naswot', 'zen', 'jacov', 'epe_nas', 'snip',
         'grad_norm', 'plain', 'fisher', 'grasp')
TARGETS = {'synflow': 0.10, 'naswot': 0.25, 'snip': 0.45, 'grad_norm': 0.45}


def freeze_and_synflow(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    network = network.double().eval()
    for parameter in network.parameters():
        parameter.data.abs_()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            setattr(module, 'forward', lambda x: x)
    network(torch.ones_like(images[:1], dtype=torch.float64)).sum().backward()
    return math.log(sum((w * w.grad).sum().item() for w in weights(network) if w.grad is not None))


def freeze_and_naswot(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    kernel = np.zeros((len(images), len(images)))

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        codes = (inputs[0] > 0).float().flatten(1)
        kernel.__iadd__((codes @ codes.T + (1 - codes) @ (1 - codes).T).detach().numpy())

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(add)
    network(images)
    return float(np.linalg.slogdet(kernel)[1])


def freeze_and_snip(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    F.cross_entropy(network(images), labels).backward()
    return sum((w * w.grad).abs().sum().item() for w in weights(network) if w.grad is not None)


def freeze_and_grad_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    F.cross_entropy(network(images), labels).backward()
    return sum(w.grad.norm().item() for w in weights(network) if w.grad is not None)


STRAIGHTFORWARD: dict[str, Callable[[nn.Module, Tensor, Tensor], float]] = {
    'synflow': freeze_and_synflow, 'naswot': freeze_and_naswot, 'snip': freeze_and_snip,
    'grad_norm': freeze_and_grad_norm}


def weights(network: nn.Module) -> list[Tensor]:
    return [module.weight for module in network.modules()
            if isinstance(module, (nn.Conv2d, nn.Linear))]


def read_rows(data: Path) -> list[dict[str, Any]]:
    with open(data / 'zc_nb201_cifar10.csv', newline='') as file:
        return list(csv.DictReader(file))


def column(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([float(row[name] or 'nan') for row in rows])


def seconds(name: str, space: NasBench201, rows: list[dict[str, Any]],
            batch: tuple[Tensor, Tensor]) -> dict[str, Any]:
    """Measure a proxy, in turns with its straightforward implementation if there is one."""
    samples = [decode_nasbench201(row['arch_str']) for row in rows]
    scorer = ProxyScorer(name, space, batch)
    scorer.score(samples[0])                   # warm up
    ours, freezing, scoring = [], [], []
    for sample in samples:
        started = time.process_time()          # of one thread: what else runs does not count
        scorer.score(sample)
        ours.append(time.process_time() - started)
        if name in STRAIGHTFORWARD:
            started = time.process_time()
            network = deepcopy(space.freeze(sample))  # which shares the chosen layers
            frozen = time.process_time()
            STRAIGHTFORWARD[name](network.train(), *batch)
            freezing.append(frozen - started)
            scoring.append(time.process_time() - frozen)
    result: dict[str, Any] = dict(ours=mean(ours), slowest=max(ours),
                                  target=TARGETS.get(name))
    if f'time_{PUBLISHED.get(name, name)}' in rows[0]:
        result['published'] = median(column(rows, f'time_{PUBLISHED.get(name, name)}'))
    if scoring:
        result['straightforward'] = [mean(freezing), mean(scoring)]
    return result


def correlations(name: str, options: dict[str, Any], space: NasBench201, rows: list,
                 batch: tuple[Tensor, Tensor], archive: Archive, seed: int) -> dict[str, Any]:
    """Score all rows and compare with the published scores and with accuracy."""
    scorer = ProxyScorer(name, space, batch, options=options, seed=seed, cache=archive,
                         progress=True)
    scores = scorer([decode_nasbench201(row['arch_str']) for row in rows]).numpy()
    accuracy = column(rows, 'val_accuracy')
    source = '' if options else PUBLISHED.get(name, name)
    published = column(rows, source) if source else np.full(len(rows), np.nan)
    good = np.isfinite(scores)
    both = good & np.isfinite(published)
    result = dict(not_finite=int((~good).sum()), accuracy=spearman(scores[good], accuracy[good]),
                  interval=bootstrap_interval(spearman, scores[good], accuracy[good]),
                  kendall_tau=kendall_tau(scores[good], accuracy[good]))
    if both.any():
        result.update(pearson=pearson(scores[both], published[both]),
                      spearman=spearman(scores[both], published[both]),
                      published=spearman(published[both], accuracy[both]))
    return result


def report(file: Path) -> str:
    """Return the correlations, as Markdown."""
    rows = [[name, row['not_finite'],
             *(f'{row[key]:.{digits}f}' if key in row else None
               for key, digits in (('pearson', 5), ('spearman', 3))),
             '{:+.3f} ({:+.3f} .. {:+.3f})'.format(row['accuracy'], *row['interval']),
             f'{row["published"]:+.3f}' if 'published' in row else None,
             f'{row["kendall_tau"]:+.3f}'] for name, row in read(file)['scores'].items()]
    return markdown_table(['proxy', 'not finite', 'Pearson, published', 'Spearman, published',
                           'Spearman, accuracy', 'published', 'Kendall, accuracy'], rows)


def report_seconds(file: Path) -> str:
    """Return the seconds, as Markdown."""
    rows = []
    for name, row in read(file)['seconds'].items():
        parts = row.get('straightforward')
        rows.append([name, f'{row["ours"]:.3f}', f'{row["slowest"]:.3f}', row['target'],
                     '{:.3f} + {:.3f}'.format(*parts) if parts else None,
                     f'{row["ours"] / sum(parts):.2f}' if parts else None,
                     f'{row["published"]:.2f}' if 'published' in row else None])
    return markdown_table(['proxy', 'seconds', 'slowest', 'aim', 'straightforward: freeze + score',
                           'ratio', 'published seconds'], rows, digits=2)


def main(data: Path, out: Path = Path('benchmarks/results'), names: list[str] = list(NAMES),
         cache: Path = Path('runs/proxies'), count: int = 362, timed: int = 12,
         seed: int = 0) -> None:
    """Measure what is missing and print the results.

    Parameters
    ----------
    data
        folder with zc_nb201_cifar10.csv and cifar10/
    out
        folder of the results
    names
        proxies to correlate
    cache
        folder of the archive of scores
    count
        rows of the table of published scores
    timed
        architectures on which seconds are measured
    seed
        of the initial weights and of the batch of images
    """
    torch.set_num_threads(1)
    space, rows = NasBench201(16, 5, 10), read_rows(data)[:count]
    batch = load_cifar10(data, 32 * seed, 32, 32)
    stored(out / FILE, 'seconds', lambda: {
        name: seconds(name, space, rows[:timed], batch) for name in tqdm(names, 'Seconds')})
    print(report_seconds(out / FILE), flush=True)
    archive = Archive(cache / 'scores.sqlite')
    jobs: dict[str, tuple[str, dict]] = {name: (name, {}) for name in names}
    if 'zen' in names:
        jobs['zen, without residual links'] = ('zen', {'residuals': False})
    stored(out / FILE, 'scores', lambda: {
        title: correlations(name, options, space, rows, batch, archive, seed)
        for title, (name, options) in jobs.items()})
    print(f'\n{len(rows)} architectures, batch of 32, seed {seed}')
    print(report(out / FILE))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
