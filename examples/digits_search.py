"""Search NAS-Bench-201's cells on scikit-learn's digits, with landmarks; nothing to download.

The shipped table of the same networks, trained alike, tells how well the super-net ranks them.

    python examples/digits_search.py
    python examples/digits_search.py --trials 2       # as NNI trials, with NNI's web UI
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import CLI
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.data import Digits, HeldOut, image_loader
from nni_rankreg.evaluator import Classification, LearningRateSchedule
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.search import Evolution
from nni_rankreg.space import NasBench201, encode_nasbench201
from nni_rankreg.strategy import SPOS, LandmarkSearch
from nni_rankreg.supernet import Scoring
from nni_rankreg.table import digits


def training(**recipe: Any) -> Classification:
    """Return an evaluator on the digits; the recipe is that of the table, unless it is changed."""
    return Classification(
        image_loader(Digits('train'), 64, shuffle=True), image_loader(Digits('validation'), 300),
        **{'num_classes': 10, 'learning_rate': 0.002, 'schedule': LearningRateSchedule(minimum=0.),
           'accelerator': 'cpu', 'enable_progress_bar': False, **recipe})


def main(out: Path = Path('runs/digits'), epochs: int = 5, supernet_epochs: int = 40,
         landmarks: int = 14, top: int = 4, iterations: int = 2, evaluations: int = 200,
         ranked: int = 200, trials: int = 0) -> None:
    """Search, print Kendall's tau of the super-net with the table, and the best architectures.

    Parameters
    ----------
    out
        folder of the results; what is there is not trained again
    epochs, supernet_epochs
        of a stand-alone training, 5 in the table, and of the super-net in each iteration
    landmarks, top, iterations, evaluations
        of the search and of the evolution over the super-net
    ranked
        architectures of the table that the ranking is measured on
    trials
        NNI trials at a time; 0 trains in this process, without NNI's web UI
    """
    oneshot = SPOS([LandmarkRegularizer(weight=10., pairs=2)],
                   truth=digits().subset(ranked, seed=0), scoring=Scoring(batches=1),
                   held_out=HeldOut(batch_size=16),
                   evolution=Evolution(min(50, evaluations), evaluations, min(10, evaluations)))
    search = LandmarkSearch(
        oneshot, training(max_epochs=supernet_epochs, learning_rate=0.025,
                          check_val_every_n_epoch=supernet_epochs),
        landmarks=landmarks, top=top, iterations=iterations, archive=out / 'results.sqlite')
    config = NasExperimentConfig('ts' if trials else 'sequential', 'simplified', 'local')
    config.trial_concurrency = trials or 1
    experiment = NasExperiment(NasBench201(stem_out_channels=12, num_modules_per_stack=3),
                               training(max_epochs=epochs), search, config)
    experiment.run(8080)
    print(f'Kendall tau with the table: {search.supernets[-1].metrics["kendall_tau"]:+.3f}')
    for model in experiment.export_top_models(5):
        print(f'{model.metric:.4f} {encode_nasbench201(model.sample)}')
    experiment.stop()


if __name__ == '__main__':
    CLI(main, as_positional=False)
