"""What a trained super-net tells about thousands of architectures, at next to no cost."""

from __future__ import annotations

from typing import Any, Sequence

from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor
from tqdm.auto import tqdm

from ..proxy import NetworkFactory, flops, params
from ..typing import Sample

__all__ = ['LABELS', 'weak_labels']

LABELS = ('supernet', 'flops', 'params')
"""Names of the labels, the closest to the true performance first."""


def weak_labels(oneshot: Any, space: ModelSpace, samples: Sequence[Sample]
                ) -> dict[str, list[float]]:
    """Return the score by the super-net, FLOPs and parameters, each of shape (N,).

    Parameters
    ----------
    oneshot
        The strategy that has trained the super-net; it scores as in its own search.
    space
        The space, not turned into a super-net.
    samples
        N architectures.

    Notes
    -----
    Numbers have 7 digits, as many as a float32, since NNI takes no result of more than 1 MB. FLOPs
    are left out if batches of the evaluator do not begin with the images.
    """
    scorer = oneshot.scorer(progress=True)
    labels: dict[str, list[float]] = {'supernet': scorer(samples).tolist()}
    batch = scorer.batches[0]
    images = batch[0] if isinstance(batch, (list, tuple)) and isinstance(batch[0], Tensor) else None
    network = NetworkFactory(space)
    sizes: dict[str, list[float]] = {'params': []} if images is None else {
        'flops': [], 'params': []}
    for sample in tqdm(samples, 'FLOPs and parameters', leave=False):
        one = network(sample)
        sizes['params'].append(params(one))
        if images is not None:
            sizes['flops'].append(flops(one, (images[:1].cpu(), images[:1])))
    return {name: [float(f'{value:.7g}') for value in values]
            for name, values in {**labels, **sizes}.items()}
