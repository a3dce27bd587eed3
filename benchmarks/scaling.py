"""How do costs grow? With landmarks, pairs, the size of the space, processes, stored results.

Each part is a list in one file, written when the part has been measured; an interrupted run
continues with the parts that are missing. Delete the file, or one of its parts, to measure anew.

1. Landmarks, pairs: a step of ``SPOS([LandmarkRegularizer(...)])`` against one of plain ``SPOS()``
   on NAS-Bench-201: seconds; bytes kept for the backward pass; growth of a process at its peak.
2. Spaces: a step of the super-net against a step of the same architectures alone, and the switch
   from one to another. Cells of 2 to 8 nodes, and of 2 to 13 operations, are those of NDS.
3. Processes: images per second of two, by DDP, against twice those of one.
4. Archives of 10^3 to 10^6 results: adding them, size, and queries, each in a fresh process.

What is compared runs in turns, one thread each.

    python benchmarks/scaling.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from jsonargparse import CLI
from quiet import quiet
from scaling_ddp import ARMS
from scaling_parts import Row, archive_row, landmark_rows, space_rows
from scaling_report import FILE, report
from stored import stored
from tqdm.auto import tqdm

LANDMARKS, PAIRS = (10, 30, 100, 300, 1000), (1, 2, 4, 8)
SIZES = (10 ** 3, 10 ** 4, 10 ** 5, 10 ** 6)


def parts(quick: bool) -> dict[str, Callable[[], list[Row]]]:
    """Return name -> what measures it."""
    return {
        'landmarks': lambda: landmark_rows(LANDMARKS[:1] if quick else LANDMARKS, (1,), quick),
        'pairs': lambda: landmark_rows((100,), PAIRS[1:2] if quick else PAIRS, quick),
        'spaces': partial(space_rows, quick),
        'processes': partial(process_rows, quick),
        'archives': lambda: [archive_row(size) for size in (SIZES[:1] if quick else SIZES)],
    }


def process_rows(quick: bool) -> list[Row]:
    """Start the training by one and by two processes a few times; return the seconds of steps."""
    rows: list[Row] = [{'arm': name, 'batch': batch, 'alone': [], 'both': []}
                       for name, (_, batch) in ARMS.items()]
    script = Path(__file__).with_name('scaling_ddp.py')
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(1 if quick else 3):
            out = Path(folder) / 'times.json'
            subprocess.run([sys.executable, '-W', 'ignore', script, '--out', out, '--steps',
                            '5' if quick else '15'], env=environment, cwd=folder, check=True,
                           stdout=subprocess.DEVNULL)
            for key, values in json.loads(out.read_text()).items():
                for row, value in zip(rows, values):
                    row[key].append(value)
    return rows


def main(out: Path = Path('benchmarks/results'), quick: bool = False) -> None:
    """Measure what is missing and print the results.

    Parameters
    ----------
    out
        folder of the results
    quick
        only check that it runs; give another folder for that
    """
    torch.set_num_threads(1)
    file = out / FILE
    if stored(file, 'quick', lambda: quick) != quick:
        raise ValueError(f'Expected a file of a run with --quick {quick} at {file}, got one of '
                         'another: give another --out.')
    for name, measure in tqdm(parts(quick).items(), 'Parts'):
        stored(file, name, measure)
    print(report(file))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
