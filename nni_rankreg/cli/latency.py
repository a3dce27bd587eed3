"""The command ``nni-rankreg latency``: milliseconds of a space on this machine, as a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from ..constraint import MeasuredLatency
from .argument import check_positive, make_space
from .command import ImportPath

__all__ = ['latency']


def latency(space: ImportPath, input: str, out: Path = Path('runs/latency.csv'),
            device: str = 'cpu', threads: int = 1,
            backend: Literal['torch', 'onnxruntime'] = 'torch', networks: int = 100,
            unseen: int = 30, repeats: int = 12, seconds: float = 240., seed: int = 0) -> None:
    """Measure the latency of a space on this machine, and how far that can be trusted.

    Writes a table that MeasuredLatency.read takes, here or on another machine. Stop it whenever you
    like: the same command goes on. Example: nni-rankreg latency --space
    nni_rankreg.space.ProxylessNAS --input 3,224,224 --out pixel.csv

    Parameters
    ----------
    space
        import path of an NNI model space or of a function that returns one, or {"class_path":
        ..., "init_args": {...}}
    input
        shape of one image, with commas: channels, height, width
    out
        CSV file of the table
    device
        where networks run, such as cuda
    threads
        threads of the CPU
    backend
        torch, or onnxruntime if it is installed
    networks
        random networks to learn from
    unseen
        other networks, of which estimate and measurement are compared; 0 for none
    repeats
        how often each network is timed at most
    seconds
        about how long learning takes at most; the comparison takes as long for each network
    seed
        seed of the networks
    """
    check_positive(networks=networks, repeats=repeats, seconds=seconds, threads=threads)
    if unseen < 0:
        raise ValueError(f'Expected unseen of at least 0, got {unseen}.')
    found = MeasuredLatency(make_space(space), _shape(input), device, threads, backend=backend,
                            file=out, networks=networks, repeats=repeats, seconds=seconds,
                            seed=seed)
    try:
        lines = [str(found.agreement(unseen))] if unseen else []
        print('Cross-validation: ' + ', '.join(
            f'{name} {error:.1%}' for name, error in found.errors.items()), *lines, sep='\n')
    except KeyboardInterrupt:
        print(f'Interrupted; what was measured is in {out}. The same command goes on.',
              file=sys.stderr)
        sys.exit(130)
    print(f'{len(found.table.names("network"))} networks on {found.table.about["machine"]}, '
          f'{found.table.about["clock"]}: {out}')


def _shape(text: str) -> tuple[int, ...]:
    sides = text.replace('x', ',').split(',')
    if not all(side.strip().isdecimal() and int(side) > 0 for side in sides):
        raise ValueError(f'Expected an input such as 3,224,224, got {text!r}.')
    return tuple(map(int, sides))
