"""What makes training steps faster on a GPU: each trick alone, and all of them.

A step of NAS-Bench-201, 5 cells per stage, stem 16, batch 256, 32x32, of NNI's `RandomOneShot` and
of `SPOS` under the same evaluator; of `SPOS` with landmarks as well, one pair in each step. The
contenders run in turns. Nothing waits for the GPU between the first and the last step that count.
Each row is kept the moment it is measured. It takes about five minutes.

    python benchmarks/gpu_speed.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
from jsonargparse import CLI
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import RandomOneShot
from quiet import quiet
from speed import now
from stored import read, stored

from nni_rankreg.data import HeldOut, ImageTensors, image_loader
from nni_rankreg.evaluator import BFloat16, Classification, Speed
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.report import markdown_table
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results

FILE = 'gpu_speed.json'
ALL = ('data', 'bfloat16', 'channels last', 'fused')
SKIPPED = 40  # steps in which kernels are chosen and all landmarks are recorded
LANDMARKS = 4  # what a step costs does not depend on their number


class Contender(NamedTuple):
    """Who trains, and with which tricks.

    Parameters
    ----------
    strategy
        Makes it.
    tricks
        Some of `ALL`.
    against
        Whose time the ratio is of.
    aim
        Of the ratio.
    """

    strategy: Callable[[Any], Any]
    tricks: tuple[str, ...] = ()
    against: str = 'RandomOneShot'
    aim: str = ''


def landmarks(loader: Any, **kwargs: Any) -> SPOS:
    """Return SPOS with a pair of random landmarks in each step."""
    chosen = UniformSampler(NasBench201(16, 1), seed=1).distinct(LANDMARKS)
    return SPOS([LandmarkRegularizer(Results(chosen, [1., 2., 3., 4.]), weight=1.,
                                     schedule=Schedule('constant', warmup=0))],
                held_out=HeldOut(loader), **kwargs)


CONTENDERS = {
    'RandomOneShot': Contender(lambda loader: RandomOneShot()),
    'SPOS': Contender(lambda loader: SPOS()),
    **{f'SPOS, {trick}': Contender(lambda loader: SPOS(), (trick,)) for trick in ALL},
    'RandomOneShot, all': Contender(lambda loader: RandomOneShot(), ALL),
    'SPOS, all': Contender(lambda loader: SPOS(), ALL, aim='1/3'),
    'landmarks, all': Contender(landmarks, ALL, 'SPOS, all', '1.15'),
    'landmarks, all, CUDA graphs': Contender(
        lambda loader: landmarks(loader, cuda_graphs=True), ALL, 'SPOS, all', '1.15'),
}


class Steps(pl.Callback):
    """Measure the seconds of the steps after the first ones, all together."""

    def __init__(self, skip: int):
        self.skip = skip
        self.started = self.seconds = 0.

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.skip:
            self.started = now()

    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.seconds = (now() - self.started) / (trainer.global_step - self.skip)


def options(tricks: tuple[str, ...], device: str) -> dict[str, Any]:
    """Return arguments of the evaluator of some tricks."""
    chosen: dict[str, Any] = {'accelerator': 'gpu' if device == 'cuda' else 'cpu', 'devices': 1,
                              'speed': Speed('fused' in tricks, 'channels last' in tricks)}
    return {**chosen, 'plugins': BFloat16(device)} if 'bfloat16' in tricks else chosen


def measure(name: str, device: str, quick: bool, seed: int) -> tuple[float, float]:
    """Return the seconds of a step, and the GiB that the GPU has had in use at most."""
    pixels, batch_size, cells, steps = (8, 4, 1, 4) if quick else (32, 256, 5, 100)
    strategy, tricks = CONTENDERS[name].strategy, CONTENDERS[name].tricks
    skip = steps // 2 if quick else SKIPPED
    generator = torch.Generator().manual_seed(0)
    tensors = (torch.randn(10 * batch_size, 3, pixels, pixels, generator=generator),
               torch.randint(10, (10 * batch_size,), generator=generator))
    place = device if 'data' in tricks else 'cpu'
    images = ImageTensors(*(one.to(place) for one in tensors), padding=4, flip=True)
    clock, loader = Steps(skip), image_loader(images, batch_size, shuffle=True)
    evaluator = Classification(
        loader, loader, num_classes=10, learning_rate=0.01, max_epochs=1000,
        max_steps=skip + steps, limit_val_batches=0, enable_progress_bar=False, callbacks=[clock],
        **options(tricks, device))
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    pl.seed_everything(seed, verbose=False)
    strategy(image_loader(images, batch_size, shuffle=True)).initialize(
        RawFormatModelSpace(NasBench201(16, cells, 10), evaluator),
        SequentialExecutionEngine()).execute()
    memory = torch.cuda.max_memory_allocated() / 2 ** 30 if device == 'cuda' else 0.
    return clock.seconds, memory


def report(file: Path) -> str:
    """Return the results in a file, as Markdown; a ratio is of the same repetition."""
    found = read(file)
    names = [name for name in CONTENDERS if f'{name}, 0' in found]
    runs = {name: [found[key] for seed in range(len(found))
                   if (key := f'{name}, {seed}') in found] for name in names}
    rows = []
    for name, of_name in runs.items():
        against = CONTENDERS[name].against
        ratios = [one / other for (one, _), (other, _) in zip(of_name, runs[against])]
        seconds = median(one for one, _ in of_name)
        rows.append([name, f'{1e3 * seconds:.1f}', f'{1 / seconds:.1f}',
                     f'{median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})', against,
                     CONTENDERS[name].aim, f'{max(memory for _, memory in of_name):.1f}'])
    return markdown_table(['contender', 'ms/step', 'steps/s', 'time as a ratio', 'to', 'aim',
                           'GiB'], rows)


def main(out: Path = Path('benchmarks/results'), device: Literal['cpu', 'cuda'] = 'cuda',
         repetitions: int = 3, quick: bool = False) -> None:
    """Measure what is missing and print the results.

    Parameters
    ----------
    out
        folder of the results
    device
        cuda, or cpu to see what helps there
    repetitions
        runs of each contender
    quick
        only check that it runs
    """
    for seed in range(repetitions):
        for name in list(CONTENDERS)[::1 if seed % 2 else -1]:
            stored(out / FILE, f'{name}, {seed}', lambda: measure(name, device, quick, seed))
    print(report(out / FILE))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
