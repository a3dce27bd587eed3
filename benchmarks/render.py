"""Write the tables in docs/results.md, and its pictures, from the runs in benchmarks/results.

A table stands between the comments ``<!-- name -->`` and ``<!-- end -->``. Copy new runs into
benchmarks/results/<name of the benchmark> first. A table is a function, folder of all runs ->
Markdown, in `TABLES`; a picture is drawn by one, folder of all runs and of pictures, in `PICTURES`.

    python benchmarks/render.py
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import scaling_report
from jsonargparse import CLI
from ranking import COLUMNS, report

SHORT = ('Kendall tau-b', '95 % interval', 'each seed')
LANDMARKS = {
    'spos': 'plain SPOS', 'equal-cost': 'SPOS at equal cost', 'landmark': 'SPOS + landmarks',
    'landmark_128': '... ranking batch 128', 'landmark_64': '... ranking batch 64',
    'landmark_32': '... ranking batch 32',
}
DISTILLATION = {
    'spos': 'plain SPOS, as many steps', 'spos, longer': 'SPOS, 2.27 times the epochs',
    'two more sub-nets': 'two more sub-nets a step (RD with a weight of 0)',
    'FairNAS': 'FairNAS', 'sandwich': 'sandwich rule', 'RD flops': 'RD, FLOPs',
    'RD synflow': 'RD, synflow', 'RD naswot': 'RD, NASWOT',
    'RD naswot, Hamming': 'RD, NASWOT, Hamming distance of at least 5',
    'RD naswot, no margin': 'RD, NASWOT, no margin',
    'RD naswot, gap': 'RD, NASWOT, half of the pairs that differ most',
    'landmark': 'landmarks', 'landmark_64, 4 pairs': 'landmarks, 4 pairs of 64 images',
    'RD naswot, strong': 'strong RD, NASWOT', 'RD vote, strong': 'strong RD, vote of four',
    'landmark + RD vote, strong': 'landmarks + strong RD, vote of four',
}
ALGORITHMS = {
    'spos': 'SPOS', 'equal-cost': 'SPOS at equal cost', 'landmark_64, 4 pairs': 'SPOS + landmarks',
    'gdas': 'GDAS', 'gdas, equal-cost': 'GDAS at equal cost', 'gdas + landmark': 'GDAS + landmarks',
    'nao': 'NAO', 'nao, equal-cost': 'NAO at equal cost', 'nao + landmark': 'NAO + landmarks',
}


@dataclass(frozen=True)
class Ranking:
    """Rankings: the folder of the runs, how many seeds are shown, and the rows and columns."""

    folder: str
    seeds: int
    arms: dict[str, str]
    columns: tuple[str, ...] = SHORT

    def __call__(self, results: Path) -> str:
        """Return the table as Markdown."""
        files = sorted((results / self.folder).glob('*.json'))
        runs = [json.loads(path.read_text()) for path in files]
        return report([run for run in runs if run['seed'] < self.seeds], self.arms, self.columns)


TABLES: dict[str, Callable[[Path], str]] = {
    'landmarks': Ranking('nb201_ranking', 5, LANDMARKS, COLUMNS),
    'distillation, 5 operations': Ranking('nb201_ranking', 3, DISTILLATION),
    'distillation, 4 operations': Ranking('nb201_4', 3, DISTILLATION),
    'algorithms, NAS-Bench-201': Ranking('nb201_ranking', 3, ALGORITHMS),
    'scaling': scaling_report.scaling_table,
}
PICTURES: tuple[Callable[[Path, Path], None], ...] = (scaling_report.draw,)


def main(document: Path = Path('docs/results.md'),
         results: Path = Path('benchmarks/results')) -> None:
    """Write the tables anew, and the pictures beside them.

    Parameters
    ----------
    document
        the file that they stand in
    results
        folder of the runs
    """
    text = document.read_text()
    for name, table in TABLES.items():
        begin, end = f'<!-- {name} -->\n', '<!-- end -->'
        if begin not in text:
            raise ValueError(f'Expected a line {begin.strip()} in {document}, got none.')
        text = re.sub(f'{re.escape(begin)}.*?{end}',
                      lambda _: f'{begin}{table(results)}\n{end}', text, flags=re.DOTALL)
    document.write_text(text)
    for draw in PICTURES:
        draw(results, document.parent)


if __name__ == '__main__':
    CLI(main, as_positional=False)
