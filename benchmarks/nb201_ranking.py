"""Does landmark regularisation rank NAS-Bench-201 better? Real CIFAR-10, the real table.

Trains the super-net of NAS-Bench-201 in several arms and scores the same 200 architectures with
each. The arms of landmark regularisation (Yu et al., CVPR 2021):

* ``spos``: plain single-path one-shot, for as many epochs;
* ``equal-cost``: in the ranking epochs two more random sub-nets per step, trained by
  cross-entropy on the ranking batch, so as many sub-net passes as the next arm;
* ``landmark``: m = 1, the ranking batch as large as the training batch, 256; ``landmark_64``: a
  ranking batch of 64, which costs less.

And those of ranking distillation (RD-NAS, 2023) and its peers, all with as many sub-net passes in
an epoch as ``landmark`` has on average, see `nb201_arms.py`.

Landmarks are ordered by validation accuracy (column ``xvalid_c10_200``); the ranking is measured
against test accuracy (column ``xtest_c10_200``) of architectures that are no landmarks. Each run
is kept in a file of its own, so that an interrupted benchmark continues where it stopped.

Cost is the time of the whole training, data loading included, as a ratio to plain SPOS of the same
seed. It means something if nothing else runs and each of the `jobs` has cores of its own.

    python benchmarks/nb201_ranking.py --data ../shared/data
    python benchmarks/nb201_ranking.py --data ../shared/data --operations 4
    python benchmarks/nb201_ranking.py --data ../shared/data --full      # for a GPU
"""

from __future__ import annotations

import json
import multiprocessing
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jsonargparse import CLI
from nb201_arms import ARMS, Inputs, steps
from PIL import Image
from scipy import stats
from torch import Tensor

from nni_rankreg.benchmark import TabularBenchmark
from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.evaluator import Classification
from nni_rankreg.metric import bootstrap_interval, kendall_tau, sparse_kendall_tau
from nni_rankreg.report import markdown_table
from nni_rankreg.sampler import LandmarkSampler
from nni_rankreg.space import NasBench201, decode_nasbench201
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results, Sample

VALIDATION, TEST = 'xvalid_c10_200', 'xtest_c10_200'
SMALL = dict(pixels=16, images=10_000, channels=8, cells=1, epochs=30, batch_size=256,
             learning_rate=0.025, warmup=0.375, averaged=3, validation_images=512,
             landmarks=30, weight=10.)
FULL = dict(pixels=32, images=25_000, channels=16, cells=5, epochs=400, batch_size=256,
            learning_rate=0.025, warmup=0.625, averaged=1, validation_images=2_560,
            landmarks=30, weight=10.)


def load_cifar10(folder: Path, start: int, count: int, pixels: int) -> tuple[Tensor, Tensor]:
    """Return normalised training images of CIFAR-10 [start, start + count) and their labels."""
    files = sorted(folder.glob('train_*.webp'))[start // 2000:-(-(start + count) // 2000)]
    tiles = [np.asarray(Image.open(file).convert('RGB')).reshape(40, 32, 50, 32, 3)
             .transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32) for file in files]
    offset = start % 2000
    images = torch.from_numpy(np.concatenate(tiles)[offset:offset + count]).float() / 255
    labels = torch.from_numpy(np.load(folder / 'train_y.npy')[start:start + count]).long()
    mean, std = torch.tensor([[.4914, .4822, .4465], [.2470, .2435, .2616]])[:, :, None, None]
    return F.interpolate((images - mean) / std, size=pixels, mode='area'), labels


def draw_landmarks(space: NasBench201, count: int, seed: int,
                   fixed: TabularBenchmark) -> list[Sample]:
    """Return a third of the landmarks from each of three roots; none is scored later."""
    third = count // 3
    drawn = [LandmarkSampler(space, seed=3 * seed + root).sample(2 * third) for root in range(3)]
    return [sample for samples in drawn
            for sample in [one for one in samples if one not in fixed][:third]]


class Watch(pl.Callback):
    """Score the architectures after each of the last epochs; note which hinges are active."""

    def __init__(self, strategy: SPOS, samples: list, epochs: int):
        self.strategy, self.samples, self.epochs = strategy, samples, epochs
        self.scores: list[np.ndarray] = []
        self.active: list[bool] = []
        self.scoring_seconds = 0.

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if 'ranking_loss' in trainer.callback_metrics:
            self.active.append(trainer.callback_metrics['ranking_loss'].item() != 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.current_epoch >= (trainer.max_epochs or 0) - self.epochs:
            started = time.perf_counter()
            self.scores.append(self.strategy.scorer()(self.samples).numpy())
            self.scoring_seconds += time.perf_counter() - started


def read_table(data: Path, column: str, operations: int) -> TabularBenchmark:
    """Return a column of the table, of 4 operations without the architectures with a none."""
    table = TabularBenchmark.from_npz(data / 'nb201.npz', column, decode_nasbench201)
    if operations == 5:
        return table
    kept = [index for index, sample in enumerate(table.samples) if 'none' not in sample.values()]
    return TabularBenchmark([table.samples[index] for index in kept], table.values[kept])


def run(name: str, seed: int, data: Path, out: Path, setting: dict) -> dict[str, Any]:
    """Train one super-net and return the rank correlations of its scores."""
    torch.set_num_threads(max(1, torch.get_num_threads() // 2))
    arm = ARMS[name]
    table, truth = (read_table(data, column, setting['operations'])
                    for column in (VALIDATION, TEST))
    fixed = truth.subset(200, seed=0)
    space = NasBench201(setting['channels'], setting['cells'], 10, setting['operations'] == 5)
    landmarks = draw_landmarks(space, setting['landmarks'], seed, fixed)
    chosen = Results(landmarks, table(landmarks).tolist())

    count, pixels = setting['images'], setting['pixels']
    halves = [ImageTensors(*load_cifar10(data / 'cifar10', start, count, pixels),
                           padding=pixels // 8, flip=True) for start in (0, count)]
    held_out = ImageTensors(*load_cifar10(data / 'cifar10', 46_000,
                                          setting['validation_images'], pixels))
    pl.seed_everything(seed, verbose=False)
    batch_size = setting['batch_size']
    ranking_batch = arm.ranking_batch or batch_size
    train, ranking = (image_loader(half, size, shuffle=True)
                      for half, size in zip(halves, (batch_size, ranking_batch)))
    batch = halves[0].images[:32], halves[0].labels[:32]
    strategy = arm.strategy(
        arm.terms(Inputs(setting, seed, chosen, space, batch, out / 'proxies.sqlite')), seed=seed,
        ranking_dataloader=ranking)
    callback = Watch(strategy, fixed.samples, setting['averaged'])
    evaluator = Classification(
        train, image_loader(held_out, batch_size), num_classes=10, seed=seed,
        learning_rate=setting['learning_rate'],
        max_epochs=round(arm.epochs * setting['epochs']), limit_train_batches=steps(arm, setting),
        limit_val_batches=0, enable_progress_bar=False, callbacks=[callback])
    started = time.perf_counter()
    strategy.train(space, evaluator)
    seconds = time.perf_counter() - started - callback.scoring_seconds
    scores, targets = np.mean(callback.scores, axis=0), fixed.metrics
    return dict(arm=name, seed=seed, seconds=round(seconds, 1), scores=scores.tolist(),
                active=float(np.mean(callback.active or [False])),
                kendall_tau=kendall_tau(scores, targets),
                kendall_tau_last=kendall_tau(callback.scores[-1], targets),
                sparse_kendall_tau=sparse_kendall_tau(scores, targets, resolution=0.1),
                bootstrap=bootstrap_interval(kendall_tau, scores, targets))


def report(results: list[dict[str, Any]]) -> str:
    """Return a Markdown table: mean over seeds and its 95 % interval (Student's t)."""
    seconds = {row['seed']: row['seconds'] for row in results if row['arm'] == 'spos'}
    lines = []
    for arm in ARMS:
        rows = [row for row in results if row['arm'] == arm]
        taus = np.array([row['kendall_tau'] for row in rows])
        if len(rows) < 2:
            continue
        half = stats.t.ppf(0.975, len(taus) - 1) * stats.sem(taus)
        costs = [row['seconds'] / seconds[row['seed']] for row in rows if row['seed'] in seconds]
        lines.append([
            arm, str(len(rows)), f'{taus.mean():+.3f}',
            f'{taus.mean() - half:+.3f} .. {taus.mean() + half:+.3f}',
            f'{np.mean([row["sparse_kendall_tau"] for row in rows]):+.3f}',
            ', '.join(f'{tau:+.3f}' for tau in taus),
            f'{np.mean([row["seconds"] for row in rows]):.0f}',
            f'{np.mean(costs):.2f} ({min(costs):.2f} .. {max(costs):.2f})' if costs else '',
            f'{np.mean([row["active"] for row in rows]):.0%}' if arm.startswith('landmark')
            else ''])
    return markdown_table(['arm', 'seeds', 'Kendall tau-b', '95 % interval', 'sparse tau (0.1)',
                           'each seed', 'seconds', 'cost', 'hinge active'], lines)


def main(data: Path, out: Path = Path('runs/nb201_ranking'), full: bool = False,
         operations: int = 5, seeds: int = 3, arms: list[str] = list(ARMS), jobs: int = 2,
         overrides: dict[str, float] = {}) -> None:
    """Run what is missing and print the table.

    Parameters
    ----------
    data
        folder with nb201.npz and cifar10/
    out
        folder of the results, one file a run
    full
        the paper's setting (32x32, 25k/25k, stem 16, 5 cells, 250+150 epochs) for a GPU
    operations
        5, or 4: without none, the space of RD-NAS
    seeds
        number of seeds of each arm
    arms
        which arms to run
    jobs
        runs at a time
    overrides
        of the setting, for example {"epochs": 20}
    """
    setting: dict[str, Any] = dict(FULL if full else SMALL, operations=operations)
    setting.update({name: type(setting[name])(value) for name, value in overrides.items()})
    out.mkdir(parents=True, exist_ok=True)
    missing = [(arm, seed) for seed in range(seeds) for arm in arms
               if not _file(out, arm, seed).exists()]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        futures = {pool.submit(run, arm, seed, data, out, setting):
                   (arm, seed) for arm, seed in missing}
        for future, (arm, seed) in futures.items():
            result = future.result()
            _file(out, arm, seed).write_text(json.dumps({**result, 'setting': setting}))
            print(f'{arm} seed {seed}: tau {result["kendall_tau"]:+.3f}, '
                  f'{result["seconds"]:.0f} s', flush=True)
    results = [json.loads(path.read_text()) for path in sorted(out.glob('*.json'))]
    if any(result['setting'] != setting for result in results):
        raise ValueError(f'Expected results of {setting} only, got others in {out}. Give another '
                         'folder as --out.')
    print(f'NAS-Bench-201, CIFAR-10; landmarks by {VALIDATION}, ranking against {TEST}, '
          f'200 architectures; {setting}')
    print(report(results))


def _file(out: Path, arm: str, seed: int) -> Path:
    return out / f'{arm.replace(" ", "_")}-{seed}.json'


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    CLI(main, as_positional=False)
