"""One process trains, then two: `scaling.py` starts this script, and Lightning once more.

The first alone does the training by one, before there is another.

    python benchmarks/scaling_ddp.py --out times.json
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from jsonargparse import CLI
from quiet import quiet
from scaling_parts import ranking
from speed import random_images, train

from nni_rankreg.data import HeldOut, image_loader
from nni_rankreg.strategy import SPOS

ARMS = {'SPOS, batch 32': (0, 32), 'SPOS, batch 256': (0, 256),
        'SPOS + landmarks, batch 256': (100, 256)}
"""Name -> number of landmarks, and images of each process in a step."""


def run(landmarks: int, batch_size: int, processes: int, steps: int) -> float:
    """Return the mean seconds of a step."""
    held_out = image_loader(random_images(batch_size * steps, 8), batch_size)
    strategy = SPOS(ranking(landmarks, 1), held_out=HeldOut(held_out))
    values = train(strategy, random_images(processes * batch_size * steps, 8), 5, 0,
                   batch_size=batch_size,
                   trainer={'accelerator': 'cpu', 'devices': processes,
                            'strategy': 'ddp' if processes > 1 else 'auto'})
    return sum(values) / len(values)


def main(out: Path, steps: int = 15) -> None:
    """Write the seconds of a step of each arm, with one process and with two.

    Parameters
    ----------
    out
        the file
    steps
        of each training
    """
    torch.set_num_threads(1)
    first = 'LOCAL_RANK' not in os.environ  # the second is started by the first for what is DDP
    alone = [run(*arm, 1, steps) for arm in ARMS.values()] if first else []
    both = [run(*arm, 2, steps) for arm in ARMS.values()]
    if first:
        out.write_text(json.dumps({'alone': alone, 'both': both}))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
