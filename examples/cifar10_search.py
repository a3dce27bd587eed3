"""Search cells on CIFAR-10 with landmarks by any one-shot strategy; defaults are the paper's.

Run ``python examples/cifar10_search.py --download true --strategy GDAS --proxy naswot``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import nni
from jsonargparse import CLI
from nni.nas.evaluator.pytorch import DataLoader
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from torchvision import datasets, transforms

from nni_rankreg import space as spaces
from nni_rankreg import strategy as strategies
from nni_rankreg.evaluator import Classification
from nni_rankreg.regularizer import LandmarkRegularizer, RankingDistillation


@nni.trace
class Images(datasets.CIFAR10):
    """Training images of CIFAR-10, from one share of them to another; they travel to trials."""

    def __init__(self, root: str, start: float, end: float, augment: bool = False) -> None:
        change = [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip()] * augment
        super().__init__(root, transform=transforms.Compose([
            *change, transforms.ToTensor(),
            transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))]))
        part = slice(round(start * len(self.data)), round(end * len(self.data)))
        self.data, self.targets = self.data[part], self.targets[part]


def main(data: Path = Path('data'), out: Path = Path('runs/cifar10'), download: bool = False,
         space: Literal['NasBench201', 'DARTSSpace'] = 'NasBench201', channels: int = 16,
         cells: int = 5, strategy: Literal['SPOS', 'FairNAS', 'GDAS', 'DARTS', 'NAO'] = 'SPOS',
         options: dict | None = None, proxy: str | None = None, batch_size: int = 256,
         workers: int = 4, epochs: int = 100, supernet_epochs: int = 400, landmarks: int = 10,
         iterations: int = 3, trials: int = 0) -> None:
    """Search and print the best architectures with their validation accuracy.

    Parameters
    ----------
    data, out, download
        folders of CIFAR-10 and of the results; whether to download the images
    space, channels, cells
        and its size; cells of each of three stacks, or of the whole: 36 and 12 for DARTSSpace
    strategy, options, proxy
        of the super-net, its further arguments as JSON, and a proxy for ranking distillation
    batch_size, workers, epochs, supernet_epochs
        of the loaders, of a stand-alone training, and of the super-net in each iteration
    landmarks, iterations, trials
        of the search, which adds as many each time; NNI trials at a time, 0 for this process
    """
    root = datasets.CIFAR10(str(data.absolute()), download=download).root

    def training(count: int) -> Classification:
        return Classification(
            DataLoader(Images(root, 0, 0.9, True), batch_size, shuffle=True, num_workers=workers),
            DataLoader(Images(root, 0.9, 1), batch_size, num_workers=workers), num_classes=10,
            learning_rate=0.025, max_epochs=count, enable_progress_bar=False)

    terms = [LandmarkRegularizer(weight=10.), *([RankingDistillation(proxy)] if proxy else [])]
    search = strategies.LandmarkSearch(
        getattr(strategies, strategy)(terms, **(options or {})), training(supernet_epochs),
        landmarks=landmarks, top=landmarks, iterations=iterations, archive=out / 'results.sqlite')
    config = NasExperimentConfig('ts' if trials else 'sequential', 'simplified', 'local')
    config.trial_concurrency = trials or 1
    network = getattr(spaces, space)(channels, cells)
    experiment = NasExperiment(network, training(epochs), search, config)
    experiment.run(8080)
    for model in experiment.export_top_models(5):
        print(f'{model.metric:.4f} {model.sample}')


if __name__ == '__main__':
    CLI(main, as_positional=False)
