"""What `scaling.py` measures: training steps, spaces, archives. Each part returns plain rows."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import resource
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import RandomOneShot
from speed import Activations, Clock, now, one_epoch, per_call, random_images, train, turns

from nni_rankreg.archive import Archive
from nni_rankreg.data import HeldOut, image_loader
from nni_rankreg.host.network.activation import Activator
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.sampler import PoolSampler, UniformSampler
from nni_rankreg.sampler.choice import ChoiceSpace
from nni_rankreg.schedule import Schedule
from nni_rankreg.space import NasBench201, ProxylessNAS, ResNet48
from nni_rankreg.space.nds import DARTSSpace, NASNet, NDSSpace
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results, Sample

Row = dict[str, Any]

# Children are forked from a process that has imported this, and done nothing else. It looks for
# modules where the environment says only.
os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, sys.path))
CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(['scaling_parts'])


def landmark_rows(counts: tuple[int, ...], pairs: tuple[int, ...], quick: bool) -> list[Row]:
    """Measure steps with each number of landmarks and of pairs; the first is plain SPOS."""
    repetitions, steps = (1, 5) if quick else (5, 30)
    rows: list[Row] = [{'landmarks': 0, 'pairs': 0}]
    rows += [{'landmarks': count, 'pairs': some} for count in counts for some in pairs]
    images = random_images(32 * steps, 8)

    def seconds(row: Row, seed: int) -> list[float]:
        strategy = SPOS(ranking(**row), seed=seed, held_out=HeldOut(image_loader(images, 32)))
        return train(strategy, images, 1, seed)

    times = turns([partial(seconds, dict(row)) for row in rows], repetitions)
    with CONTEXT.Pool(1, maxtasksperchild=1) as pool:
        for row, values in zip(rows, times):
            row.update(pool.apply(memory, (dict(row), 32 if quick else 128)), seconds=values)
    return rows


def ranking(landmarks: int, pairs: int) -> list[LandmarkRegularizer]:
    """Return the regulariser of random landmarks with random metrics, in all epochs; or none."""
    if not landmarks:
        return []
    chosen = UniformSampler(NasBench201(16, 1), seed=1).distinct(landmarks)
    metrics = random.Random(0)
    return [LandmarkRegularizer(Results(chosen, [metrics.random() for _ in chosen]), pairs=pairs,
                                schedule=Schedule('constant', warmup=0))]


def memory(row: Row, batch_size: int) -> Row:
    """Return the bytes by which a training lets a process grow at most, and its activations."""
    torch.set_num_threads(1)
    images = random_images(4 * batch_size, 16)
    values = {}
    for name, probe in (('process', Peak), ('activations', Activations)):
        strategy = SPOS(ranking(**row), held_out=HeldOut(image_loader(images, batch_size)))
        values[name] = max(train(strategy, images, 1, 0, probe, batch_size))
    return values


class Peak(pl.Callback):
    """Record by how much the process is larger, at most, than before its first step."""

    def on_train_start(self, *_: Any) -> None:
        self.before = peak_memory()

    def on_train_end(self, *_: Any) -> None:
        self.values = [peak_memory() - self.before]


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory since it began."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def cells(nodes: int, operations: int) -> NDSSpace:
    """Return cells of so many nodes, of two edges each, and the first of NASNet's operations."""
    kind = type('Cells', (NDSSpace,), {'nodes': nodes,
                                       'operations': NASNet.operations[:operations]})
    return kind(width=8, num_cells=3)


SPACES: dict[str, tuple[str, Callable[[], Any]]] = {
    **{f'cells, {nodes} nodes': ('nodes', partial(cells, nodes, 8)) for nodes in (2, 4, 6, 8)},
    **{f'cells, {count} operations': ('operations', partial(cells, 5, count))
       for count in (2, 4, 8, 13)},
    'NAS-Bench-201, 1 cell': ('space', lambda: NasBench201(8, 1)),
    'NAS-Bench-201, 5 cells': ('space', lambda: NasBench201(8, 5)),
    'DARTS': ('space', lambda: DARTSSpace(width=8, num_cells=3)),
    'ResNet48': ('space', lambda: ResNet48(10, channels=(8, 8, 16, 16))),
    'ProxylessNAS': ('space', lambda: ProxylessNAS(10, (8, 8, 8, 8, 16, 16, 16, 16, 32))),
}
"""Name -> what it belongs to, and what makes it; all narrow."""


def space_rows(quick: bool) -> list[Row]:
    """Measure a super-net's step against those of its architectures alone, and the switch."""
    repetitions, steps = (1, 5) if quick else (3, 15)
    chosen = list(SPACES)[:1] if quick else list(SPACES)
    return [space_row(name, *SPACES[name], repetitions, steps) for name in chosen]


def space_row(name: str, kind: str, make: Callable[[], Any], repetitions: int, steps: int) -> Row:
    """Measure one space; each repetition has one other architecture, the same for both."""
    images = random_images(8 * steps, 16)

    def supernet(seed: int) -> list[float]:
        sample = UniformSampler(make(), seed).sample()
        strategy = SPOS(sampler=partial(only, sample), seed=seed)
        clock = Clock()
        evaluator = one_epoch(images, 8, clock, shuffle=False)
        strategy.initialize(RawFormatModelSpace(make(), evaluator),
                            SequentialExecutionEngine()).execute()
        return clock.values

    def alone(seed: int) -> list[float]:
        space = make()
        clock = Clock()
        evaluator = one_epoch(images, 8, clock, shuffle=False)
        evaluator.evaluate(space.freeze(UniformSampler(space, seed).sample()))
        return clock.values

    times = turns([supernet, alone], repetitions)
    space = make()
    sizes = [one.size for one in ChoiceSpace(space).movable]
    mutated = RandomOneShot().mutate_model(space)
    parameters = sum(one.numel() for one in mutated.parameters())
    return {'space': name, 'kind': kind, 'labels': len(sizes), 'choices': sum(sizes),
            'log10': sum(map(math.log10, sizes)), 'parameters': parameters,
            'supernet': times[0], 'alone': times[1], 'switch': switch(mutated)}


def only(sample: Sample, space: Any, seed: int) -> PoolSampler:
    """Return what draws the same architecture in each step."""
    sampler = PoolSampler(space, seed)
    sampler.pool.append(sample)
    return sampler


def switch(supernet: Any, count: int = 200) -> float:
    """Return the seconds for the activation of an architecture, choices once seen."""
    activate, sampler = Activator(supernet), UniformSampler(supernet)
    samples = [sampler.sample() for _ in range(count)]
    for sample in samples:
        activate(sample)
    return per_call(activate, samples)


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    started = now()
    call()
    return now() - started


QUERIES: dict[str, tuple[int, Callable[[Archive, int], Any]]] = {
    'look-up': (200, lambda archive, number: archive.metric(architecture(number))),
    'count': (3, lambda archive, _: len(archive)),
    'best': (3, lambda archive, _: archive.best(10)),
    'open': (1, lambda archive, _: Archive(archive.path)),
    'read': (1, lambda archive, _: archive.results()),
    'add': (20, lambda archive, _: archive.add({'cell/0_1': 'none'}, 0.5)),
}
"""Name -> how often, and what; `add` comes last as it changes the archive."""


def architecture(number: int) -> Sample:
    """Return one of 9.8 million cells like those of NAS-Bench-201, with ten edges."""
    operations = ('none', 'skip_connect', 'conv_1x1', 'conv_3x3', 'avg_pool_3x3')
    number = number * 1_000_003 % 5 ** 10  # in no order
    return {f'cell/{source}_{target}': operations[number // 5 ** place % 5]
            for place, (source, target) in enumerate(
                (source, target) for target in range(1, 5) for source in range(target))}


def archive_row(count: int) -> Row:
    """Fill an archive with so many results and time each query in a fresh process."""
    with tempfile.TemporaryDirectory() as folder, CONTEXT.Pool(1, maxtasksperchild=1) as pool:
        archive = Archive(Path(folder) / 'archive.sqlite')
        row: Row = {'stored': count, 'insert': pool.apply(fill, (archive, count)),
                    'bytes': archive.path.stat().st_size}
        for name in QUERIES:
            row[name], grown = pool.apply(ask, (archive, name, count))
            if name == 'read':
                row['process'] = grown
        return row


def fill(archive: Archive, count: int, part: int = 100_000) -> float:
    """Return the seconds to add so many results in transactions of at most `part`."""
    metrics, seconds = random.Random(0), 0.
    for start in range(0, count, part):
        samples = [architecture(number) for number in range(start, min(start + part, count))]
        results = Results(samples, [metrics.random() for _ in samples])
        seconds += timed(partial(archive.add_many, results))
    return seconds


def ask(archive: Archive, name: str, count: int) -> tuple[float, int]:
    """Return the seconds of a query, and by how many bytes it lets the process grow at most."""
    repetitions, query = QUERIES[name]
    numbers = random.Random(1).choices(range(count), k=repetitions)
    before = peak_memory()
    seconds = median(timed(partial(query, archive, number)) for number in numbers)
    return seconds, peak_memory() - before
