"""How fast is it? Ratios, measured side by side in one run.

1. A training step of ``SPOS()`` against NNI's ``RandomOneShot``: same space, evaluator and data.
2. Activating an architecture, against NNI's ``resample(memo=sample)`` on every module.
3. The weight step of ``GDAS()`` against that of ``SPOS()``, and both its steps against NNI's
   ``GumbelDARTS``, which executes every operation: seconds, and bytes kept for the backward pass.

The two contenders of a row run in turns, each repetition with another seed, for both the same; the
ratio is that of the medians. What landmark regularisation costs is in `nb201_ranking.py`, since it
depends on how often a hinge is violated.

    python benchmarks/speed.py
"""

from __future__ import annotations

import logging
import time
import warnings
from collections import Counter
from functools import partial
from statistics import fmean, median
from typing import Any, Callable, Sequence

import pytorch_lightning as pl
import torch
from jsonargparse import CLI
from nni.nas.evaluator.pytorch import Classification
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.hub.pytorch import DARTS
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import GumbelDARTS, RandomOneShot
from torch.autograd.graph import saved_tensors_hooks

from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.host.activation import Activator
from nni_rankreg.report import markdown_table
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import GDAS, SPOS

Row = list[str]
Measure = Callable[[int], list[float]]


class Clock(pl.Callback):
    """Record the seconds of every training step but the first few."""

    def __init__(self, skip: int = 3):
        self.skip, self.started = skip, 0.
        self.values: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.started = now()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step > self.skip:
            self.values.append(now() - self.started)


class Kept:
    """A tensor kept for the backward pass, counted as long as it is."""

    def __init__(self, tensor: torch.Tensor, activations: Activations):
        self.tensor, self.activations = tensor, activations
        self.activations.count(tensor, 1)

    def __del__(self) -> None:
        self.activations.count(self.tensor, -1)


class Activations(pl.Callback):
    """Record the most bytes that are kept for the backward passes of a step at a time."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.uses: Counter[int] = Counter()
        self.bytes = self.peak = 0
        self.parameters: set[int] = set()

    def count(self, tensor: torch.Tensor, change: int) -> None:
        """Count one more or one less use of a tensor's memory."""
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        before = self.uses[address]
        self.uses[address] += change
        if min(before, self.uses[address]) == 0 and address not in self.parameters:
            self.bytes += change * storage.nbytes()
            self.peak = max(self.peak, self.bytes)

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        self.uses.clear()
        self.bytes = self.peak = 0
        self.parameters = {one.untyped_storage().data_ptr() for one in module.parameters()}
        self.hooks = saved_tensors_hooks(partial(Kept, activations=self),
                                         lambda kept: kept.tensor)
        self.hooks.__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        self.hooks.__exit__()
        self.values.append(self.peak)


def now() -> float:
    """Return the time in seconds, after what was started has ended."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def random_images(count: int, pixels: int) -> ImageTensors:
    """Return noise with random labels."""
    generator = torch.Generator().manual_seed(0)
    return ImageTensors(torch.randn(count, 3, pixels, pixels, generator=generator),
                        torch.randint(10, (count,), generator=generator))


def train(strategy: Any, data: ImageTensors, cells: int, seed: int,
          probe: Callable[[], Any] = Clock, batch_size: int = 32,
          trainer: dict[str, Any] | None = None) -> list[float]:
    """Train NAS-Bench-201 under NNI's evaluator for an epoch; return a value for each step."""
    callback = probe()
    evaluator = Classification(
        train_dataloaders=image_loader(data, batch_size, shuffle=True),
        val_dataloaders=image_loader(data, batch_size), num_classes=10, max_epochs=1,
        limit_val_batches=0, callbacks=[callback], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
        **(trainer or {}))
    pl.seed_everything(seed, verbose=False)
    supernet = strategy.initialize(RawFormatModelSpace(NasBench201(16, cells, 10), evaluator),
                                   SequentialExecutionEngine())
    supernet.execute()
    return callback.values


def compare(first: Measure, second: Measure, repetitions: int) -> tuple[float, float]:
    """Return the mean of both, run in turns; the median over the repetitions.

    Parameters
    ----------
    first, second
        Seed -> seconds, or bytes, of the steps of a run.
    repetitions
        Number of runs of each; who begins alternates.
    """
    means = turns([first, second], repetitions)
    return median(means[0]), median(means[1])


def turns(measures: Sequence[Measure], repetitions: int) -> list[list[float]]:
    """Return, for each of what is measured in turns, the mean of each of its runs."""
    means: list[list[float]] = [[] for _ in measures]
    for seed in range(repetitions):
        for values, measure in list(zip(means, measures))[::1 if seed % 2 else -1]:
            values.append(fmean(measure(seed)))
    return means


def training_step(cells: int, steps: int, repetitions: int) -> Row:
    """Compare a training step of `SPOS` with one of NNI's `RandomOneShot` on NAS-Bench-201."""
    data = random_images(32 * steps, 8)
    ours, nni_seconds = compare(
        lambda seed: train(SPOS(seed=seed), data, cells, seed),
        lambda seed: train(RandomOneShot(), data, cells, seed), repetitions)
    return [f'training step, NB201, {cells} cells per stage', f'{1e3 * ours:.2f} ms',
            f'{1e3 * nni_seconds:.2f} ms', f'{ours / nni_seconds:.2f}', '0.95']


def gdas_step(cells: int, steps: int, repetitions: int, probe: Any) -> list[Row]:
    """Compare GDAS with SPOS, weights only, and with NNI's GumbelDARTS, in bytes or seconds."""
    data = random_images(32 * steps, 8)
    twice = random_images(64 * steps, 8)  # half of it is held out
    unit, scale, what = ('ms', 1e3, 'time') if probe is Clock else ('MB', 1e-6, 'activations')
    rows = []
    for name, ours, other, target in [
            ('weight step of GDAS against SPOS', lambda seed: GDAS(seed=seed, warmup_epochs=1),
             lambda seed: SPOS(seed=seed), '1.3'),
            ('both steps of GDAS against GumbelDARTS', lambda seed: GDAS(seed=seed),
             lambda seed: GumbelDARTS(), '0.4')]:
        first, second = compare(
            lambda seed: train(ours(seed), twice, cells, seed, probe),
            lambda seed: train(other(seed), data, cells, seed, probe), repetitions)
        rows.append([f'{name}, NB201, {cells} cells per stage, {what}', f'{scale * first:.2f} '
                     f'{unit}', f'{scale * second:.2f} {unit}', f'{first / second:.2f}', target])
    return rows


def activation(name: str, space: Any, target: str, count: int) -> Row:
    """Compare the activation of architectures with NNI's `resample`, choices once seen."""
    supernet = RandomOneShot().mutate_model(space)
    activate, sampler = Activator(supernet), UniformSampler(supernet)
    samples = [sampler.sample() for _ in range(count)]

    def resample(sample: dict) -> None:
        for module in supernet.modules():  # as NNI's strategies do in each step
            if isinstance(module, BaseSuperNetModule):
                module.resample(memo=sample)

    for sample in samples:
        activate(sample)
    seconds = []
    for run, part in ((activate, samples), (resample, samples[:max(3, count // 50)])):
        started = now()
        for sample in part:
            run(sample)
        seconds.append((now() - started) / len(part))
    ours, nni_seconds = seconds
    return [f'activation, {name}', f'{1e3 * ours:.4f} ms', f'{1e3 * nni_seconds:.1f} ms',
            f'{ours / nni_seconds:.5f}', target]


def main(quick: bool = False, threads: int = 1) -> None:
    """Measure and print the table.

    Parameters
    ----------
    quick
        only check that it runs
    threads
        of PyTorch
    """
    torch.set_num_threads(threads)
    repetitions, steps = (1, 6) if quick else (5, 80)
    rows = [training_step(cells, steps, repetitions) for cells in (1, 5)]
    for cells in (1, 5):
        rows += gdas_step(cells, steps // 2, repetitions, Clock)
        rows += gdas_step(cells, min(steps, 10), 1, Activations)
    rows.append(activation('NB201, 1 cell', NasBench201(16, 1, 10), '0.3 ms', 500))
    rows.append(activation('DARTS, default', DARTS(), '5 ms', 200))
    print(markdown_table(['what', 'ours', 'other', 'ratio', 'target'], rows))


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    for name in ('pytorch_lightning', 'lightning.pytorch'):
        logging.getLogger(name).setLevel(logging.ERROR)
    CLI(main, as_positional=False)
