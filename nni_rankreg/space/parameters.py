"""How many parameters each choice of a space brings."""

from __future__ import annotations

from nni.nas.nn.pytorch import LayerChoice
from torch import nn

__all__ = ['choice_parameters']


def choice_parameters(space: nn.Module) -> dict[str, dict[str | int, int]]:
    """Return the number of parameters of each candidate of each choice of layers.

    Parameters
    ----------
    space
        A model space as written, not yet turned into a super-net.

    Returns
    -------
    Label -> name of the candidate -> parameters, summed over all choices that share the label.
    Labels that choose no layer, such as a width, are not in it.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> choice_parameters(NasBench201(4, 1, 10))['cell/0_1']  # in three cells, 4 to 16 channels
    {'none': 0, 'skip_connect': 0, 'conv_1x1': 392, 'conv_3x3': 3080, 'avg_pool_3x3': 0}
    """
    counts: dict[str, dict[str | int, int]] = {}
    for module in space.modules():
        if isinstance(module, LayerChoice):
            sizes = counts.setdefault(module.label, {})
            for name in module.names:
                size = sum(parameter.numel() for parameter in module[name].parameters())
                sizes[name] = sizes.get(name, 0) + size
    return counts
