"""The suite on a CPU, one command after another; what is measured already is not run again.

Each command writes its results into a folder, the moment they are there, and its output beside
them, into logs/. It takes about 80 minutes on two cores from an empty folder; then
`render.py` writes the tables. The wider comparisons of docs/results.md, with more arms and more
seeds, have their commands there.

    python benchmarks/suite.py --data ../shared/data
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from jsonargparse import CLI
from tqdm.auto import tqdm

HERE = Path(__file__).parent
NB201 = ['spos', 'equal-cost', 'landmark_64, 4 pairs', 'RD vote, strong',
         'landmark + RD vote, strong']
STEPS: dict[str, list[str]] = {
    # name -> script, folder of its results, and its other arguments
    'speed': ['speed.py', ''],
    'NAS-Bench-201': ['nb201_ranking.py', 'nb201_ranking', '--arms', json.dumps(NB201)],
    'NAS-Bench-101': ['nb101_ranking.py', 'nb101_ranking', '--arms', json.dumps(NB201[:3]),
                      '--overrides', '{"epochs": 16}'],
    'AceNAS': ['acenas_tables.py', 'acenas', '--seeds', '10'],
    'predictor': ['predictor.py', ''],
    'depth': ['depth_ranking.py', 'depth', '--spaces', '[V1]'],
    'NAO controller': ['nao_controller.py', ''],
    'proxies': ['proxies.py', '', '--count', '120'],
}
WITHOUT_DATA = ('speed.py',)


def run(name: str, data: Path, out: Path) -> bool:
    """Run a step; return whether it succeeded."""
    script, folder, *arguments = STEPS[name]
    log = out / 'logs' / f'{name}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    given = [] if script in WITHOUT_DATA else ['--data', str(data)]
    with open(log, 'w') as file:
        status = subprocess.run([sys.executable, str(HERE / script), '--out', str(out / folder),
                                 *given, *arguments], stdout=file, stderr=subprocess.STDOUT)
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
