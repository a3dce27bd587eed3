"""How fast are architectures scored? Against the loop that one would write, in one run.

The plain loop activates an architecture, takes the validation loss batch by batch from the loader,
and averages it. The loader makes tensors of pictures as torchvision's data sets do; a second loop
has the batches in memory already. Ours has what that loop has not, each alone and together; the
scores are compared, too. Contenders run in turns; the ratio is the median over the turns. Weights
and pictures are random. The last rows have all weak labels: scores, FLOPs and parameters.

    python benchmarks/scoring.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from jsonargparse import CLI
from nni.nas.evaluator.pytorch import ClassificationModule
from nni.nas.strategy import RandomOneShot
from PIL import Image
from quiet import quiet
from stored import read, stored
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.proxy import NetworkFactory
from nni_rankreg.proxy.static import flops, params
from nni_rankreg.report import markdown_table
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import DARTSSpace, NasBench201
from nni_rankreg.supernet import SuperNetModule, SuperNetScorer
from nni_rankreg.supernet.weak_label import weak_labels
from nni_rankreg.typing import Sample

FILE = 'scoring.json'
Score = Callable[[list[Sample]], Any]


class Case(NamedTuple):
    """A space with the images on which its architectures are scored."""

    name: str
    space: Callable[[], Any]
    pixels: int
    images: int
    batch_size: int
    architectures: int


CASES = [
    Case('NAS-Bench-201, 1 cell per stage, 16x16', lambda: NasBench201(16, 1), 16, 512, 256, 64),
    Case('NAS-Bench-201, 1 cell per stage, 32x32', lambda: NasBench201(16, 1), 32, 512, 256, 24),
    Case('NAS-Bench-201, 5 cells per stage, 16x16', lambda: NasBench201(16, 5), 16, 512, 256, 24),
    Case('DARTS, 8 cells, width 16, 16x16', lambda: DARTSSpace(16, 8), 16, 256, 128, 24),
]
OFF: dict[str, Any] = {
    'shared beginning': {'shared_memory': 0},
    'channels last': ('_prepared', lambda self, batch: batch),
    'kept memory': ('kept_memory', nullcontext),
}
"""How to do without each of the means."""


class Pictures(Dataset):
    """Noise with random labels, kept and made into tensors as torchvision does with CIFAR-10."""

    def __init__(self, count: int, pixels: int):
        random = np.random.default_rng(0)
        self.images = random.integers(256, size=(count, pixels, pixels, 3), dtype=np.uint8)
        self.labels = random.integers(10, size=count)
        self.transform = transforms.Compose([transforms.ToTensor(),
                                             transforms.Normalize([0.5] * 3, [0.29] * 3)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def plain_loop(module: SuperNetModule, loader: Iterable[Any], samples: list[Sample]) -> Tensor:
    """Score as one would write it."""
    scores = []
    with torch.no_grad(), batch_statistics(module):
        for sample in samples:
            module.activate(sample)
            losses, sizes = [], []
            for images, labels in loader:
                loss = module.training_module.criterion(module.training_module(images), labels)
                losses.append(loss.item() * len(labels))
                sizes.append(len(labels))
            scores.append(-sum(losses) / sum(sizes))
    return torch.tensor(scores, dtype=torch.float64)


def with_means(module: SuperNetModule, loader: Iterable[Any], means: set[str],
               **options: Any) -> Score:
    """Return our way of scoring with some of the means only."""
    def score(samples: list[Sample]) -> Tensor:
        with ExitStack() as stack:
            for name, off in OFF.items():
                if name in means:
                    continue
                if isinstance(off, dict):
                    options.update(off)
                elif hasattr(SuperNetScorer, off[0]):
                    stack.enter_context(patch.object(SuperNetScorer, *off))
                else:
                    stack.enter_context(patch(f'nni_rankreg.supernet.scorer.{off[0]}', off[1]))
            return SuperNetScorer(module, loader, **options)(samples)
    return score


def contenders(module: SuperNetModule, loader: Iterable[Any], processes: int) -> dict[str, Score]:
    """Return name -> what scores architectures, the plain loop first."""
    batches = list(loader)
    return {
        'plain loop': lambda samples: plain_loop(module, loader, samples),
        'batches in memory': lambda samples: plain_loop(module, batches, samples),
        **{f'... {name}': with_means(module, loader, {name}) for name in OFF},
        f'... {processes} processes': with_means(module, loader, set(), processes=processes),
        'all of it, 1 process': with_means(module, loader, set(OFF)),
        f'all of it, {processes} processes': with_means(module, loader, set(OFF),
                                                        processes=processes)}


def labellers(module: SuperNetModule, loader: Iterable[Any], space: Any,
              processes: int) -> dict[str, Score]:
    """Return name -> what computes all weak labels, the plain loop first."""
    batches = list(loader)
    image = tuple(tensor[:1] for tensor in batches[0])

    def plain(loader: Iterable[Any]) -> Score:
        def score(samples: list[Sample]) -> Tensor:
            scores, network = plain_loop(module, loader, samples), NetworkFactory(space)
            for sample in samples:
                one = network(sample)
                params(one), flops(one, image)
            return scores
        return score

    def ours(count: int) -> Score:
        scorer = SuperNetScorer(module, loader, processes=count)
        return lambda samples: torch.tensor(weak_labels(scorer, space, samples)['supernet'])

    return {'weak labels, plain loop': plain(loader),
            'weak labels, batches in memory': plain(batches),
            'weak labels, 1 process': ours(1),
            f'weak labels, {processes} processes': ours(processes)}


def run_in_turns(scorers: dict[str, Score], samples: list[Sample],
                 turns: int) -> list[dict[str, Any]]:
    """Return architectures per second of each that scores, and ratios to the first two."""
    speeds: dict[str, list[float]] = {name: [] for name in scorers}
    reference: Tensor | None = None
    for turn in range(turns):
        for name, score in list(scorers.items())[::-1 if turn % 2 else 1]:
            started = time.perf_counter()
            scores = score(samples).double()
            speeds[name].append(len(samples) / (time.perf_counter() - started))
            reference = scores if reference is None else reference
            torch.testing.assert_close(scores, reference, rtol=1e-4, atol=1e-4)
    bases = dict(zip(('loop', 'memory'), speeds.values()))
    return [{'contender': name, 'speed': median(values), **{
        f'{base}_{statistic.__name__}': statistic(
            [value / other for value, other in zip(values, others)])
        for base, others in bases.items() for statistic in (median, min, max)}}
        for name, values in speeds.items()]


def measure(case: Case, turns: int, processes: int) -> list[dict[str, Any]]:
    """Return a row for each contender."""
    torch.manual_seed(0)
    space = case.space()
    loader = DataLoader(Pictures(case.images, case.pixels), case.batch_size)
    module = SuperNetModule(ClassificationModule(num_classes=10))
    module.set_model(RandomOneShot().mutate_model(case.space()))
    samples = UniformSampler(space, seed=0).distinct(case.architectures)
    plain_loop(module, loader, samples[:2])  # allocates, and compiles what is compiled once
    return [*run_in_turns(contenders(module, loader, processes), samples, turns),
            *run_in_turns(labellers(module, loader, space, processes), samples, turns)]


def report(file: Path) -> str:
    """Return the results in a file, as Markdown: a table for each space."""
    header = ['architectures/s', 'to the plain loop', 'to batches in memory']
    return '\n\n'.join(markdown_table([name, *header], [
        [row['contender'], f'{row["speed"]:.2f}', *(
            f'{row[f"{base}_median"]:.2f} ({row[f"{base}_min"]:.2f} .. {row[f"{base}_max"]:.2f})'
            for base in ('loop', 'memory'))] for row in rows]) for name, rows in read(file).items())


def main(out: Path = Path('benchmarks/results'), turns: int = 3, processes: int = 2,
         quick: bool = False) -> None:
    """Measure what is missing and print the results.

    Parameters
    ----------
    out
        folder of the results
    turns
        of all contenders
    processes
        that score, where it is more than one
    quick
        only check that it runs; give another folder for that
    """
    cases = CASES
    if quick:
        turns = 1
        cases = [case._replace(pixels=8, images=8, batch_size=4, architectures=8 * processes)
                 for case in CASES[1:]]
    for case in cases:
        stored(out / FILE, case.name, lambda: measure(case, turns, processes))
    print(report(out / FILE))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
