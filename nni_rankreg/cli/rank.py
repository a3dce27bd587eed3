"""The command ``nni-rankreg rank``: the architectures of a space, ranked from a CSV of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from nni.mutable import LabeledMutable

from ..metric import relevance
from ..predictor import Ranker, held_out_ranking, read_weak
from ..report import markdown_table
from ..search import Candidates
from ..table import read_csv_results, read_results
from ..typing import Sample, sample_key
from .argument import categorical, check_positive, make_space, read_choices
from .command import ImportPath

__all__ = ['rank']


def rank(table: Path, space: ImportPath | None = None, column: str | None = None,
         mode: Literal['max', 'min'] = 'max', weak: Path | None = None, count: int = 1000,
         top: int = 10, pool: int = 100_000, seed: int = 0, out: Path = Path('runs/rank')) -> None:
    """Learn to rank from a CSV of results, and rank the architectures of the space.

    Writes ranking.csv: score, metric where it is known, and sample. Prints the best, and how well a
    held-out fifth of the results is ranked. Example: nni-rankreg rank --table results.csv

    Parameters
    ----------
    table
        CSV file of stand-alone results: the columns sample, as JSON, or arch, as
        NAS-Bench-201 string, or one for each label of the space; and metric. Several results of
        an architecture are averaged
    space
        import path of an NNI model space or of a function that returns one; {"class_path": ...,
        "init_args": {...}}; or a .json file, label -> list of choices. By default, the choices
        that are in the table
    column
        the column of results; by default the mean of those that begin with metric
    mode
        min if lower results are better, such as losses
    weak
        CSV file of weak labels to pretrain on: sample, as JSON, and a column for each label
    count
        number of architectures in ranking.csv
    top
        number of architectures that are printed
    pool
        number of architectures that are looked at, in a space that has more
    seed
        seed of the predictor and of these architectures
    out
        folder of the ranking
    """
    check_positive(count=count, top=top, pool=pool)
    out.mkdir(parents=True, exist_ok=True)
    choices = None if space is None else _choices(space)
    results = read_results(read_csv_results(table, column, choices), mode, choices)
    if len(set(results.metrics)) == 1 < len(results.metrics):
        raise ValueError(f'Expected different metrics to learn from, got {results.metrics[0]} for '
                         f'all {len(results.metrics)} architectures.')
    choices = _seen(results.samples) if choices is None else choices
    # A user's own weak labels are close to the metric, so that their head is kept, as published.
    ranker = Ranker(choices, target=relevance, transfer_head=True, seed=seed)
    if weak is not None:
        ranker.pretrain(*read_weak(weak, choices).finite())
    print(held_out_ranking(ranker, results, seed))
    best = Candidates(choices, pool=pool, seed=seed).best(
        ranker.fit(results.samples, results.metrics), count, generations=10)
    known = {sample_key(sample): metric
             for sample, metric in results.in_mode(mode).pairs()}
    keys = [sample_key(sample) for sample in best]
    ranking = pd.DataFrame({'score': ranker.score(best).tolist(),
                            'metric': [known.get(key) for key in keys], 'sample': keys})
    ranking.to_csv(out / 'ranking.csv', index=False)
    print(_as_markdown(ranking[:top]))
    print(f'{len(ranking)} architectures by {len(results.samples)} results, seed {seed}: {out}/')


def _choices(space: ImportPath) -> Any:
    return read_choices(str(space)) if str(space).endswith('.json') else make_space(space)


def _seen(samples: Sequence[Sample]) -> dict[str, LabeledMutable]:
    """Return a space of the choices that occur, in the order of their first occurrence."""
    choices: dict[str, dict[Any, None]] = {}
    for sample in samples:
        for label, choice in sample.items():
            if isinstance(choice, (list, dict)):
                raise ValueError(f'Expected --space, as the choices of {label!r} are lists, got '
                                 'none.')
            choices.setdefault(label, {})[choice] = None
    return {label: categorical(label, list(values)) for label, values in choices.items()}


def _as_markdown(ranking: pd.DataFrame) -> str:
    rows = [[place, row.score, '' if np.isnan(row.metric) else f'{row.metric:.4f}', row.sample]
            for place, row in enumerate(ranking.astype({'metric': float}).itertuples(), 1)]
    return markdown_table(['rank', 'score', 'metric', 'sample'], rows)
