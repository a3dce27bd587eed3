"""What learning to rank costs: the loss, the scores of whole spaces, pretraining, memory.

Each part is kept the moment it is measured.

    python benchmarks/predictor.py --data ../shared/data
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from acenas_arms import WEAK, Table, nasbench201, pretrained
from jsonargparse import CLI
from quiet import quiet
from stored import read, stored
from torch import Tensor

from nni_rankreg.loss import LambdaRankLoss
from nni_rankreg.predictor import Ranker
from nni_rankreg.report import markdown_table
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import ProxylessNAS

FILE = 'predictor.json'


def double_loop(scores: Tensor, relevance: Tensor) -> Tensor:
    """Return the loss of a list as its formula is written down, pair by pair."""
    order = scores.argsort(descending=True)
    place = {int(index): position for position, index in enumerate(order)}
    gains = 2 ** relevance - 1
    ideal = sum(gain / np.log2(position + 2) for position, gain in enumerate(
        sorted(gains.tolist(), reverse=True)))
    loss = scores.new_zeros(())
    for i, j in combinations(range(len(scores)), 2):
        if relevance[i] < relevance[j]:
            i, j = j, i
        if relevance[i] > relevance[j]:
            change = (gains[i] - gains[j]) * abs(
                1 / np.log2(place[i] + 2) - 1 / np.log2(place[j] + 2)) / ideal
            loss = loss + change * torch.nn.functional.softplus(scores[j] - scores[i])
    return loss


def seconds(function: Callable[[], Any], repetitions: int) -> float:
    """Return the median time of a call, in seconds of this process."""
    function()
    times = []
    for _ in range(repetitions):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return median(times)


def lambda_rank() -> dict[str, Any]:
    """Measure LambdaRank's loss and its gradient for 64 lists of 20."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(64, 20, generator=generator, requires_grad=True)
    relevance = torch.randint(21, (64, 20), generator=generator).float()
    loss = LambdaRankLoss()

    def ours() -> None:
        loss(scores, relevance).backward()

    def naive() -> None:
        sum(map(double_loop, scores, relevance)).backward()  # type: ignore[union-attr]

    return dict(seconds=seconds(ours, 50), other=seconds(naive, 1), aim=0.003)


def score_proxyless(count: int) -> dict[str, Any]:
    """Measure the scores of random architectures, which the predictor has not met before."""
    space = ProxylessNAS().simplify()
    samples = UniformSampler(space, 0).distinct(count + 100)
    ranker = Ranker(space, progress=False).fit(samples[count:], np.arange(100.))
    return dict(seconds=seconds(lambda: ranker(samples[:count]), 1), aim=15.)


@cache
def nasbench(data: Path, out: Path) -> tuple[Table, Ranker, float]:
    """Return the table, a predictor fitted to some of it, and the seconds of its pretraining."""
    table = nasbench201(data, out, 'xvalid_c10_200', 'xtest_c10_200', 'weights')
    started = time.process_time()
    ranker = pretrained(table, 0)
    spent = time.process_time() - started
    return table, ranker.fit(table.samples[:100], table.metric[:100]), spent


def score_nasbench(data: Path, out: Path) -> dict[str, Any]:
    """Measure the scores of the whole table."""
    table, ranker, _ = nasbench(data, out)
    return dict(seconds=seconds(lambda: ranker(table.samples), 5), aim=1.)


def main(data: Path, out: Path = Path('benchmarks/results'), quick: bool = False,
         threads: int = 1) -> None:
    """Measure what is missing and print the results.

    Parameters
    ----------
    data
        folder with nb201.npz
    out
        folder of the results
    quick
        only check that it runs
    threads
        of PyTorch
    """
    torch.set_num_threads(threads)
    file = out / FILE
    stored(file, 'LambdaRank and its gradient, 64 lists of 20', lambda_rank)
    count = 1_000 if quick else 100_000
    stored(file, f'score {count:,} of ProxylessNAS', lambda: score_proxyless(count))
    stored(file, f'pretrain on {WEAK:,} of NAS-Bench-201',
           lambda: dict(seconds=nasbench(data, out)[2]))
    stored(file, 'score all 15,625 of NAS-Bench-201', lambda: score_nasbench(data, out))
    stored(file, 'most memory', lambda: dict(
        gigabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20, aim=2.))
    print(report(file))


def report(file: Path) -> str:
    """Return the results in a file, as Markdown."""
    rows = []
    for what, row in read(file).items():
        unit = ' s' if 'seconds' in row else ' GB'
        rows.append([what, *(None if value is None else f'{value:.3g}{unit}' for value in (
            row.get('seconds', row.get('gigabytes')), row.get('aim'), row.get('other')))])
    return markdown_table(['what', 'measured', 'aim', 'pair by pair'], rows)


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
