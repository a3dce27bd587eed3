"""Rankings of super-nets, as ``nni-rankreg ablate`` has stored them: tables, settings, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import depth_ranking
import teachers
from stored import read

from nni_rankreg.ablation.nasbench101 import NASBENCH101
from nni_rankreg.ablation.nasbench201 import NASBENCH201
from nni_rankreg.ablation.summary import summarise_arms
from nni_rankreg.report import markdown_table
from nni_rankreg.schedule import Schedule

SEEDS = 3      # of most arms; some have more
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
EVERY = {
    'spos': DISTILLATION['spos'], 'equal-cost': 'SPOS at equal cost, in the ranking steps',
    **DISTILLATION,
    **{f'landmark_{size}': f'landmarks, one pair of {size} images' for size in (128, 64, 32)},
    'landmark_64, all pairs of 4': 'landmarks, all pairs of 4 on 64 images',
    'landmark + learned teacher, all pairs of 4': 'landmarks + learned teacher, all pairs of 4',
    **{arm: title for arm, title in ALGORITHMS.items() if 'gdas' in arm or 'nao' in arm},
}
SPACES = {5: 'NAS-Bench-201 with 5 operations, 15,625 cells',
          4: 'NAS-Bench-201 with 4 operations (without none), 4,096 cells',
          None: 'NAS-Bench-101, 423,624 cells'}


def runs(folder: Path, seeds: int = SEEDS) -> list[dict[str, Any]]:
    """Return the rankings in a folder, of the first seeds."""
    found = [read(path) for path in sorted(folder.glob('*.json'))]
    return [run for run in found if run['seed'] < seeds]


def table(folder: Path, arms: Mapping[str, str], columns: Sequence[str] = SHORT,
          seeds: int = SEEDS) -> str:
    """Return rankings as Markdown, with these rows and columns."""
    return summarise_arms(runs(folder, seeds), arms, columns)


def settings(folder: Path, seeds: int = SEEDS) -> str:
    """Return what all runs of a folder have in common, as Markdown."""
    one = runs(folder)[0]['setting']
    problem = NASBENCH201 if 'operations' in one else NASBENCH101
    warmup = Schedule(warmup=one['warmup']).warmup_epochs(one['epochs'])
    rows = {
        'space': SPACES[one.get('operations')],
        'super-net': f'{one["cells"]} cell in each of three stages, {one["channels"]} channels',
        'images': 'CIFAR-10, {pixels}x{pixels} pixels: {images:,} train the super-net, {images:,} '
                  'others serve the ranking'.format(**one),
        'training': '{epochs} epochs, batch {batch_size}, learning rate {learning_rate}; '.format(
            **one) + f'the terms of ranking begin after {warmup} of them',
        'landmarks': f'{one["landmarks"]}, a third from each of three roots (Algorithm 1), ordered '
                     f'by {problem.validation}; weight {one["weight"]:g}, margin 1',
        'score': 'minus the loss on {validation_images} other training images, averaged over the '
                 'last {averaged} epochs'.format(**one),
        'truth': f'{problem.test} of {problem.scored} fixed architectures, none a landmark',
        'seeds': f'0 to {seeds - 1}: weights, data order, sub-nets and landmarks',
        'interval': "95 %, Student's t over the seeds",
        'machine': 'two CPU cores, one thread a run'}
    return markdown_table(['setting', 'value'], [[*row] for row in rows.items()])


class Group(NamedTuple):
    """Rankings of one space that are drawn together, and what ranks there without training."""

    title: str
    runs: Sequence[Mapping[str, Any]]
    arms: Mapping[str, str]
    teachers: Mapping[str, Sequence[float]] = {}


def groups(results: Path) -> list[Group]:
    """Return all rankings that there are, one group a space; new arms have no title yet."""
    alone, found = read(results / teachers.FILE), []
    for title, folder, arms in (('NAS-Bench-201, 5 operations', 'nb201_ranking', EVERY),
                                ('NAS-Bench-201, 4 operations', 'nb201_4', DISTILLATION),
                                ('NAS-Bench-101', 'nb101_ranking', ALGORITHMS)):
        known = runs(results / folder)
        others = {run['arm']: EVERY.get(run['arm'], run['arm'])
                  for run in known if run['arm'] not in arms}
        found.append(Group(title, known, {**arms, **others}, alone.get(title, {})))
    depth = [read(path) for path in sorted((results / 'depth').glob('V*.json'))]
    found += [Group(f'monocular depth, {space}', [run for run in depth if run['space'] == space],
                    {arm: LANDMARKS[arm] for arm in depth_ranking.TERMS})
              for space in depth_ranking.SPACES]
    return [group for group in found if group.runs]
