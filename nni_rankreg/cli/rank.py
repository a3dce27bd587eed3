"""The command ``nni-rankreg rank``: the architectures of a space, ranked from a CSV of results."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from nni.mutable import Categorical, LabeledMutable

from .._util.csv import read_csv_rows
from ..metric import bootstrap_interval, kendall_tau, ndcg, relevance
from ..predictor import Ranker, read_weak
from ..search import Candidates
from ..space import decode_nasbench201
from ..table import read_results
from ..table.reader import read_csv
from ..typing import Results, Sample, sample_key
from .argument import ImportPath, make_space

__all__ = ['rank', 'held_out_ranking', 'read_measured']

_HELD_OUT, _FEWEST = 0.2, 20


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
        architectures in ranking.csv
    top
        architectures that are printed
    pool
        architectures of a larger space that are looked at
    seed
        of the predictor and of the pool
    out
        folder of the ranking
    """
    choices = None if space is None else _choices(space)
    results = read_results(read_measured(table, column, choices), mode)
    choices = _seen(results.samples) if choices is None else choices
    # A user's own weak labels are close to the metric, so that their head is kept, as published.
    ranker = Ranker(choices, target=relevance, transfer_head=True, seed=seed)
    if weak is not None:
        ranker.pretrain(*read_weak(weak).finite())
    print(held_out_ranking(ranker, results, seed))
    best = Candidates(choices, pool=pool, seed=seed).best(
        ranker.fit(results.samples, results.metrics), count, generations=10)
    known = {sample_key(sample): metric
             for sample, metric in results.in_mode(mode).pairs()}
    keys = [sample_key(sample) for sample in best]
    ranking = pd.DataFrame({'score': ranker.score(best).tolist(),
                            'metric': [known.get(key) for key in keys], 'sample': keys})
    out.mkdir(parents=True, exist_ok=True)
    ranking.to_csv(out / 'ranking.csv', index=False)
    print(_as_markdown(ranking[:top]))
    print(f'{len(ranking)} architectures by {len(results.samples)} results, seed {seed}: {out}/')


def read_measured(path: Path, column: str | None = None, space: Any = None) -> Results:
    """Return the results of a CSV file, the mean of those of one architecture.

    Parameters
    ----------
    path
        See `rank`.
    column
        The column of results; None takes the mean of those that begin with metric.
    space
        An NNI space, or label -> mutable, for files with a column for each label; None takes all
        other columns.
    """
    with open(path, newline='', encoding='utf-8-sig') as file:
        header = next(csv.reader(file), [])
    columns = None if column is None else [column]
    if 'sample' in header or 'arch' in header:
        decode = None if 'sample' in header else decode_nasbench201
        samples, values = read_csv(path, columns, decode)
    else:
        samples, values = _read_labels(path, columns, header, space)
    metrics: dict[str, list[float]] = {}
    for sample, value in zip(samples, np.reshape(values, (len(samples), -1)).mean(axis=1)):
        metrics.setdefault(sample_key(sample), []).append(float(value))
    return Results(list(map(json.loads, metrics)), [float(np.mean(m)) for m in metrics.values()])


def held_out_ranking(ranker: Ranker, results: Results, seed: int = 0) -> str:
    """Return in words how well a random fifth is ranked by a fit to the others."""
    count = len(results.samples)
    if count < _FEWEST:
        return f'{count} results are too few to hold some out: nothing tells how good this is.'
    order = np.random.default_rng(seed).permutation(count).tolist()
    size = round(_HELD_OUT * count)
    held, rest = ([results.samples[i] for i in rows] for rows in (order[:size], order[size:]))
    truth, metrics = ([results.metrics[i] for i in rows] for rows in (order[:size], order[size:]))
    scores = ranker.fit(rest, metrics).score(held)
    low, high = bootstrap_interval(kendall_tau, scores, truth)
    return (f'Held out {size} of {count}: Kendall tau-b {kendall_tau(scores, truth):.3f} '
            f'({low:+.3f} .. {high:+.3f}), NDCG {ndcg(scores, truth):.3f}')


def _choices(space: ImportPath) -> Any:
    if not str(space).endswith('.json'):
        return make_space(space)
    choices = json.loads(Path(str(space)).read_text(encoding='utf-8'))
    if not isinstance(choices, dict) or not all(isinstance(one, list) for one in choices.values()):
        raise ValueError(f'Expected label -> list of choices in {space}, got {choices}.')
    return {label: Categorical(values, label=label) for label, values in choices.items()}


def _seen(samples: Sequence[Sample]) -> dict[str, LabeledMutable]:
    """Return a space of the choices that occur, in the order of their first occurrence."""
    choices: dict[str, dict[Any, None]] = {}
    for sample in samples:
        for label, choice in sample.items():
            if isinstance(choice, (list, dict)):
                raise ValueError(f'Expected --space, as the choices of {label!r} are lists, got '
                                 'none.')
            choices.setdefault(label, {})[choice] = None
    return {label: Categorical(list(values), label=label) for label, values in choices.items()}


def _read_labels(path: Path, columns: list[str] | None, header: Sequence[str],
                 space: Any) -> tuple[list[Sample], np.ndarray]:
    """Return the architectures of a file with a column for each label, and their values."""
    columns = columns or [name for name in header if name.startswith('metric')]
    if not columns:
        raise ValueError(f'Expected a column that begins with metric in {path}, or its name, got '
                         f'{list(header)}.')
    leaves = None if space is None else _leaves(space)
    labels = [name for name in header if name not in columns] if leaves is None else list(leaves)
    samples, values = [], []
    for line, row in read_csv_rows(path, [*labels, *columns]):
        try:
            samples.append({label: _choice(row[label], leaves, label) for label in labels})
            values.append([float(row[column]) for column in columns])
        except ValueError as error:
            raise ValueError(f'Expected an architecture with values in line {line} of {path}, '
                             f'got: {error}') from error
    return samples, np.array(values)


def _leaves(space: Any) -> Mapping[str, LabeledMutable]:
    return space if isinstance(space, Mapping) else space.simplify()


def _choice(text: str, leaves: Mapping[str, LabeledMutable] | None, label: str) -> Any:
    """Return the choice that is written as `text`, in JSON or in Python; a number is one."""
    value: Any = text
    for parse in (ast.literal_eval, json.loads):
        try:
            value = parse(text)
        except (ValueError, SyntaxError):
            continue
    if leaves is None:
        return text if isinstance(value, (list, dict)) else value
    for choice in (value, text):
        if leaves[label].contains({label: choice}):
            return choice
    raise ValueError(f'{text!r}, which is no choice of {label!r}.')


def _as_markdown(ranking: pd.DataFrame) -> str:
    from ..report import markdown_table  # matplotlib, which takes seconds to import

    rows = [[place, row.score, '' if np.isnan(row.metric) else f'{row.metric:.4f}', row.sample]
            for place, row in enumerate(ranking.astype({'metric': float}).itertuples(), 1)]
    return markdown_table(['rank', 'score', 'metric', 'sample'], rows)
