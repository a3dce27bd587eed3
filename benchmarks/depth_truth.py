"""What `depth_ranking.py` trains stand-alone: the truth and the landmarks, in which spaces."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from nni.nas.space import SimplifiedModelSpace
from quiet import quiet

from nni_rankreg.archive import Archive
from nni_rankreg.data import DepthImages, image_loader
from nni_rankreg.evaluator import DepthEvaluator
from nni_rankreg.sampler import LandmarkSampler, UniformSampler
from nni_rankreg.space import DepthDecoder
from nni_rankreg.typing import Results, Sample

SPACES = {'V1': False, 'V2': True}   # name -> whether the upsampling is searched; all in sync


class Place(NamedTuple):
    """Where a job finds what it needs."""

    data: Path
    out: Path
    setting: dict[str, Any]

    def space(self, name: str) -> DepthDecoder:
        """Return a space, scaled down."""
        return DepthDecoder(SPACES[name], backbone='shufflenet_v2_x0_5', non_negative=False,
                            channels=self.setting['channels'])

    def evaluator(self, epochs: int, seed: int = 0, **kwargs: Any) -> DepthEvaluator:
        """Return the training of a network or of a super-net."""
        path, rate = str(self.data / 'depth' / 'rgbd_160x120.npz'), self.setting['learning_rate']
        size = (self.setting['pixels'],) * 2
        return DepthEvaluator(
            image_loader(DepthImages(path, 'train', size=size, flip=True),
                         self.setting['batch_size'], shuffle=True),
            image_loader(DepthImages(path, 'val', size=size), 64),
            seed=seed, learning_rate=rate, backbone_learning_rate=rate, max_epochs=epochs,
            enable_progress_bar=False, accelerator='cpu', **kwargs)

    def shared(self, name: str, seed: int = 0) -> Archive:
        """Return the results of stand-alone trainings in a space, with one seed."""
        return Archive(self.out / f'{name}-seed{seed}.sqlite')


def train(place: Place, name: str, sample: Sample, seed: int = 0) -> tuple[float, Any]:
    """Train an architecture stand-alone, as in a trial; return its loss and the network."""
    evaluator = place.evaluator(place.setting['epochs'], seed)
    SimplifiedModelSpace.from_model(place.space(name), evaluator).freeze(sample).execute()
    return evaluator.trainer.callback_metrics['val_loss'].item(), evaluator.module.model


def measure(place: Place, name: str, sample: Sample, seed: int) -> None:
    """Train an architecture stand-alone unless its loss is known."""
    quiet()
    torch.set_num_threads(1)
    archive, started = place.shared(name, seed), time.process_time()
    if sample not in archive:
        archive.add(sample, train(place, name, sample, seed)[0], seed=seed,
                    seconds=time.process_time() - started)


def draw(place: Place, name: str, seeds: int) -> tuple[list[Sample], list[Sample]]:
    """Return the architectures of the truth, and the landmarks of all seeds."""
    space, setting = place.space(name), place.setting
    landmarks = [sample for seed in range(seeds)
                 for sample in LandmarkSampler(space, seed=seed).sample(setting['landmarks'])]
    return UniformSampler(space, seed=100).distinct(setting['truth'], landmarks), landmarks


def seed_losses(place: Place, name: str, seeds: int) -> np.ndarray:
    """Return the losses of the truth, shape (training seeds, architectures)."""
    samples, _ = draw(place, name, seeds)
    return np.array([[place.shared(name, seed).metric(sample) for sample in samples]
                     for seed in range(place.setting['truth_seeds'])], dtype=float)


def truth(place: Place, name: str, seeds: int) -> Results:
    """Return the truth: the mean loss of the trainings with all seeds."""
    samples, _ = draw(place, name, seeds)
    return Results(samples, seed_losses(place, name, seeds).mean(axis=0).tolist())
