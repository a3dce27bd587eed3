"""What arguments of NNI's operations mean: for how to execute them, and for inputs and outputs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch.nn.functional as F
from nni.nas.oneshot.pytorch.supermodule.operation import (
    MixedBatchNorm2d,
    MixedConv2d,
    MixedLayerNorm,
    MixedLinear,
    MixedMultiHeadAttention,
    MixedOperation,
)
from torch import Tensor

from .convolution import pair

__all__ = ['form', 'hashable', 'largest', 'narrowed', 'output_size', 'padded']

_INPUTS = ('query', 'key', 'value')  # the names of an attention's


def form(operation: MixedOperation, chosen: Mapping[str, Any]) -> Hashable:
    """Return what arguments must have in common to share an execution.

    Parameters
    ----------
    operation
        Of a super-net.
    chosen
        The values of its arguments that have a choice.
    """
    one = {**operation.init_arguments, **chosen}
    if isinstance(operation, MixedConv2d):
        of_group = (one['groups'] > 1 and (one['in_channels'] // one['groups'],
                                           one['out_channels'] // one['groups']))
        return (hashable(one['stride']), hashable(one['dilation']), of_group,
                tuple(width % 2 for width in pair(one['kernel_size']))
                if 'kernel_size' in chosen else hashable(one['padding']))
    if isinstance(operation, MixedBatchNorm2d):
        return one['eps'], one['momentum'], operation.affine or one['num_features']
    if isinstance(operation, (MixedLayerNorm, MixedMultiHeadAttention)):
        return tuple(chosen.values())
    return None


def output_size(operation: MixedOperation, chosen: Mapping[str, Any]) -> Hashable:
    """Return what makes the outputs of two convolutions differ in height and width."""
    if not isinstance(operation, MixedConv2d):
        return None
    one = {**operation.init_arguments, **chosen}
    if one['padding'] == 'same':
        return pair(one['stride'])
    if one['padding'] == 'valid':
        one['padding'] = 0
    stride, kernel, padding, dilation = (pair(one[name]) for name in (
        'stride', 'kernel_size', 'padding', 'dilation'))
    return stride, *(2 * pad - gap * (width - 1)
                     for pad, gap, width in zip(padding, dilation, kernel))


def largest(arguments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the largest value of each argument, of tuples that of each number."""
    return {name: reduce(_larger, (one[name] for one in arguments)) for name in arguments[0]}


def _larger(one: Any, other: Any) -> Any:
    if one == other:
        return one
    if isinstance(one, tuple) or isinstance(other, tuple):
        return tuple(map(max, pair(one), pair(other)))
    try:
        return max(one, other)
    except TypeError:  # names, None: none of them is the larger one
        return one


def hashable(value: Any) -> Any:
    """Return the value of an argument, a list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _widths(operation: MixedOperation, chosen: Mapping[str, Any]) -> list[dict[int, int]]:
    """Return the dimensions that have a width, from the last, of each input, then the output."""
    one = {**operation.init_arguments, **chosen}
    if isinstance(operation, MixedConv2d):
        return [{-3: one['in_channels']}, {-3: one['out_channels']}]
    if isinstance(operation, MixedLinear):
        return [{-1: one['in_features']}, {-1: one['out_features']}]
    if isinstance(operation, MixedBatchNorm2d):
        return [{-3: one['num_features']}] * 2
    if isinstance(operation, MixedLayerNorm):
        shape = one['normalized_shape']
        shape = tuple(shape) if isinstance(shape, (list, tuple)) else (shape,)
        return [{place - len(shape): width for place, width in enumerate(shape)}] * 2
    if isinstance(operation, MixedMultiHeadAttention):
        return [{-1: width or one['embed_dim']} for width in (
            one['embed_dim'], one['kdim'], one['vdim'], one['embed_dim'])]
    return []


def narrowed(operation: MixedOperation, chosen: Mapping[str, Any], widest: Mapping[str, Any],
             inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the inputs, those that are wider than the operation without the rest.

    One that is wider than even the widest operation is an error, which is left to the operation.
    """
    *own, _ = _widths(operation, chosen) or [{}]
    *most, _ = _widths(operation, widest) or [{}]
    widths = [{place: range(width + 1, limits[place] + 1) for place, width in places.items()}
              for places, limits in zip(own, most)]
    missing: list[dict[int, range]] = [{} for _ in inputs[len(widths):]]
    narrow = dict(zip(_INPUTS, widths))
    return ([_narrow(one, places) for one, places in zip(inputs, widths + missing)],
            {name: _narrow(one, narrow.get(name, {})) for name, one in named.items()})


def _narrow(tensor: Any, places: Mapping[int, range]) -> Any:
    for dimension, wider in places.items():
        if tensor.size(dimension) in wider:
            tensor = tensor.narrow(dimension, 0, wider.start - 1)
    return tensor


def padded(operation: MixedOperation, widest: Mapping[str, Any], output: Any,
           weight: float | Tensor) -> list[Any]:
    """Return what an operation has returned, padded by zeros and weighed."""
    first, *others = output if isinstance(output, tuple) else (output,)
    *_, widths = _widths(operation, widest) or [{}]
    for dimension, width in widths.items():
        first = F.pad(first, [*[0, 0] * (-dimension - 1), 0, width - first.size(dimension)])
    return [None if one is None else one * weight for one in (first, *others)]
