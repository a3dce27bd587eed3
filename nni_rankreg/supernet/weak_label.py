"""What a trained super-net tells about thousands of architectures, at next to no cost."""

from __future__ import annotations

from collections.abc import Sequence

from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor
from tqdm.auto import tqdm

from .._util.fork import fork_map
from ..proxy import NetworkFactory
from ..proxy.static import flops, params
from ..typing import Sample
from .scorer import SuperNetScorer

__all__ = ['LABELS', 'weak_labels']

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
    are left out if batches of the evaluator do not begin with the images.
    """
    labels: dict[str, list[float]] = {'supernet': scorer(samples).tolist()}
    batch = scorer.batches[0]
    image = (batch[0][:1].cpu() if isinstance(batch, (list, tuple)) and isinstance(batch[0], Tensor)
             else None)
    network = NetworkFactory(space)

    def size(sample: Sample) -> dict[str, float]:
        one = network(sample)
        count = {} if image is None else {'flops': flops(one, (image, image))}
        return {**count, 'params': params(one)}

    sizes = fork_map(size, samples, scorer.processes, lambda sizes: tqdm(
        sizes, 'FLOPs and parameters', len(samples), leave=False))
    for name in sizes[0] if sizes else ():
        labels[name] = [one[name] for one in sizes]
    return {name: [float(f'{value:.7g}') for value in values] for name, values in labels.items()}
