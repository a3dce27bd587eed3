"""Search mobile networks within a latency by AceNAS, on ImageNet or any folder of images.

It has a folder for each class. Latencies need a file, TuNAS' model; else operations are bounded.

    python examples/imagenet_search.py --data imagenet/train --latency proxylessnas_search.npz
    python examples/imagenet_search.py --data photos --bounds [200,220] --trials 4
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jsonargparse import CLI
from nni.nas.evaluator.pytorch import DataLoader
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.constraint import LatencyConstraint, MacsConstraint, TunasLatency
from nni_rankreg.data import FolderImages
from nni_rankreg.evaluator import ACENAS_SUPERNET, IMAGENET_LINEAR, Classification
from nni_rankreg.space import ProxylessNAS, encode_proxyless
from nni_rankreg.strategy import SPOS, AceNAS, CandidatePool, Rounds, WeakLabelling


def main(data: Path, latency: Path | None = None, bounds: tuple[float, float] = (83., 85.),
         out: Path = Path('runs/imagenet'), pixels: int = 224, batch_size: int = 256,
         workers: int = 8, epochs: int = 50, supernet_epochs: int = 360, weak: int = 10_000,
         rounds: int = 5, budget: int = 200, top: int = 30, pool: int = 100_000,
         trials: int = 0) -> None:
    """Search the ProxylessNAS space and print the best networks: accuracy, cost, TuNAS' code.

    Parameters
    ----------
    data
        folder of images; 4 % of them are for validation
    latency
        file of TuNAS' latency model
    bounds
        least and most milliseconds, or millions of multiply-accumulates if there is no file
    out, trials
        folder of the results; NNI trials at a time, 0 trains in this process, without its web UI
    pixels, batch_size, workers
        of the images and of their loader
    epochs, supernet_epochs
        of a stand-alone training and of the super-net
    weak, rounds, budget, top, pool
        of the search, see AceNAS
    """
    validation = FolderImages(data.absolute(), pixels=pixels, part=(0.96, 1))
    train = FolderImages(data.absolute(), pixels=pixels, part=(0, 0.96), augment=True)

    def training(recipe: dict, count: int, images: int) -> Classification:
        return Classification(
            DataLoader(train, batch_size, shuffle=True, num_workers=workers, drop_last=True),
            DataLoader(validation, batch_size, num_workers=workers),
            num_classes=len(train.classes), enable_progress_bar=False, **{
                **recipe, 'max_epochs': count,
                'learning_rate': recipe['learning_rate'] * batch_size / images,
                'schedule': replace(recipe['schedule'], warmup_epochs=min(5, count // 10))})
    space, (least, most) = ProxylessNAS(len(train.classes)), bounds
    within = (
        MacsConstraint(space, minimum=least, maximum=most, pixels=pixels) if latency is None else
        LatencyConstraint(TunasLatency(latency.absolute()), minimum=least, maximum=most))
    search = AceNAS(
        SPOS(filter=within, metric='val_acc'), training(ACENAS_SUPERNET, supernet_epochs, 2048),
        weak=WeakLabelling(weak), candidates=CandidatePool(accept=within, size=pool), budget=budget,
        rounds=Rounds(*2 * [budget // rounds], top=top), archive=out / 'results.sqlite')
    config = NasExperimentConfig('ts' if trials else 'sequential', 'simplified', 'local')
    config.trial_concurrency = trials or 1
    experiment = NasExperiment(space, training(IMAGENET_LINEAR, epochs, 1024), search, config)
    experiment.run(8080)
    for model in experiment.export_top_models(5):
        cost = within.number([model.sample]).item()
        print(f'{model.metric:.4f} {cost:.2f} {encode_proxyless(model.sample)}')
    experiment.stop()


if __name__ == '__main__':
    CLI(main, as_positional=False)
