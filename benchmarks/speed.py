"""How fast is it? Ratios, measured side by side in one run.

1. A training step of each strategy against that of NNI that trains the same: ``SPOS``, ``NAO`` and
   ``FairNAS``, which trains five architectures in a step, against ``RandomOneShot``; ``DARTS``
   against ``DARTS``; ``GDAS`` against ``GumbelDARTS``, which executes every operation, and against
   ``SPOS``. Same space, evaluator and data; of the last two also the bytes that are kept for the
   backward pass. ``RandomOneShot`` trains the architectures that ours has drawn, not others, which
   may have fewer convolutions; also in NNI's own space of the same cells. ``GDAS`` also
   on cells of DARTS, whose nodes choose inputs, and on a network of widths and depths.
2. A step of ``SPOS`` under our evaluator, with channels last against without.
3. Activating an architecture, against NNI's ``resample(memo=sample)`` on every module.

The two contenders of a row run in turns, each repetition with another seed, for both the same; the
ratio is that of the medians. What landmark regularisation costs is a column of the rankings, since
it depends on how often a hinge is violated. Each row is kept the moment it is measured.

    python benchmarks/speed.py
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from jsonargparse import CLI
from nni.nas.evaluator.pytorch import Classification
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.hub.pytorch import DARTS
from nni.nas.hub.pytorch import NasBench201 as NNINasBench201
from nni.nas.oneshot.pytorch.sampling import RandomSamplingLightningModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import DARTS as NNIDARTS
from nni.nas.strategy import GumbelDARTS, RandomOneShot
from quiet import quiet
from stored import read, stored
from torch.autograd.graph import saved_tensors_hooks

from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.evaluator import Classification as OurClassification
from nni_rankreg.evaluator import Speed
from nni_rankreg.host.network.activation import Activator
from nni_rankreg.report import markdown_table
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201, ResNet48
from nni_rankreg.strategy import DARTS as OurDARTS
from nni_rankreg.strategy import GDAS, NAO, SPOS, FairNAS
from nni_rankreg.typing import Sample

FILE = 'speed.json'


class Contest(NamedTuple):
    """Two strategies whose training steps are compared.

    Parameters
    ----------
    ours, other
        Make them from a seed; an other of None is `RandomOneShot` with the architectures of ours.
    work
        Of a step of ours, in steps of the other.
    target
        Of the ratio.
    space
        Makes the space of the other from stem, cells and classes.
    """

    ours: Callable[[int], Any]
    other: Callable[[int], Any] | None = None
    work: int = 1
    target: float = 0.95
    space: Callable[[int, int, int], Any] = NasBench201


STEPS = {
    'SPOS / RandomOneShot': Contest(lambda seed: SPOS(seed=seed)),
    "SPOS / RandomOneShot with NNI's cells": Contest(lambda seed: SPOS(seed=seed),
                                                     space=NNINasBench201),
    'NAO / RandomOneShot': Contest(lambda seed: NAO(seed=seed)),
    'FairNAS / 5 x RandomOneShot': Contest(lambda seed: FairNAS(seed=seed), work=5),
    'DARTS / DARTS': Contest(lambda seed: OurDARTS(seed=seed), lambda seed: NNIDARTS()),
    'GDAS / GumbelDARTS': Contest(lambda seed: GDAS(seed=seed), lambda seed: GumbelDARTS(),
                                  target=0.4),
    'weights of GDAS / SPOS': Contest(lambda seed: GDAS(seed=seed, warmup_epochs=1),
                                      lambda seed: SPOS(seed=seed), target=1.3),
}
IN_BYTES = ('GDAS / GumbelDARTS', 'weights of GDAS / SPOS')
SPACES = {
    'cells of DARTS': (lambda *_: DARTS(8, 3, 'cifar'), 8, 10),
    'widths and depths': (lambda *_: ResNet48(10, (16, 32, 64, 128), ((1, 2),) * 4), 32, 40),
}
"""What makes a space, the side of its images, and steps; GDAS and GumbelDARTS meet there."""

Row = dict[str, Any]
Measure = Callable[[int], list[float]]


class Following(RandomOneShot):
    """NNI's strategy, which trains given architectures in their order."""

    def __init__(self, samples: Sequence[Sample]):
        super().__init__()
        self.samples = samples

    def configure_oneshot_module(self, training_module: Any) -> RandomSamplingLightningModule:
        module = RandomSamplingLightningModule(training_module)
        samples = iter(self.samples)

        def follow() -> Sample:
            sample = dict(next(samples))
            for one in module.supernet_modules():  # as NNI does, but for what is in the sample
                sample.update(one.resample(memo=sample))
            return sample
        module.resample = partial(module._repeat_until_valid, follow)
        return module


def noted(strategy: Any, samples: list[Sample]) -> Any:
    """Return a strategy of ours that adds the architectures of its steps to a list."""
    make_module = strategy.make_module

    def make(*args: Any, **kwargs: Any) -> Any:
        module = make_module(*args, **kwargs)
        draw = module.paths

        def paths() -> list[Sample]:
            samples.extend(drawn := draw())
            return drawn
        module.paths = paths
        return module
    strategy.make_module = make
    return strategy


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


def one_epoch(data: ImageTensors, batch_size: int, callback: pl.Callback, *, shuffle: bool = True,
              make: Callable[..., Any] = Classification, **trainer: Any) -> Any:
    """Return an evaluator, NNI's, of one epoch, which nothing but the callback looks at."""
    return make(
        train_dataloaders=image_loader(data, batch_size, shuffle=shuffle),
        val_dataloaders=image_loader(data, batch_size), num_classes=10, max_epochs=1,
        limit_val_batches=0, callbacks=[callback], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, **trainer)


def train(strategy: Any, data: ImageTensors, cells: int, seed: int,
          probe: Callable[[], Any] = Clock, batch_size: int = 32,
          trainer: dict[str, Any] | None = None,
          space: Callable[[int, int, int], Any] = NasBench201) -> list[float]:
    """Train NAS-Bench-201 under NNI's evaluator for an epoch; return a value for each step."""
    callback = probe()
    evaluator = one_epoch(data, batch_size, callback, **(trainer or {}))
    pl.seed_everything(seed, verbose=False)
    supernet = strategy.initialize(RawFormatModelSpace(space(16, cells, 10), evaluator),
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


def step(name: str, cells: int, steps: int, repetitions: int, probe: Any,
         where: str | None = None) -> Row:
    """Compare a training step of two strategies, in seconds or in bytes.

    It is on NAS-Bench-201 of so many cells, or on one of `SPACES`.
    """
    ours, other, work, target, space = STEPS[name]
    own, pixels, steps = (NasBench201, 8, steps) if where is None else (
        *SPACES[where][:2], min(steps, SPACES[where][2]))
    space = space if where is None else own
    drawn: dict[int, list[Sample]] = {}

    def measure(strategy: Any, seed: int, **options: Any) -> list[float]:
        images = 32 * steps * (2 if getattr(strategy, 'holds_out', False) else 1)
        return train(strategy, random_images(images, pixels), cells, seed, probe, **options)

    def measure_ours(seed: int) -> list[float]:
        drawn[seed] = []
        return measure(noted(ours(seed), drawn[seed]), seed, space=own)

    def measure_other(seed: int) -> list[float]:
        if other is not None:
            return measure(other(seed), seed, space=space)
        if seed not in drawn:
            measure_ours(seed)
        return measure(Following(drawn[seed]), seed, space=space)

    first, second = compare(measure_ours, measure_other, repetitions)
    unit, scale = ('ms', 1e3) if probe is Clock else ('MB', 1e-6)
    return dict(unit=unit, ours=scale * first, other=scale * work * second,
                ratio=first / (work * second), target=target)


def layout(cells: int, pixels: int, steps: int, repetitions: int) -> Row:
    """Compare a step of SPOS with channels last with one without; both train the same."""
    def measure(channels_last: bool, seed: int) -> list[float]:
        make = partial(OurClassification, speed=Speed(channels_last=channels_last))
        return train(SPOS(seed=seed), random_images(32 * steps, pixels), cells, seed,
                     trainer={'make': make})

    first, second = compare(partial(measure, True), partial(measure, False), repetitions)
    return dict(unit='ms', ours=1e3 * first, other=1e3 * second, ratio=first / second, target='')


def per_call(function: Callable[[Any], Any], arguments: Sequence[Any]) -> float:
    """Return the mean seconds of a call."""
    started = now()
    for argument in arguments:
        function(argument)
    return (now() - started) / len(arguments)


def activation(space: Any, target: str, count: int) -> Row:
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
    ours = per_call(activate, samples)
    nni_seconds = per_call(resample, samples[:max(3, count // 50)])
    return dict(unit='ms', ours=1e3 * ours, other=1e3 * nni_seconds, ratio=ours / nni_seconds,
                target=target)


def report(file: Path) -> str:
    """Return the results in a file, as Markdown."""
    rows = [[what, f'{row["ours"]:.3g} {row["unit"]}', f'{row["other"]:.3g} {row["unit"]}',
             f'{row["ratio"]:.2g}', str(row['target'])]
            for what, row in read(file).items()]
    return markdown_table(['what', 'ours', 'other', 'ratio', 'aim'], rows)


def main(out: Path = Path('benchmarks/results'), repetitions: int = 5, quick: bool = False,
         threads: int = 1) -> None:
    """Measure what is missing and print the results.

    Parameters
    ----------
    out
        folder of the results
    repetitions
        of each comparison
    quick
        only check that it runs
    threads
        of PyTorch
    """
    torch.set_num_threads(threads)
    repetitions, steps = (1, 10) if quick else (repetitions, 80)
    for name in STEPS:
        many = steps if 'RandomOneShot' in name else steps // 2
        for cells in (1, 5):
            what = f'step, {name}, N = {cells}'
            stored(out / FILE, what, lambda: step(name, cells, many, repetitions, Clock))
            if name in IN_BYTES:
                stored(out / FILE, f'{what}, activations',
                       lambda: step(name, cells, min(steps, 10), 1, Activations))
    for where in SPACES:
        what, name = f'step, GDAS / GumbelDARTS, {where}', 'GDAS / GumbelDARTS'
        stored(out / FILE, what,
               lambda: step(name, 0, steps, min(repetitions, 3), Clock, where))
        stored(out / FILE, f'{what}, activations',
               lambda: step(name, 0, min(steps, 4), 1, Activations, where))
    for cells, pixels in ((1, 8), (5, 8), (1, 32)):
        stored(out / FILE, f'channels last / not, SPOS, N = {cells}, {pixels}x{pixels}',
               lambda: layout(cells, pixels, steps // 2, repetitions))
    for name, space, target, count in (('NB201, 1 cell', NasBench201(16, 1, 10), '0.3 ms', 500),
                                       ('DARTS, default', DARTS(), '5 ms', 200)):
        stored(out / FILE, f'activation, {name}', lambda: activation(space, target, count))
    print(report(out / FILE))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
