"""Search a space of your own with an evaluator of your own, by landmarks or by AceNAS.

Run ``python examples/own_space.py --acenas true``; 'ts' for 'sequential' below makes NNI trials.
"""

from __future__ import annotations

from pathlib import Path

import nni
from jsonargparse import CLI
from nni.nas.evaluator.pytorch import ClassificationModule, Lightning, Trainer
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.nn import pytorch as nas
from torch import Tensor, nn

from nni_rankreg.data import Digits, image_loader
from nni_rankreg.predictor import Ranker
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.search import Candidates
from nni_rankreg.strategy import SPOS, AceNAS, LandmarkSearch, Rounds, WeakLabelling


class ConvNet(nas.ModelSpace):
    """1 to 4 blocks, each of one of three layers, all of one of three widths."""

    def __init__(self) -> None:
        super().__init__()
        width = nni.choice('width', [8, 16, 24])
        self.stem = nas.MutableConv2d(3, width, 3, padding=1)
        self.blocks = nas.Repeat(lambda index: nn.Sequential(nn.ReLU(), nas.LayerChoice({
            'conv': nas.MutableConv2d(width, width, 3, padding=1), 'skip': nn.Identity(),
            'pool': nn.AvgPool2d(3, 1, 1)}, label=f'layer{index}')), (1, 4), label='depth')
        self.head = nas.MutableLinear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


@nni.trace
class Reader(ClassificationModule):
    """NNI's classification with a loss of one's own; any Lightning module of NNI will do."""

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1], label_smoothing=0.1)


def main(acenas: bool = False, archive: Path = Path('runs/own.sqlite'), trainings: int = 20,
         epochs: int = 4, supernet_epochs: int = 40) -> None:
    """Search, then rank the whole space by all that has been trained.

    Parameters
    ----------
    acenas, archive
        search by AceNAS instead of landmark regularisation; file of the results of either
    trainings, epochs, supernet_epochs
        stand-alone trainings before those of the best; epochs of each and of the super-net
    """
    def training(count: int) -> Lightning:
        trainer = Trainer(max_epochs=count, logger=False, enable_checkpointing=False)
        return Lightning(Reader(num_classes=10), trainer,
                         image_loader(Digits('train'), 64, shuffle=True),
                         image_loader(Digits('validation'), 300))
    supernet = SPOS([LandmarkRegularizer(weight=10.)], metric='val_acc'), training(supernet_epochs)
    search = (AceNAS(*supernet, weak=WeakLabelling(200), budget=trainings, archive=archive,
                     rounds=Rounds(2, 2, top=3, landmarks=trainings // 2)) if acenas else
              LandmarkSearch(*supernet, iterations=1, landmarks=trainings, top=3, archive=archive))
    config = NasExperimentConfig('sequential', 'simplified', 'local', trial_concurrency=1)
    experiment = NasExperiment(ConvNet(), training(epochs), search, config)
    experiment.run(8080)
    for model in experiment.export_top_models(5):
        print(f'{model.metric:.4f} {model.sample}')
    results = search.archive.results()
    ranker = Ranker(ConvNet()).fit(results.samples, results.metrics)   # encodes any choices
    print('Predicted best:', *Candidates(ConvNet()).best(ranker, 3), sep='\n')


if __name__ == '__main__':
    CLI(main, as_positional=False)
