"""The suite on a CPU, one command after another; what is measured already is not run again.

Each command writes its results into a folder, the moment they are there, and its output beside
them, into logs/. It takes 80 minutes on two cores from an empty folder; then `render.py` writes the
tables. The wider comparisons of docs/results, with more arms, spaces and seeds, have their
commands there.

    python benchmarks/suite.py --data ../shared/data
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from jsonargparse import CLI
from tqdm.auto import tqdm

NB201 = ['spos', 'equal-cost', 'landmark_64, 4 pairs', 'RD vote, strong']


class Step(NamedTuple):
    """A command: script or module, folder of its results, and its other arguments."""

    program: str
    folder: str = ''
    arguments: tuple[str, ...] = ()
    needs_data: bool = True


STEPS = {
    'speed': Step('speed.py', arguments=('--repetitions', '3'), needs_data=False),
    'scoring': Step('scoring.py', needs_data=False),
    'scaling': Step('scaling.py', needs_data=False),
    'NAS-Bench-201': Step('ablate', 'nb201_ranking', ('--arms', json.dumps(NB201))),
    'AceNAS': Step('acenas_tables.py', 'acenas',
                   ('--seeds', '10', '--methods', '[LambdaRank,greedy]')),
    'closed loop': Step('closed_loop.py', 'closed_loop',
                        ('--seeds', '10', '--methods', '[ensemble]')),
    'few results': Step('few_results.py'),
    'predictor': Step('predictor.py'),
    'depth': Step('depth_ranking.py', 'depth', ('--spaces', '[V1]')),
    'NAO controller': Step('nao_controller.py'),
    'teachers': Step('teachers.py'),
    'super-net or evidence': Step('supernet_or_evidence.py'),
    'proxies': Step('proxies.py', arguments=('--count', '120')),
}


def run(name: str, data: Path, out: Path) -> bool:
    """Run a step; return whether it succeeded."""
    step, log = STEPS[name], out / 'logs' / f'{name}.log'
    program = (['-m', 'nni_rankreg', step.program] if step.program == 'ablate'
               else [str(Path(__file__).with_name(step.program))])
    given = ['--data', str(data)] if step.needs_data else []
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'w') as file:
        status = subprocess.run([sys.executable, *program, '--out', str(out / step.folder), *given,
                                 *step.arguments],
                                stdout=file, stderr=subprocess.STDOUT, check=False)
    if status.returncode:
        tqdm.write(f'{name} failed, see {log}')
    return status.returncode == 0


def main(data: Path, out: Path = Path('benchmarks/results'),
         steps: list[str] = list(STEPS)) -> None:
    """Run what is missing.

    Parameters
    ----------
    data
        folder of the tables and of CIFAR-10
    out
        folder of the results
    steps
        which of the steps to run
    """
    failed = []
    for name in tqdm(steps, 'Benchmarks'):
        started = time.perf_counter()
        if not run(name, data, out):
            failed.append(name)
        tqdm.write(f'{name}: {(time.perf_counter() - started) / 60:.1f} minutes')
    sys.exit(f'Failed: {", ".join(failed)}.' if failed else 0)


if __name__ == '__main__':
    CLI(main, as_positional=False)
