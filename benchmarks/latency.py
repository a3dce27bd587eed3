"""How well does a measured latency tell the time of networks that it has not seen.

For each space, 100 random networks are measured to learn from, and 100 others, these twice, all in
turns. What is compared with the first measurement of these: `MeasuredLatency`, the second
measurement, and NNI's FLOPs and parameters with a straight line through the networks that are
learned from. Of NNI's range filter, and of a `LatencyConstraint`: the share of the 100 on the wrong
side of their median.

    python benchmarks/latency.py
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import CLI
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.oneshot.pytorch.profiler import RangeProfilerFilter
from nni.nas.profiler import Profiler
from nni.nas.profiler.pytorch.flops import FlopsProfiler, NumParamsProfiler
from quiet import quiet
from stored import read, stored
from tqdm.auto import tqdm

from nni_rankreg.constraint import LatencyConstraint, MeasuredLatency
from nni_rankreg.metric import spearman
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.report import markdown_table
from nni_rankreg.space import NasBench201, ProxylessNAS, ResNet48
from nni_rankreg.typing import Sample

FOLDER = 'latency'
UNSEEN = 100


def own_space() -> ModelSpace:
    sys.path.append(str(Path(__file__).parents[1] / 'examples'))
    return importlib.import_module('own_space').ConvNet()


SPACES: dict[str, tuple[str, Callable[[], ModelSpace], tuple[int, ...]]] = {
    'own': ('examples/own_space.py, 8 px', own_space, (3, 8, 8)),
    'nasbench201': ('NAS-Bench-201, N = 5, 32 px', NasBench201, (3, 32, 32)),
    'proxyless': ('ProxylessNAS, 224 px', ProxylessNAS, (3, 224, 224)),
    'resnet48': ('ResNet48, 224 px', ResNet48, (3, 224, 224))}


class Proxy(Profiler):
    """A zero-cost proxy as a profiler, for layers that NNI's has no formula for."""

    def __init__(self, name: str, space: ModelSpace, image: torch.Tensor):
        self.proxy = ProxyScorer(name, space, (image, torch.zeros(1)))

    def profile(self, sample: Sample) -> float:
        return self.proxy([sample]).item()


def profilers(space: Callable[[], ModelSpace], shape: tuple[int, ...]) -> dict[str, Profiler]:
    """Return NNI's profilers; where it has no formula for a layer, networks are counted."""
    image = torch.randn(1, *shape)
    try:
        return {'FLOPs': FlopsProfiler(space(), image),
                'parameters': NumParamsProfiler(space(), image)}
    except RuntimeError:
        return {'FLOPs, counted': Proxy('flops', space(), image),
                'parameters, counted': Proxy('params', space(), image)}


def compared(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    return {'error': float(np.mean(np.abs(found - true) / true)), 'spearman': spearman(found, true)}


def wrong(accept: Callable[[Sample], bool], samples: Sequence[Sample], within: np.ndarray) -> float:
    return float(np.mean([accept(sample) for sample in samples] != within))


def measure(name: str, folder: Path, seed: int, seconds: float, repeats: int) -> dict[str, Any]:
    """Measure a space, and compare what is known of its unseen networks."""
    _, make, shape = SPACES[name]
    load = [os.getloadavg()[0]]
    latency = MeasuredLatency(make(), shape, file=folder / f'{name}.csv', seed=seed,
                              seconds=seconds, repeats=repeats)
    agreement = latency.agreement(UNSEEN)
    load.append(os.getloadavg()[0])
    table = latency.table
    samples, seen = table.names('unseen'), table.names('network')
    first = np.array(table.milliseconds('unseen', samples))
    known = np.array(table.milliseconds('network', seen))
    limit = float(np.median(first))
    result: dict[str, Any] = {
        'about': table.about, 'load': load, 'networks': len(seen),
        'cross-validation': latency.errors,
        'milliseconds': [float(first.min()), limit, float(first.max())],
        'repeats': [min(table.repeats(kind, one) for one in names) for kind, names in (
            ('network', seen), ('unseen', samples), ('again', samples))],
        'rows': {'MeasuredLatency': {
            'error': agreement.error, 'spearman': agreement.correlation,
            'wrong': wrong(LatencyConstraint(latency, maximum=limit), samples, first <= limit)},
            'second measurement': {
                'error': agreement.again_error, 'spearman': agreement.again_correlation,
                'wrong': float(np.mean((np.array(table.milliseconds('again', samples)) <= limit)
                                       != (first <= limit)))}}}
    for title, profiler in profilers(make, shape).items():
        numbers = [np.array([profiler.profile(one) for one in ones]) for ones in (seen, samples)]
        slope, base = np.polyfit(numbers[0], known, 1, w=1 / known)
        result['rows'][title] = {
            **compared(base + slope * numbers[1], first),
            'wrong': wrong(RangeProfilerFilter(profiler, max=(limit - base) / slope), samples,
                           first <= limit)}
    return result


def report(folder: Path) -> str:
    """Return the comparison, as Markdown."""
    rows = []
    for name, (title, *_) in SPACES.items():
        found = read(folder / f'{name}.json').get('result')
        for way, row in found['rows'].items() if found else ():
            rows.append([title, way, f'{row["error"]:.1%}', f'{row["spearman"]:.3f}',
                         f'{row["wrong"]:.0%}'])
            title = ''
    return markdown_table(['space', 'by', 'error', 'Spearman', 'wrong side of the median'], rows)


def learning(found: dict[str, Any]) -> float:
    """Return the seconds of what was learned from, of all that was measured in turns."""
    networks = [found['networks'], found['networks'] + 2 * UNSEEN]
    return float(found['about']['seconds']) * networks[0] / networks[1]


def report_settings(folder: Path) -> str:
    """Return how it was measured, as Markdown."""
    rows = []
    for name, (title, *_) in SPACES.items():
        found = read(folder / f'{name}.json').get('result')
        if found:
            best = min(found['cross-validation'], key=found['cross-validation'].__getitem__)
            rows.append([title, '{:.3g}, {:.3g}, {:.3g}'.format(*found['milliseconds']),
                         f'{learning(found):.0f}', ', '.join(map(str, found['repeats'])),
                         ', '.join(f'{one:.1f}' for one in found['load']), best])
    return markdown_table(['space', 'ms: least, median, most', 'seconds to learn',
                           'repeats: seen, unseen, again', 'load', 'estimator'], rows)


def main(out: Path = Path('benchmarks/results/latency'), names: list[str] = list(SPACES),
         cache: Path = Path('runs/latency'), seed: int = 0, seconds: float = 200.,
         repeats: int = 12) -> None:
    """Measure what is missing and print the results.

    Parameters
    ----------
    out
        folder of the results
    names
        spaces to measure
    cache
        folder of the tables, so that an interrupted measurement goes on
    seed
        of the networks
    seconds, repeats
        as of `MeasuredLatency`
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    for name in tqdm(names, 'Spaces'):
        stored(out / f'{name}.json', 'result',
               lambda: measure(name, cache, seed, seconds, repeats))
    print(report(out), report_settings(out), sep='\n\n')


if __name__ == '__main__':
    quiet()
    for noisy in ('nni.nas.profiler', 'torch.utils.cpp_extension'):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    CLI(main, as_positional=False)
