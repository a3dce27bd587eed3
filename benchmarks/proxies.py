"""Are the zero-cost proxies right, and what do they cost? Full-size NAS-Bench-201, real CIFAR-10.

1. Correlation of each proxy with its published scores, and of both with validation accuracy, on
   the architectures of ``zc_nb201_cifar10.csv`` (NASLib, batches of 32). Scores are kept in an
   archive, so that an interrupted benchmark continues.
2. Seconds of one core per architecture, building the network included, in turns with a
   straightforward implementation: ``space.freeze(sample)``, then the formula as one would write
   it down.

    python benchmarks/proxies.py --data ../shared/data
"""

from __future__ import annotations

import csv
import math
import time
import warnings
from copy import deepcopy
from pathlib import Path
from statistics import mean
from typing import Any, Callable

import numpy as np
import torch
import torch.nn.functional as F
from jsonargparse import CLI
from torch import Tensor, nn

from nni_rankreg.archive import Archive
from nni_rankreg.bench.images import load_cifar10
from nni_rankreg.metric import bootstrap_interval, kendall_tau, pearson, spearman
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.report import markdown_table
from nni_rankreg.space import NasBench201, decode_nasbench201

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


def read(data: Path) -> list[dict[str, Any]]:
    with open(data / 'zc_nb201_cifar10.csv', newline='') as file:
        return list(csv.DictReader(file))


def column(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([float(row[name] or 'nan') for row in rows])


def seconds(name: str, space: NasBench201, samples: list, batch: tuple[Tensor, Tensor]
            ) -> list[str]:
    """Measure a proxy and its straightforward implementation in turns."""
    scorer = ProxyScorer(name, space, batch)
    scorer.score(samples[0])                   # warm up
    ours, others = [], []
    for sample in samples:
        started = time.process_time()          # of one thread: what else runs does not count
        scorer.score(sample)
        middle = time.process_time()
        network = deepcopy(space.freeze(sample))  # which shares the chosen layers with the space
        frozen = time.process_time()
        STRAIGHTFORWARD[name](network.train(), *batch)
        ended = time.process_time()
        ours.append(middle - started)
        others.append((frozen - middle, ended - frozen))
    freezing, scoring = (mean(parts) for parts in zip(*others))
    return [name, f'{mean(ours):.3f}', f'{freezing:.3f} + {scoring:.3f}',
            f'{mean(ours) / (freezing + scoring):.2f}', f'{max(ours):.3f}', f'{TARGETS[name]:.2f}']


def correlations(name: str, options: dict[str, Any], space: NasBench201, rows: list,
                 batch: tuple[Tensor, Tensor], archive: Archive, seed: int) -> list[str]:
    """Score all rows and compare with the published scores and with accuracy."""
    scorer = ProxyScorer(name, space, batch, options=options, seed=seed, cache=archive,
                         progress=True)
    started = time.process_time()
    known = len(archive.scores(scorer.key))
    scores = scorer([decode_nasbench201(row['arch_str']) for row in rows]).numpy()
    spent = (time.process_time() - started) / max(1, len(rows) - known)
    accuracy = column(rows, 'val_accuracy')
    source = '' if options else PUBLISHED.get(name, name)
    published = column(rows, source) if source else np.full(len(rows), np.nan)
    good = np.isfinite(scores)
    both = good & np.isfinite(published)
    low, high = bootstrap_interval(spearman, scores[good], accuracy[good])
    ours = spearman(scores[good], accuracy[good])
    return [name + ''.join(f' {key}={value}' for key, value in options.items()),
            str(int((~good).sum())),
            f'{pearson(scores[both], published[both]):.5f}' if both.any() else '',
            f'{spearman(scores[both], published[both]):+.3f}' if both.any() else '',
            f'{ours:+.3f} ({low:+.3f} .. {high:+.3f})',
            f'{spearman(published[both], accuracy[both]):+.3f}' if both.any() else '',
            f'{kendall_tau(scores[good], accuracy[good]):+.3f}',
            f'{spent:.3f}' if known < len(rows) else '']


def main(data: Path, out: Path = Path('runs/proxies'), names: list[str] = list(NAMES),
         count: int = 362, timed: int = 40, seed: int = 0) -> None:
    """Measure and print the two tables.

    Parameters
    ----------
    data
        folder with zc_nb201_cifar10.csv and cifar10/
    out
        folder of the archive of scores
    names
        proxies to correlate
    count
        rows of the table of published scores
    timed
        architectures on which seconds are measured; 0 measures none
    seed
        of the initial weights and of the batch of images
    """
    torch.set_num_threads(1)
    space, rows = NasBench201(16, 5, 10), read(data)[:count]
    batch = load_cifar10(data, 32 * seed, 32, 32)
    if timed:
        samples = [decode_nasbench201(row['arch_str']) for row in rows[:timed]]
        print(markdown_table(
            ['proxy', 'seconds', 'straightforward (freeze + score)', 'ratio', 'slowest', 'target'],
            [seconds(name, space, samples, batch) for name in STRAIGHTFORWARD]), flush=True)
    archive = Archive(out / 'scores.sqlite')
    jobs: list[tuple[str, dict]] = [(name, {}) for name in names]
    if 'zen' in names:
        jobs.insert(names.index('zen') + 1, ('zen', {'residuals': False}))
    table = [correlations(name, options, space, rows, batch, archive, seed)
             for name, options in jobs]
    print(f'\n{len(rows)} architectures, batch of 32, seed {seed}')
    print(markdown_table(
        ['proxy', 'not finite', 'Pearson, published', 'Spearman, published',
         'Spearman, accuracy', 'published', 'Kendall, accuracy', 'seconds'], table))


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    CLI(main, as_positional=False)
