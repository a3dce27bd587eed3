"""Compare what trains a super-net: Kendall's tau of its scores with the truth, arm by arm.

What `nb201_ranking.py` and `nb101_ranking.py` share. Each arm of `ranking_arms.py` trains one
super-net for each seed on CIFAR-10 and scores the same 200 architectures, none of them a
landmark. Landmarks are ordered by validation accuracy; the ranking is measured against test
accuracy. Each run is kept in a file of its own, so that an interrupted benchmark continues where
it stopped.

Cost is the time of the whole training, data loading included, as a ratio to plain SPOS of the same
seed. It means something if nothing else runs and each of the `jobs` has cores of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Sequence

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from PIL import Image
from ranking_arms import ARMS, VOTE, Inputs, steps, teacher
from scipy import stats
from torch import Tensor

from nni_rankreg.benchmark import TabularBenchmark
from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.evaluator import Classification
from nni_rankreg.metric import bootstrap_interval, kendall_tau, sparse_kendall_tau
from nni_rankreg.report import markdown_table
from nni_rankreg.strategy.base import SuperNetStrategy
from nni_rankreg.typing import Results, Sample

Setting = dict[str, Any]

COLUMNS = ('Kendall tau-b', '95 % interval', 'sparse tau (0.1)', 'each seed', 'seconds', 'cost',
           'hinge active')


class Problem(NamedTuple):
    """A space with a table of stand-alone results.

    Parameters
    ----------
    space
        Makes the model space of a setting.
    table
        Reads a column of the table.
    landmarks
        Draws a number of landmarks, by a seed, of architectures that the last argument lacks.
    validation, test
        Columns of the table, and how results name them.
    scored
        Number of architectures that are scored.
    """

    space: Callable[[Setting], Any]
    table: Callable[[Path, str, Setting], TabularBenchmark]
    landmarks: Callable[[Any, TabularBenchmark, int, int, TabularBenchmark], list[Sample]]
    validation: str
    test: str
    scored: int = 200


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


class Watch(pl.Callback):
    """Score the architectures after each of the last epochs; note which hinges are active."""

    def __init__(self, strategy: SuperNetStrategy, samples: list, epochs: int):
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


def run(problem: Problem, name: str, seed: int, data: Path, out: Path,
        setting: Setting) -> dict[str, Any]:
    """Train one super-net and return the rank correlations of its scores."""
    torch.set_num_threads(max(1, torch.get_num_threads() // 2))
    arm = ARMS[name]
    table, truth = (problem.table(data, column, setting)
                    for column in (problem.validation, problem.test))
    fixed, space = truth.subset(problem.scored, seed=0), problem.space(setting)
    landmarks = problem.landmarks(space, table, setting['landmarks'], seed, fixed)
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


def report(results: list[dict[str, Any]], arms: Mapping[str, str] | None = None,
           columns: Sequence[str] = COLUMNS) -> str:
    """Return a Markdown table: mean over seeds and its 95 % interval (Student's t).

    `arms` are the rows, by the name of an arm what the table calls it; None takes all arms.
    """
    seconds = {row['seed']: row['seconds'] for row in results if row['arm'] == 'spos'}
    lines = []
    for arm, title in (arms or {arm: arm for arm in ARMS}).items():
        rows = sorted((row for row in results if row['arm'] == arm), key=lambda row: row['seed'])
        if len(rows) > 1:
            cells = _cells(rows, seconds)
            lines.append([title, *(cells[column] for column in columns)])
    return markdown_table(['arm', *columns], lines)


def _cells(rows: list[dict[str, Any]], seconds: Mapping[int, float]) -> dict[str, str]:
    """Return all columns of an arm; `seconds` are those of plain SPOS, seed by seed."""
    taus = np.array([row['kendall_tau'] for row in rows])
    half = stats.t.ppf(0.975, len(taus) - 1) * stats.sem(taus)
    costs = [row['seconds'] / seconds[row['seed']] for row in rows if row['seed'] in seconds]
    mean = {name: np.mean([row[name] for row in rows])
            for name in ('sparse_kendall_tau', 'seconds', 'active')}
    return dict(zip(COLUMNS, [
        f'{taus.mean():+.3f}', f'{taus.mean() - half:+.3f} .. {taus.mean() + half:+.3f}',
        f'{mean["sparse_kendall_tau"]:+.3f}', ', '.join(f'{tau:+.3f}' for tau in taus),
        f'{mean["seconds"]:.0f}',
        f'{np.mean(costs):.2f} ({min(costs):.2f} .. {max(costs):.2f})' if costs else '',
        f'{mean["active"]:.0%}' if 'landmark' in rows[0]['arm'] else '']))


def teachers(problem: Problem, setting: Setting, data: Path, out: Path, seeds: int) -> str:
    """Return a Markdown table: how the proxies that teach rank the architectures themselves."""
    fixed = problem.table(data, problem.test, setting).subset(problem.scored, seed=0)
    batch = load_cifar10(data / 'cifar10', 0, 32, setting['pixels'])
    taus: dict[str, list[float]] = {name: [] for name in (*VOTE, 'mean of their ranks')}
    for seed in range(seeds):
        inputs = Inputs(setting, seed, Results([], []), problem.space(setting), batch,
                        out / 'proxies.sqlite')
        ranks = [stats.rankdata(teacher(name, inputs)(fixed.samples).nan_to_num(nan=-np.inf))
                 for name in VOTE]
        for name, rank in zip(taus, [*ranks, np.mean(ranks, axis=0)]):
            taus[name].append(kendall_tau(rank, fixed.metrics))
    return markdown_table(['teacher', 'Kendall tau-b', 'each seed'], [
        [name, f'{np.mean(values):+.3f}', ', '.join(f'{tau:+.3f}' for tau in values)]
        for name, values in taus.items()])


def compare(problem: Problem, setting: Setting, data: Path, out: Path, seeds: int,
            arms: list[str], jobs: int) -> None:
    """Run what is missing and print the table."""
    out.mkdir(parents=True, exist_ok=True)
    missing = [(arm, seed) for seed in range(seeds) for arm in arms
               if not _file(out, arm, seed).exists()]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        futures = {pool.submit(run, problem, arm, seed, data, out, setting):
                   (arm, seed) for arm, seed in missing}
        for future in as_completed(futures):
            arm, seed = futures[future]
            result = future.result()
            _file(out, arm, seed).write_text(json.dumps({**result, 'setting': setting}))
            print(f'{arm} seed {seed}: tau {result["kendall_tau"]:+.3f}, '
                  f'{result["seconds"]:.0f} s', flush=True)
    results = [json.loads(path.read_text()) for path in sorted(out.glob('*.json'))]
    if any(result['setting'] != setting for result in results):
        raise ValueError(f'Expected results of {setting} only, got others in {out}. Give another '
                         'folder as --out.')
    print(f'CIFAR-10; landmarks by {problem.validation}, ranking against {problem.test}, '
          f'{problem.scored} architectures; {setting}')
    print(report(results))
    if any(name.startswith('RD') for name in arms):
        print(teachers(problem, setting, data, out, seeds))


def override(setting: Setting, overrides: dict[str, float]) -> Setting:
    """Return the setting with some values replaced, each of the type that it had."""
    return {**setting, **{name: type(setting[name])(value) for name, value in overrides.items()}}


def _file(out: Path, arm: str, seed: int) -> Path:
    return out / f'{arm.replace(" ", "_")}-{seed}.json'
