"""What a trained super-net tells about thousands of architectures, at next to no cost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor, nn
from tqdm.auto import tqdm

from .._util.fork import fork_map
from ..proxy import NetworkFactory
from ..proxy.static import flops, params
from ..typing import Sample
from .scorer import SuperNetScorer

__all__ = ['LABELS', 'weak_labels']

_logger = logging.getLogger(__name__)

LABELS = ('supernet', 'flops', 'params')
"""Names of the labels, the closest to the true performance first."""


def weak_labels(scorer: SuperNetScorer, space: ModelSpace, samples: Sequence[Sample]
                ) -> dict[str, list[float]]:
    """Return the score by the super-net, FLOPs and parameters, each of shape (N,).

    Parameters
    ----------
    scorer
        The trained super-net.
    space
        The space, not turned into a super-net.
    samples
        N architectures.

    Notes
    -----
    Numbers have 7 digits, as many as a float32, since NNI takes no result of more than 1 MB. FLOPs
    are left out if batches of the evaluator do not begin with the images, or, with a warning, if
    networks do not take these: no training is lost for that.
    """
    labels: dict[str, list[float]] = {'supernet': scorer(samples).tolist()}
    network = NetworkFactory(space)
    image = _image(scorer.batches[0])
    if image is not None and samples and not _counted(network(samples[0]), image):
        image = None

    def size(sample: Sample) -> dict[str, float]:
        one = network(sample)
        count = {} if image is None else {'flops': flops(one, (image, image))}
        return {**count, 'params': params(one)}

    sizes = fork_map(size, samples, scorer.processes, lambda sizes: tqdm(
        sizes, 'FLOPs and parameters', len(samples), leave=False))
    for name in sizes[0] if sizes else ():
        labels[name] = [one[name] for one in sizes]
    return {name: [float(f'{value:.7g}') for value in values] for name, values in labels.items()}


def _image(batch: Any) -> Tensor | None:
    """Return the first image of a batch, as numbers if it is of bytes; only its shape counts."""
    if not isinstance(batch, (list, tuple)) or not isinstance(batch[0], Tensor):
        return None
    image = batch[0][:1].cpu()
    return image.float() if image.dtype is torch.uint8 else image


def _counted(network: nn.Module, image: Tensor) -> bool:
    try:
        flops(network, (image, image))
    except Exception as error:
        _logger.warning('The FLOPs are no weak label, as networks do not take the data of a batch '
                        'as it is: %s', error)
        return False
    return True
