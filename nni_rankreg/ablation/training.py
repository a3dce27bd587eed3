"""The training of one super-net of an ablation, in as many slices as it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from ..data import HeldOut, ImageTensors, image_loader
from ..data.cifar10 import load_cifar10
from ..evaluator import Classification, on_device
from ..metric import bootstrap_interval, kendall_tau, sparse_kendall_tau
from ..strategy.oneshot import SuperNetStrategy
from ..table import TabularBenchmark
from ..typing import Results
from .arms import ARMS, Inputs, steps
from .run import OutOfTimeError, Run, Slice
from .watch import Watch

__all__ = ['train']

_SCORED_IMAGES, _TEST_IMAGES = 46_000, 50_000  # where the images begin on which is scored


def train(run: Run, time_slice: Slice = Slice()) -> None:
    """Train a super-net, or go on with it, and write its result if it has come to its end.

    Parameters
    ----------
    run
        What to train.
    time_slice
        The time that there is.
    """
    truth = run.problem.table(run.data, run.problem.test, run.setting).subset(
        run.problem.scored, seed=0)
    pl.seed_everything(run.seed, verbose=False)  # weights, data order, augmentation
    space = run.problem.space(run.setting)
    strategy, loaders = _prepare(run, space, truth)
    watch = Watch(run, truth, time_slice)
    evaluator = Classification(
        *loaders, num_classes=10, learning_rate=run.setting['learning_rate'],
        max_epochs=run.epochs, limit_train_batches=steps(ARMS[run.arm], run.setting),
        limit_val_batches=0, enable_progress_bar=False, callbacks=[watch], **on_device(run.device))
    try:
        strategy.train(space, evaluator)
    except OutOfTimeError:
        return
    if len(watch.seconds) == run.epochs:
        run.write(_result(run, watch))


def _prepare(run: Run, space: Any,
             truth: TabularBenchmark) -> tuple[SuperNetStrategy, list[Any]]:
    """Return the strategy, and the loaders of training and of scoring."""
    setting, arm = run.setting, ARMS[run.arm]
    table = run.problem.table(run.data, run.problem.validation, setting)
    landmarks = run.problem.landmarks(space, table, setting['landmarks'], run.seed, truth)
    count, batch_size = setting['images'], setting['batch_size']
    halves = [_images(run, start, count, True) for start in (0, count)]
    # None of the images on which is scored may have been trained on.
    start = _SCORED_IMAGES if 2 * count <= _SCORED_IMAGES else _TEST_IMAGES
    held_out = _images(run, start, setting['validation_images'], False)
    loader, ranking = (image_loader(half, size, shuffle=True) for half, size in
                       zip(halves, (batch_size, arm.ranking_batch or batch_size)))
    inputs = Inputs(setting, run.seed, Results(landmarks, table(landmarks).tolist()), space,
                    (halves[0].images[:32], halves[0].labels[:32]), run.out / 'proxies.sqlite',
                    run.data)
    strategy = arm.strategy(arm.terms(inputs), seed=run.seed, held_out=HeldOut(ranking),
                            checkpoint_folder=run.state, cuda_graphs=run.device == 'cuda')
    return strategy, [loader, image_loader(held_out, batch_size)]


def _images(run: Run, start: int, count: int, augmented: bool) -> ImageTensors:
    """Return images that lie on the device of the training from the beginning."""
    pixels = run.setting['pixels']
    images, labels = (tensor.to(run.device)
                      for tensor in load_cifar10(run.data, start, count, pixels))
    return ImageTensors(images, labels, padding=pixels // 8 if augmented else 0, flip=augmented)


def _result(run: Run, watch: Watch) -> dict[str, Any]:
    """Return all that is kept of a run, by the mean of the scores of the last epochs."""
    scores, targets = np.mean(watch.scores, axis=0), watch.truth.metrics
    return dict(
        arm=run.arm, seed=run.seed, seconds=round(sum(watch.seconds), 1),
        cpu_seconds=round(sum(watch.cpu_seconds), 1), scores=scores.tolist(),
        active=watch.active / watch.steps if watch.steps else 0.,
        kendall_tau=kendall_tau(scores, targets),
        kendall_tau_last=kendall_tau(watch.scores[-1], targets),
        sparse_kendall_tau=sparse_kendall_tau(scores, targets, resolution=0.1),
        bootstrap=bootstrap_interval(kendall_tau, scores, targets),
        device=torch.cuda.get_device_name() if run.device == 'cuda' else 'cpu',
        setting=run.setting)
