"""Search a network for depth estimation, with landmarks, in this process or as NNI trials.

The loss is minimised: ``mode='min'``. Your data are an ``.npz`` file or a folder of images with
depth maps, see `DepthImages`.

    python examples/depth_search.py --data rgbd.npz
    python examples/depth_search.py --data photos/ --backbone resnext101_32x8d --weights DEFAULT
"""

from __future__ import annotations

from pathlib import Path

from jsonargparse import CLI
from nni.experiment.config import AlgorithmConfig
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.data import DepthImages, image_loader
from nni_rankreg.evaluator import DepthEvaluator
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.search import Evolution
from nni_rankreg.space import DepthDecoder, encode_depth
from nni_rankreg.strategy import SPOS, LandmarkSearch


def main(data: Path, out: Path = Path('runs/depth'), backbone: str = 'resnet18',
         weights: str | None = None, channels: int = 64, pixels: int = 96, batch_size: int = 8,
         epochs: int = 20, supernet_epochs: int = 60, landmarks: int = 10, top: int = 3,
         iterations: int = 2, evaluations: int = 200, trials: int = 0) -> None:
    """Search the V1-Sync space and print the best architectures with their validation loss.

    Parameters
    ----------
    data
        .npz file or folder
    out
        folder of the results; what is there is not trained again
    backbone, weights, channels, pixels, batch_size
        of the networks and their square images; pixels is a multiple of 32
    epochs, supernet_epochs
        of a stand-alone training and of the super-net in each iteration
    landmarks, top, iterations, evaluations
        of the search and of the evolution over the super-net
    trials
        NNI trials at a time; 0 trains in this process, without NNI's web UI
    """
    def training(count: int) -> DepthEvaluator:
        size = pixels, pixels
        train, val = (DepthImages(str(data.absolute()), split, size=size, flip=split == 'train')
                      for split in ('train', 'val'))
        return DepthEvaluator(
            image_loader(train, batch_size, shuffle=True), image_loader(val, batch_size),
            learning_rate=1e-3, backbone_learning_rate=1e-4 if weights else 1e-3,
            max_epochs=count, enable_progress_bar=False)

    search = LandmarkSearch(
        SPOS([LandmarkRegularizer(weight=10.)], mode='min', evolution=Evolution(
            min(20, evaluations), evaluations, min(5, evaluations), progress=False)),
        supernet_evaluator=training(supernet_epochs), mode='min', landmarks=landmarks, top=top,
        iterations=iterations, archive=out / 'results.sqlite')
    space = DepthDecoder(backbone=backbone, weights=weights, channels=channels,
                         non_negative=False)
    config = NasExperimentConfig('ts' if trials else 'sequential', 'simplified', 'local')
    config.trial_concurrency = trials or 1
    # NNI's web UI asks a tuner, which a search has none of, what is best.
    config.tuner = AlgorithmConfig(name='nni_rankreg', class_args={'optimize_mode': 'minimize'})
    config.experiment_working_directory = (out / 'nni').absolute()
    experiment = NasExperiment(space, training(epochs), search, config)
    experiment.run(8080)
    for model in experiment.export_top_models(5):
        print(f'{model.metric:.4f} {encode_depth(model.sample)}')
    experiment.stop()


if __name__ == '__main__':
    CLI(main, as_positional=False)
