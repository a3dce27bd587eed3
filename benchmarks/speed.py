"""How fast is it? Ratios, measured side by side in one run.

1. A training step of ``SPOS()`` against NNI's ``RandomOneShot``: same space, evaluator and data.
2. Activating an architecture, against NNI's ``resample(memo=sample)`` on every module.
3. Super-net training with landmark regularisation (m = 1, warm-up 150 of 400 epochs, scaled down)
   against plain SPOS on the same training half, with ranking batches of full size and smaller;
   and the share of the ranking steps in which the hinge is active, so that it costs a backward.

The two contenders of a row run in turns, each repetition with another seed, for both the same; the
ratio is that of the medians.

With ``--data`` the third part trains on real CIFAR-10 with real landmarks, on which it depends how
often a hinge is violated; else on noise with made-up landmarks.

    python benchmarks/speed.py --data ../shared/data
"""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any, Callable

import pytorch_lightning as pl
import torch
from jsonargparse import CLI
from nb201_ranking import VALIDATION, draw_landmarks, load_cifar10
from nni.nas.evaluator.pytorch import Classification
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.hub.pytorch import DARTS
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import RandomOneShot

from nni_rankreg.benchmark import TabularBenchmark
from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.host.activation import Activator
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.report import markdown_table
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.space import NasBench201, decode_nasbench201
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results

Row = list[str]


Measure = Callable[[int], list[float]]


class Clock(pl.Callback):
    """Record the seconds of every training step but the first few, and which hinges are active."""

    def __init__(self, skip: int = 3):
        self.skip, self.started = skip, 0.
        self.seconds: list[float] = []
        self.active: list[bool] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.started = now()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any,
                           index: int) -> None:
        if trainer.global_step > self.skip:
            self.seconds.append(now() - self.started)
        if 'ranking_loss' in trainer.callback_metrics:
            self.active.append(trainer.callback_metrics['ranking_loss'].item() != 0)


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


def train(strategy: Any, space: Any, data: ImageTensors, batch_size: int, epochs: int,
          seed: int) -> Clock:
    """Train a super-net under NNI's evaluator, without validation; return the clock."""
    clock = Clock()
    evaluator = Classification(
        train_dataloaders=image_loader(data, batch_size, shuffle=True),
        val_dataloaders=image_loader(data, batch_size), num_classes=10, max_epochs=epochs,
        limit_val_batches=0, callbacks=[clock], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False)
    pl.seed_everything(seed, verbose=False)
    supernet = strategy.initialize(RawFormatModelSpace(space, evaluator),
                                   SequentialExecutionEngine())
    supernet.execute()
    return clock


def compare(first: Measure, second: Measure, repetitions: int) -> tuple[float, float]:
    """Return the mean seconds of both, run in turns; the median over the repetitions.

    Parameters
    ----------
    first, second
        Seed -> seconds of the steps of a run.
    repetitions
        Number of runs of each; who begins alternates.
    """
    means: tuple[list[float], list[float]] = ([], [])
    for seed in range(repetitions):
        for values, measure in list(zip(means, (first, second)))[::1 if seed % 2 else -1]:
            seconds = measure(seed)
            values.append(sum(seconds) / len(seconds))
    return median(means[0]), median(means[1])


def training_step(cells: int, steps: int, repetitions: int) -> Row:
    """Compare a training step of `SPOS` with one of NNI's `RandomOneShot` on NAS-Bench-201."""
    data = random_images(32 * steps, 8)
    ours, nni_seconds = compare(
        lambda seed: train(SPOS(seed=seed), NasBench201(16, cells, 10), data, 32, 1, seed).seconds,
        lambda seed: train(RandomOneShot(), NasBench201(16, cells, 10), data, 32, 1, seed).seconds,
        repetitions)
    return [f'training step, NB201, {cells} cells per stage', f'{1e3 * ours:.2f} ms',
            f'{1e3 * nni_seconds:.2f} ms', f'{ours / nni_seconds:.2f}', '0.95']


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


def landmark_training(part: int, epochs: int, images: int, repetitions: int,
                      folder: Path | None) -> Row:
    """Compare whole trainings: warm-up 37.5 % of the epochs, ranking batch 1 / `part` of 256."""
    if folder is None:
        data, ranking = random_images(images, 16), random_images(images, 16)
        samples = UniformSampler(NasBench201(8, 1, 10)).distinct(30)
        landmarks = Results(samples, [float(index) for index in range(30)])
    else:
        data, ranking = (ImageTensors(*load_cifar10(folder / 'cifar10', start, images, 16),
                                      padding=2, flip=True) for start in (0, images))
        table = TabularBenchmark.from_npz(folder / 'nb201.npz', VALIDATION, decode_nasbench201)
        samples = draw_landmarks(30, 0, table.subset(200, seed=0))
        landmarks = Results(samples, table(samples).tolist())

    active: list[bool] = []

    def landmark(seed: int) -> list[float]:
        term = LandmarkRegularizer(landmarks, schedule=Schedule(warmup=0.375), seed=seed)
        loader = image_loader(ranking, 256 // part, shuffle=True)
        clock = train(SPOS([term], ranking_dataloader=loader, seed=seed), NasBench201(8, 1, 10),
                      data, 256, epochs, seed)
        active.extend(clock.active)
        return clock.seconds

    ours, plain = compare(
        landmark,
        lambda seed: train(SPOS(seed=seed), NasBench201(8, 1, 10), data, 256, epochs,
                           seed).seconds, repetitions)
    return [f'landmark training, ranking batch 256/{part}, hinge active in '
            f'{sum(active) / len(active):.0%} of the ranking steps', f'{1e3 * ours:.1f} ms',
            f'{1e3 * plain:.1f} ms', f'{ours / plain:.2f}', '1.35' if part == 1 else '']


def main(data: Path | None = None, quick: bool = False, threads: int = 1) -> None:
    """Measure and print the table.

    Parameters
    ----------
    data
        folder with nb201.npz and cifar10/
    quick
        only check that it runs
    threads
        of PyTorch
    """
    torch.set_num_threads(threads)
    repetitions, steps, epochs = (1, 6, 4) if quick else (3, 80, 16)
    rows = [training_step(cells, steps, repetitions) for cells in (1, 5)]
    rows.append(activation('NB201, 1 cell', NasBench201(16, 1, 10), '0.3 ms', 500))
    rows.append(activation('DARTS, default', DARTS(), '5 ms', 200))
    for part in (1, 2, 4, 8):
        rows.append(landmark_training(part, epochs, 512 if quick else 1024, repetitions, data))
    print(markdown_table(['what', 'ours', 'other', 'ratio', 'target'], rows))


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    for name in ('pytorch_lightning', 'lightning.pytorch'):
        logging.getLogger(name).setLevel(logging.ERROR)
    CLI(main, as_positional=False)
