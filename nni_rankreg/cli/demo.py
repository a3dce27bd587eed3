"""The demonstration: the multi-stage landmark search on real images, in a few minutes on a CPU."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from nni.nas.experiment import NasExperiment

from ..data import HeldOut
from ..evaluator.digits import digits_accuracy, digits_evaluator, digits_space, digits_truth
from ..host.run.experiment import free_port, local_experiment
from ..metric import kendall_tau, kendall_tau_interval
from ..plan import SuperNetOutcome
from ..predictor import LearnedTeacher, RankCorrelation
from ..regularizer import EqualCostControl, LandmarkRegularizer
from ..search import Evolution
from ..space import encode_nasbench201
from ..space.nasbench201 import EDGES
from ..strategy import SPOS, Landmarks, LandmarkSearch
from ..supernet import Scoring
from ..table import digits

__all__ = ['demo', 'digits_search']

_logger = logging.getLogger(__name__)

ARMS = ('spos', 'spos+landmark')
AVERAGED = 'with evidence'
TABLE_SEEDS = 3
_LAST_PORT = 65535


def digits_search(archive: Path, seed: int = 0) -> LandmarkSearch:
    """Return the search of the demo, with plain SPOS at equal cost beside it.

    Its super-net is averaged with what learns from its scores, the structure of cells and the
    landmarks. Random cells are trained beside the best: they tell what predictions are worth.

    Parameters
    ----------
    archive
        File of the results.
    seed
        Of everything.
    """
    settings: dict[str, Any] = dict(
        truth=digits_truth(), seed=seed, scoring=Scoring(batches=1),
        held_out=HeldOut(batch_size=16), checkpoint_folder=archive.with_name('checkpoints'),
        evolution=Evolution(evaluations=200, seed=seed, progress=False))
    evaluator = digits_evaluator(seed=seed, epochs=80, learning_rate=0.025,
                                 validation_batch=180, check_val_every_n_epoch=20)
    return LandmarkSearch(
        oneshot=SPOS([LandmarkRegularizer(weight=10., pairs=2, among='all', seed=seed)],
                     evidence=LearnedTeacher([], seed=seed), **settings),
        control=SPOS([EqualCostControl(count=4)], **settings),
        supernet_evaluator=evaluator, iterations=1,
        landmarks=Landmarks(24, threshold=1, random=6), top=4,
        archive=archive, seed=seed)


def demo(out: Path = Path('runs/demo'), port: int | None = None, seed: int = 0,
         host: str | None = None) -> None:
    """Run a small search on this machine, of networks that read digits: a few minutes on two cores.

    It is one NNI experiment: landmarks, super-nets and the best architectures are trained, each as
    a trial. An interrupted demo continues where it stopped; the results of a finished one are moved
    aside.

    Parameters
    ----------
    out
        folder of the results
    port
        port of NNI's web UI; by default the first free one from 8080 on
    seed
        seed of landmarks, super-nets and trainings
    host
        address of the web UI, by default that of this machine alone; 0.0.0.0 lets everybody in,
        without a password
    """
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise ValueError(f'Expected a port from 1 to {_LAST_PORT}, got {port}.')
    started = time.perf_counter()
    _keep_finished(out)
    out.mkdir(parents=True, exist_ok=True)
    search = digits_search(out / 'results.sqlite', seed)
    experiment = local_experiment(digits_space(), digits_evaluator(seed=seed), search,
                                  folder=out / 'nni', concurrency=2, host=host)
    port = port or free_port()
    print(f'NNI web UI while the demo runs: http://localhost:{port}', flush=True)
    _run(experiment, port)
    summary = summarise(search, seed)
    summary['seconds'] = round(time.perf_counter() - started, 1)
    (out / 'summary.json').write_text(json.dumps(summary, indent=2))
    draw(out, search, summary)
    print(describe(summary, out))


def _run(experiment: NasExperiment, port: int) -> None:
    """Run the experiment to its end, and stop it however it ends."""
    try:
        experiment.run(port, wait_completion=False)
    except KeyboardInterrupt:
        print('Stopped; the same command goes on.')
        raise SystemExit(130) from None
    except RuntimeError as error:
        if 'is not idle' not in str(error):    # as NNI says it
            raise
        raise ValueError(f'Expected a free port, got {port}, where something listens.') from error
    finally:
        experiment.stop()


def summarise(search: LandmarkSearch, seed: int) -> dict[str, Any]:
    """Return the numbers of a finished search, as written to ``summary.json``."""
    table = digits()
    best = next(search.list_models(limit=1))
    others = [digits_accuracy(best.sample, other) for other in range(TABLE_SEEDS) if other != seed]
    mean = (best.metric + sum(others)) / (1 + len(others))
    rankings, truth = _rankings(search)
    taus = {arm: kendall_tau(one, truth) for arm, one in rankings.items()}
    jobs = search.archive.jobs()['kind'].value_counts()
    trained, judged = int(jobs['StandAlone']), search.reliability()
    return {
        'trials': {'standalone': trained, 'supernet': int(jobs['SuperNet'])},
        'kendall_tau': taus,
        'interval': {arm: kendall_tau_interval(one, truth) for arm, one in rankings.items()},
        'gain': {'kendall_tau': taus[AVERAGED] - taus[ARMS[0]],
                 'interval': kendall_tau_interval(rankings[AVERAGED], truth,
                                                  against=rankings[ARMS[0]])},
        'prospective': {source: asdict(judged.over_all(source)) for source in judged.sources},
        'random_search_rank': (len(table) + 1) / (trained + 1),
        'architectures_ranked': len(truth),
        'best': {'sample': dict(best.sample), 'metric': best.metric, 'mean_of_seeds': mean,
                 'true_rank': table.rank(mean), 'table_size': len(table)},
        'table_reliability': table.reliability(),
    }


def draw(out: Path, search: LandmarkSearch, summary: dict[str, Any]) -> None:
    """Draw the rank scatter, the rank correlation per epoch, and the best cell.

    Parameters
    ----------
    out
        Folder of the pictures.
    search
        The finished search.
    summary
        What `summarise` returned.
    """
    from .. import report  # matplotlib: not needed by the trials, which import this module

    rankings, truth = _rankings(search)
    report.rank_scatter(
        out / 'rank_scatter.png', rankings, truth,
        xlabel='accuracy, trained stand-alone', ylabel='predicted rank',
        intervals={arm: (summary['kendall_tau'][arm], *summary['interval'][arm])
                   for arm in rankings})
    histories, boundaries = _concatenate(dict(zip(ARMS, (search.controls, search.supernets))))
    report.tau_per_epoch(out / 'tau_per_epoch.png', histories, boundaries=boundaries)
    sample = summary['best']['sample']
    report.draw_cell(
        out / 'best_cell.png', {(i, j): sample[f'cell/{i}_{j}'] for i, j in EDGES},
        title=f'accuracy {summary["best"]["metric"]:.3f}, '
              f'rank {summary["best"]["true_rank"]} of {summary["best"]["table_size"]}')


def describe(summary: dict[str, Any], out: Path) -> str:
    """Return the table and the text that end the demo."""
    from .. import report

    rows = [[arm, f'{summary["kendall_tau"][arm]:+.3f}',
             '{:+.3f} .. {:+.3f}'.format(*summary['interval'][arm])]
            for arm in summary['kendall_tau']]
    best, trials, gain = summary['best'], summary['trials'], summary['gain']
    prospective = [str(RankCorrelation(**one)) for one in summary['prospective'].values()]
    return '\n'.join([
        '', report.markdown_table(['ranking', 'Kendall tau', '95 % interval'], rows), '',
        ('{} against plain SPOS at equal cost: {:+.3f} ({:+.3f} .. {:+.3f}).'.format(
            AVERAGED.capitalize(), gain['kendall_tau'], *gain['interval'])),
        (f'Ranked: {summary["architectures_ranked"]} architectures of the shipped table, landmarks '
         f'left out (tau between its seeds: {summary["table_reliability"]:.2f}).'),
        *(f'What the super-net said of random architectures before their trainings: tau {one}.'
          for one in prospective),
        f'Best architecture: {encode_nasbench201(best["sample"])}',
        (f'  accuracy {best["metric"]:.4f}, mean of {TABLE_SEEDS} seeds '
         f'{best["mean_of_seeds"]:.4f}: rank {best["true_rank"]} among the '
         f'{best["table_size"]} architectures of the table. Random search with as many trainings '
         f'has rank {summary["random_search_rank"]:.0f} on average.'),
        (f'Trials: {trials["standalone"]} stand-alone, {trials["supernet"]} super-net; '
         f'{summary["seconds"]:.0f} seconds.'),
        f'Numbers, pictures and all results: {out}/'])


def _concatenate(arms: dict[str, list[SuperNetOutcome]]
                 ) -> tuple[dict[str, list[dict[str, float]]], list[float]]:
    """Return one history of each arm, the epochs counted through, and where iterations begin."""
    histories: dict[str, list[dict[str, float]]] = {}
    boundaries: list[float] = []
    for arm, outcomes in arms.items():
        start, boundaries, history = 0., [], []
        for outcome in outcomes:
            boundaries.append(start)
            history += [{**row, 'epoch': start + row['epoch'] + 1} for row in outcome.history]
            start = history[-1]['epoch']
        histories[arm] = history
    return histories, boundaries[1:]


def _rankings(search: LandmarkSearch) -> tuple[dict[str, list[float]], list[float]]:
    """Return the scores of each ranking in the end, and the truth, of the same architectures."""
    control, supernet = search.controls[-1].measured, search.supernets[-1].measured
    return {ARMS[0]: control['scores'], ARMS[1]: supernet['scores'],
            AVERAGED: supernet['with_evidence']}, supernet['metrics']


def _keep_finished(out: Path) -> None:
    finished = out / 'summary.json'
    if finished.exists():
        stamp = datetime.fromtimestamp(finished.stat().st_mtime)
        kept = out.with_name(f'{out.name}-{stamp:%Y%m%d-%H%M%S}')
        out.rename(kept)
        _logger.info('The finished demo of before is kept in %s.', kept)
