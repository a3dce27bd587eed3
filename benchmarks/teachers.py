"""How the proxies that teach rank by themselves: the free baseline of the rankings of super-nets.

The architectures, networks and columns are those of ``nni-rankreg ablate``, which prints the same
numbers after its runs; nothing is trained. Some minutes.

    python benchmarks/teachers.py --data ../shared/data
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from jsonargparse import CLI
from quiet import quiet
from stored import read, stored

from nni_rankreg.ablation.nasbench101 import NASBENCH101
from nni_rankreg.ablation.nasbench201 import NASBENCH201
from nni_rankreg.ablation.problem import choose_setting
from nni_rankreg.ablation.summary import summarise_teachers, teacher_correlations

FILE = 'teachers.json'
SPACES = {'NAS-Bench-201, 5 operations': (NASBENCH201, 5),
          'NAS-Bench-201, 4 operations': (NASBENCH201, 4), 'NAS-Bench-101': (NASBENCH101, 5)}


def measure(name: str, data: Path, seeds: int) -> dict[str, list[float]]:
    """Return name of a teacher -> tau for each seed, in one of the spaces."""
    problem, operations = SPACES[name]
    setting = choose_setting(problem, False, operations, {})
    with tempfile.TemporaryDirectory() as folder:
        return teacher_correlations(problem, setting, data, Path(folder), 'cpu', seeds)


def report(path: Path, space: str) -> str:
    """Return the correlations in one space, as Markdown."""
    return summarise_teachers(read(path).get(space, {}))


def main(data: Path, out: Path = Path('benchmarks/results'), seeds: int = 3,
         spaces: list[str] = list(SPACES)) -> None:
    """Compute what is missing and print the correlations.

    Parameters
    ----------
    data
        folder with nb201.npz, nb101_weightsharing.npz and CIFAR-10
    out
        folder of the results
    seeds
        number of seeds, of weights of the networks
    spaces
        names of spaces
    """
    torch.set_num_threads(1)
    for space in spaces:
        stored(out / FILE, space, lambda: measure(space, data, seeds))
        print(space, report(out / FILE, space), sep='\n')


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
