"""The demonstration: the multi-stage landmark search on real images, in a few minutes on a CPU."""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from ..data import HeldOut
from ..evaluator.digits import digits_accuracy, digits_evaluator, digits_space, digits_truth
from ..host.run.experiment import free_port, local_experiment
from ..metric import bootstrap_interval, kendall_tau
from ..plan import SuperNetOutcome
from ..regularizer import EqualCostControl, LandmarkRegularizer
from ..search import Evolution
from ..space import encode_nasbench201
from ..space.nasbench201 import EDGES
from ..strategy import SPOS, LandmarkSearch
from ..supernet import Scoring
from ..table import digits

__all__ = ['demo', 'digits_search']

_logger = logging.getLogger(__name__)

ARMS = ('spos', 'spos+landmark')
TABLE_SEEDS = 3


def digits_search(archive: Path, seed: int = 0) -> LandmarkSearch:
    """Return the search of the demo: two iterations, with plain SPOS at equal cost beside it.

    Parameters
    ----------
    archive
        File of the results.
    seed
        Of everything.
    """
    settings: dict[str, Any] = dict(
        truth=digits_truth(), seed=seed, scoring=Scoring(batches=1),
        held_out=HeldOut(batch_size=16),
        evolution=Evolution(evaluations=200, seed=seed, progress=False))
    evaluator = digits_evaluator(seed=seed, epochs=40, learning_rate=0.025,
                                 validation_batch=180, check_val_every_n_epoch=10)
    return LandmarkSearch(
        oneshot=SPOS([LandmarkRegularizer(weight=10., pairs=2, seed=seed)], **settings),
        control=SPOS([EqualCostControl(count=4)], **settings),
        supernet_evaluator=evaluator, iterations=2, landmarks=14, top=4, archive=archive,
        seed=seed)


def demo(out: Path = Path('runs/demo'), port: int | None = None, seed: int = 0) -> None:
    """Search the digits space by landmark-regularised SPOS in a local NNI experiment.

    An interrupted demo continues where it stopped; the results of a finished one are moved aside.

    Parameters
    ----------
    out
        folder of the results
    port
        port of NNI's web UI; by default the first free one from 8080 on
    seed
        of landmarks, super-nets and trainings
    """
    started = time.perf_counter()
    _keep_finished(out)
    out.mkdir(parents=True, exist_ok=True)
    search = digits_search(out / 'results.sqlite', seed)
    experiment = local_experiment(digits_space(), digits_evaluator(seed=seed), search,
                                  folder=out / 'nni', concurrency=2)
    port = port or free_port()
    print(f'NNI web UI while the demo runs: http://localhost:{port}', flush=True)
    try:
        experiment.run(port, wait_completion=False)
    finally:
        experiment.stop()
    summary = summarise(search, seed)
    summary['seconds'] = round(time.perf_counter() - started, 1)
    (out / 'summary.json').write_text(json.dumps(summary, indent=2))
    draw(out, search, summary)
    print(describe(summary, out))


def summarise(search: LandmarkSearch, seed: int) -> dict[str, Any]:
    """Return the numbers of a finished search, as written to ``summary.json``."""
    table = digits()
    best = next(search.list_models(limit=1))
    others = [digits_accuracy(best.sample, other) for other in range(TABLE_SEEDS) if other != seed]
    mean = (best.metric + sum(others)) / (1 + len(others))
    last = dict(zip(ARMS, (search.controls[-1], search.supernets[-1])))
    jobs = search.archive.jobs()['kind'].value_counts()
    return {
        'trials': {'standalone': int(jobs['StandAlone']), 'supernet': int(jobs['SuperNet'])},
        'kendall_tau': {arm: kendall_tau(**_measured(one)) for arm, one in last.items()},
        'interval': {arm: bootstrap_interval(kendall_tau, **_measured(one))
                     for arm, one in last.items()},
        'architectures_ranked': len(search.supernets[-1].measured['scores']),
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

    arms = dict(zip(ARMS, (search.controls, search.supernets)))
    report.rank_scatter(
        out / 'rank_scatter.png',
        {arm: outcomes[-1].measured['scores'] for arm, outcomes in arms.items()},
        search.supernets[-1].measured['metrics'],
        xlabel='accuracy, trained stand-alone', ylabel='rank by the super-net',
        intervals={arm: (summary['kendall_tau'][arm], *summary['interval'][arm]) for arm in arms})
    histories, boundaries = _concatenate(arms)
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
             '{:+.3f} .. {:+.3f}'.format(*summary['interval'][arm])] for arm in ARMS]
    best, trials = summary['best'], summary['trials']
    return '\n'.join([
        '', report.markdown_table(['super-net', 'Kendall tau', '95 % interval'], rows), '',
        (f'Ranked: {summary["architectures_ranked"]} architectures of the shipped table, landmarks '
         f'left out (tau between its seeds: {summary["table_reliability"]:.2f}).'),
        f'Best architecture: {encode_nasbench201(best["sample"])}',
        (f'  accuracy {best["metric"]:.4f}, mean of {TABLE_SEEDS} seeds '
         f'{best["mean_of_seeds"]:.4f}: rank {best["true_rank"]} among the '
         f'{best["table_size"]} architectures of the table.'),
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


def _measured(outcome: SuperNetOutcome) -> dict[str, Any]:
    return {'scores': outcome.measured['scores'], 'targets': outcome.measured['metrics']}


def _keep_finished(out: Path) -> None:
    finished = out / 'summary.json'
    if finished.exists():
        stamp = datetime.fromtimestamp(finished.stat().st_mtime)
        kept = out.with_name(f'{out.name}-{stamp:%Y%m%d-%H%M%S}')
        out.rename(kept)
        _logger.info('The finished demo of before is kept in %s.', kept)
