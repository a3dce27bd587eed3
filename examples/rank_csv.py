"""Rank the architectures of your own space from a CSV file of results, without any experiment.

The file has a column for each choice of the space below, in whose place put yours, and `metric`,
higher is better. Rows of the same architecture are averaged.

    python examples/rank_csv.py --table results.csv
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import CLI
from nni.mutable import Categorical

from nni_rankreg.predictor import Ranker, held_out_ranking, read_weak
from nni_rankreg.search import Candidates
from nni_rankreg.table import read_csv_results

CHOICES: dict[str, list[Any]] = {
    'layers': [2, 4, 6, 8, 10, 12],
    'width': [128, 192, 256, 384, 512],
    'heads': [2, 4, 8],
    'expansion': [2, 3, 4],
    'activation': ['relu', 'gelu', 'silu'],
    'norm': ['before', 'after'],
}
SPACE = {label: Categorical(choices, label=label) for label, choices in CHOICES.items()}


def possible(sample: dict[str, Any]) -> bool:
    """Return whether an architecture counts: here, one with at least 32 channels for a head."""
    return sample['width'] >= 32 * sample['heads']


def main(table: Path, weak: Path | None = None, top: int = 10, seed: int = 0) -> None:
    """Print Kendall's tau of held-out results, and the best architectures that have no result.

    Parameters
    ----------
    table
        CSV file of at least 20 results
    weak
        CSV file of weak labels to pretrain on, such as FLOPs: sample, as JSON, and any others
    top
        architectures that are printed
    seed
        of what is held out and of the predictor
    """
    results = read_csv_results(table, space=SPACE)
    ranker = Ranker(SPACE, seed=seed)
    if weak is not None:
        ranker.pretrain(*read_weak(weak).finite())
    print(held_out_ranking(ranker, results, seed))      # fitted to four fifths of the results
    ranker.fit(results.samples, results.metrics)
    best = Candidates(SPACE, accept=possible).best(ranker, top, exclude=results.samples)
    for score, sample in zip(ranker.score(best).tolist(), best):
        print(f'{score:.4f} {sample}')


if __name__ == '__main__':
    CLI(main, as_positional=False)
