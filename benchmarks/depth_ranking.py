"""Does landmark regularisation rank depth networks better? Real RGB-D images, at CPU scale.

Searches the V1-Sync and V2-Sync spaces of Yu et al., CVPR 2021, Section 5.3, by `LandmarkSearch`
with ``mode='min'``: 10 landmarks, then T = 2 iterations that each train the 3 best stand-alone.
Three arms differ in what trains the super-net:

* ``spos``: plain single-path one-shot on all training images, for as many epochs;
* ``equal-cost``: in the ranking epochs two more random sub-nets per step, trained by the loss on
  the ranking batch, so as many sub-net passes as the next arm;
* ``landmark``: one pair of landmarks per step on the ranking batch.

The truth are 40 random architectures, none of them a landmark, each trained stand-alone with two
seeds; the rank correlation between the two says how far any ranking can be believed. Every
training is kept in `out` the moment it ends, so that an interrupted benchmark continues.

    python benchmarks/depth_ranking.py --data ../shared/data
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from depth_truth import SPACES, Place, draw, measure, seed_losses, train, truth
from jsonargparse import CLI
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace
from quiet import quiet
from stored import read, stored

from nni_rankreg.ablation.run import write_json
from nni_rankreg.archive import Archive
from nni_rankreg.metric import bootstrap_interval, kendall_tau, margin_of_error, sparse_kendall_tau
from nni_rankreg.regularizer import EqualCostControl, LandmarkRegularizer, Regularizer
from nni_rankreg.report import depth_maps, markdown_table, rank_scatter
from nni_rankreg.search import Evolution
from nni_rankreg.space import encode_depth
from nni_rankreg.strategy import SPOS, Landmarks, LandmarkSearch

SETTING = dict(pixels=64, channels=16, batch_size=16, learning_rate=2e-3, epochs=5,
               supernet_epochs=10, truth=40, truth_seeds=2, landmarks=10, top=3, iterations=2,
               evaluations=50, weight=10.)
TERMS: dict[str, Callable[[dict[str, Any], int], list[Regularizer]]] = {
    'spos': lambda setting, seed: [],
    'equal-cost': lambda setting, seed: [EqualCostControl(2)],
    'landmark': lambda setting, seed: [LandmarkRegularizer(weight=setting['weight'], seed=seed)],
}
PAPER = {('V1', 'spos'): '0.751, 0.0960', ('V1', 'landmark'): '0.781, 0.0958',
         ('V2', 'spos'): '0.401, 0.0957', ('V2', 'landmark'): '0.555, 0.0936'}


def search(place: Place, name: str, arm: str, seed: int, seeds: int) -> dict[str, Any]:
    """Run one search and return its rank correlation and the best loss that it has found."""
    quiet()
    torch.set_num_threads(1)
    setting, started = place.setting, time.process_time()
    epochs = setting['supernet_epochs']
    archive = Archive(place.out / f'{name}-{arm}-{seed}.sqlite')
    for sample, loss in place.shared(name).results().pairs():
        if sample not in archive:
            archive.add(sample, loss)
    strategy = LandmarkSearch(
        SPOS(TERMS[arm](setting, seed), mode='min', truth=truth(place, name, seeds), seed=seed,
             evolution=Evolution(min(20, setting['evaluations']), setting['evaluations'], 5,
                                 seed=seed, progress=False)),
        place.evaluator(epochs, seed, check_val_every_n_epoch=epochs), mode='min',
        iterations=setting['iterations'], landmarks=Landmarks(setting['landmarks'], random=0),
        top=setting['top'], archive=archive, seed=seed)
    strategy.initialize(SimplifiedModelSpace.from_model(
        place.space(name), place.evaluator(setting['epochs'])), SequentialExecutionEngine())
    strategy.run()
    measured = strategy.supernets[-1].measured
    scores, targets = measured['scores'], [-loss for loss in measured['metrics']]
    found = [(archive.metric(sample), encode_depth(sample))
             for outcome in strategy.supernets for sample in outcome.best if sample in archive]
    best_loss, best = min(found)
    return dict(space=name, arm=arm, seed=seed, scores=scores, losses=measured['metrics'],
                seconds=time.process_time() - started, kendall_tau=kendall_tau(scores, targets),
                sparse_kendall_tau=sparse_kendall_tau(scores, targets, 1e-4),
                bootstrap=bootstrap_interval(kendall_tau, scores, targets),
                best=best, best_loss=best_loss)


def reliability(place: Place, name: str, seeds: int) -> dict[str, Any]:
    """Return how far the truth of a space repeats itself."""
    losses = seed_losses(place, name, seeds)
    between = [kendall_tau(*pair) for pair in itertools.combinations(losses, 2)]
    return dict(architectures=losses.shape[1], lowest=losses.min(), highest=losses.max(),
                between_seeds=float(np.mean(between or [np.nan])))


def settings(out: Path) -> str:
    """Return a folder's setting, as Markdown."""
    rows = {
        'images': 'real RGB-D images of one scene, {pixels}x{pixels} pixels, batch {batch_size}',
        'network': 'ShuffleNet V2 0.5 with random initial weights; decoders of {channels} channels',
        'training': '{supernet_epochs} epochs of a super-net, {epochs} of a network, learning rate '
                    '{learning_rate}',
        'search': '{landmarks} landmarks, T = {iterations}, the {top} best each time; one pair in '
                  'a step, weight {weight:g}',
        'truth': '{truth} random architectures of each space, mean validation loss (scale- and '
                 'shift-invariant, lower is better) of {truth_seeds} trainings',
        'seeds': '{seeds}, from 0', 'interval': "95 %, Student's t over the seeds",
        'machine': 'two CPU cores, one thread a run'}
    setting = read(out / 'setting.json')
    return markdown_table(['setting', 'value'], [
        [name, text.format(**setting)] for name, text in rows.items()])


def report(out: Path) -> str:
    """Return a folder's results as Markdown, beside those of the paper."""
    results = [read(path) for path in sorted(out.glob('V*.json'))]
    rows: list[list[Any]] = []
    for name, arm in itertools.product(SPACES, TERMS):
        found = [row for row in results if (row['space'], row['arm']) == (name, arm)]
        if len(found) < 2:
            continue
        taus, losses = (np.array([row[key] for row in found])
                        for key in ('kendall_tau', 'best_loss'))
        half = margin_of_error(taus)
        rows.append([
            name, arm, f'{taus.mean():+.3f}',
            f'{taus.mean() - half:+.3f} .. {taus.mean() + half:+.3f}',
            ', '.join(f'{tau:+.3f}' for tau in taus),
            f'{np.mean([row["sparse_kendall_tau"] for row in found]):+.3f}',
            f'{losses.mean():.4f} ± {losses.std(ddof=1):.4f}',
            f'{np.mean([row["seconds"] for row in found]):.0f}', PAPER.get((name, arm))])
    text = markdown_table(
        ['space', 'arm', 'Kendall tau-b', '95 % interval', 'each seed', 'sparse tau (1e-4)',
         'best loss', 'CPU seconds', 'paper: S-KdT, loss'], rows)
    return '\n'.join([text, '', *(
        '{}: {architectures} architectures, losses {lowest:.4f} to {highest:.4f}, tau between two '
        'seeds {between_seeds:+.3f}.'.format(name, **truth)
        for name, truth in read(out / 'truth.json').items())])


def pictures(place: Place, name: str, results: list[dict[str, Any]]) -> None:
    """Draw the rankings of seed 0, and what the best network and the worst of the truth predict."""
    for row in results:
        if row['seed'] == 0:
            rank_scatter(place.out / f'rank-{name}-{row["arm"]}.png', {row['arm']: row['scores']},
                         row['losses'], xlabel='validation loss, trained stand-alone', mode='min')
    known = place.shared(name).results()
    order = np.argsort(known.metrics)
    loader = place.evaluator(1).val_dataloaders
    images, targets = (part[[0, 24, 48]] for part in next(iter(loader)))
    predictions = {}
    for label, index in (('best', order[0]), ('worst', order[-1])):
        _, network = train(place, name, known.samples[index])
        with torch.no_grad():
            predictions[f'{label}, loss {known.metrics[index]:.3f}'] = network.eval()(images)
    shown = images.permute(0, 2, 3, 1) * torch.tensor([.229, .224, .225])
    depth_maps(place.out / f'depth-{name}.png', (shown + torch.tensor([.485, .456, .406])
                                                 ).clamp(0, 1), targets, predictions)


def main(data: Path, out: Path = Path('runs/depth_ranking'), seeds: int = 3, jobs: int = 2,
         spaces: list[str] = list(SPACES), overrides: dict[str, float] = {}) -> None:
    """Run what is missing and print the results.

    Parameters
    ----------
    data
        folder with depth/rgbd_160x120.npz
    out
        folder of the results; what is there is not run again
    seeds
        number of seeds of each arm
    jobs
        runs at a time
    spaces
        V1, V2 or both
    overrides
        of the setting, for example {"epochs": 20}
    """
    setting: dict[str, Any] = dict(SETTING)
    setting.update({name: type(setting[name])(value) for name, value in overrides.items()})
    place = Place(data.absolute(), out, setting)
    out.mkdir(parents=True, exist_ok=True)
    kept = out / 'setting.json'
    if kept.exists() and read(kept) != {**setting, 'seeds': seeds}:
        raise ValueError(f'Expected results of {setting} with {seeds} seeds, got others in {out}. '
                         'Give another folder as --out.')
    write_json(kept, {**setting, 'seeds': seeds})
    missing = {job: path for job in itertools.product(spaces, range(seeds), TERMS)
               if not (path := out / '{0}-{2}-{1}.json'.format(*job)).exists()}
    unknown = [name for name in spaces if name in {job[0] for job in missing}
               or name not in read(out / 'truth.json')]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        waiting = []
        for name in unknown:
            samples, landmarks = draw(place, name, seeds)
            waiting += [pool.submit(measure, place, name, sample, seed)
                        for sample in samples for seed in range(setting['truth_seeds'])]
            waiting += [pool.submit(measure, place, name, sample, 0) for sample in landmarks]
        for one in waiting:
            one.result()
        futures = {path: pool.submit(search, place, name, arm, seed, seeds)
                   for (name, seed, arm), path in missing.items()}
        for path, future in futures.items():
            write_json(path, future.result())
            print(f'{path.stem}: tau {future.result()["kendall_tau"]:+.3f}', flush=True)
    for name in unknown:
        stored(out / 'truth.json', name, lambda: reliability(place, name, seeds))
        pictures(place, name, [read(path) for path in sorted(out.glob(f'{name}-*.json'))])
    print(f'RGB-D images of one scene, lower is better; {setting}')
    print(report(out))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
