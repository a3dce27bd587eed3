"""What a cell computes, as numbers: an oracle that knows nothing of canonical forms."""

from __future__ import annotations

import functools
import zlib

import numpy as np

SIZE = 3  # of a tensor


def cell_function(inputs, nodes, outputs, kind, bias=True):
    """Return numbers that cells of one function share, and others do not (with probability 1).

    A layer with weights is one of two fixed non-linear maps. The numbers are a mean over all ways
    to choose one for each layer, so that they tell which layers are one layer and which are two,
    and do not depend on their order.

    Parameters
    ----------
    inputs
        Number of the first nodes.
    nodes
        (operation, source) pairs of each further node, which is their sum.
    outputs
        Nodes that are merged in any order.
    kind
        Function of an operation and its source: 'zero', 'same', 'fixed' or 'own', that is a layer
        without weights, or with weights of its own; or 'shared', one layer for all of a name.
    bias
        Whether a layer with weights makes something of zeros.
    """
    pairs = [pair for node in nodes for pair in node]
    own = sum(kind(*pair) == 'own' for pair in pairs)
    chosen = iter(((np.arange(2 ** own)[:, None] >> np.arange(own)) & 1).T[:, :, None])
    values = [np.tile(_draw(f'input {index}', SIZE), (2 ** own, 1)) for index in range(inputs)]
    for node in nodes:
        total = np.zeros((2 ** own, SIZE))
        for name, source in node:
            x = values[source]
            match kind(name, source):
                case 'same':
                    total = total + x
                case 'fixed':
                    total = total + _layer(name, x, False)
                case 'shared':
                    total = total + _layer(name, x, bias)
                case 'own':
                    total = total + np.where(next(chosen), _layer(f'{name} 1', x, bias),
                                             _layer(f'{name} 0', x, bias))
        values.append(total)
    merged = sum(_layer('merge', values[node], True) for node in outputs)
    return tuple(np.round(_layer('classifier', merged, True).mean(0), 9) + 0.)


def _layer(name, x, bias):
    return np.tanh(x @ _draw(name, SIZE, SIZE) + (_draw(f'bias of {name}', SIZE) if bias else 0))


@functools.cache
def _draw(name, *shape):
    return np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)
