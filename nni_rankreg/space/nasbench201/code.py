"""Architectures of NAS-Bench-201 as the benchmark's strings."""

from __future__ import annotations

import re

from ...typing import Sample
from ..codec import codec

__all__ = ['encode_nasbench201', 'decode_nasbench201', 'CHOICES', 'EDGES']

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The six edges (source, target) of the cell, in the order of the architecture string."""

CHOICES = {
    'none': 'none',
    'skip_connect': 'skip_connect',
    'conv_1x1': 'nor_conv_1x1',
    'conv_3x3': 'nor_conv_3x3',
    'avg_pool_3x3': 'avg_pool_3x3',
}
"""NNI's name of each operation -> the name in the architecture string."""

_OPERATIONS = {name: choice for choice, name in CHOICES.items()}
_PATTERN = re.compile(r'\|\+\|'.join(
    r'\|'.join(rf'(\w+)~{source}' for source in range(target)) for target in (1, 2, 3)
).join((r'\|', r'\|')))


@codec
def encode_nasbench201(sample: Sample) -> str:
    """Return the NAS-Bench-201 string of an architecture.

    Parameters
    ----------
    sample
        Choices of the six edges, as NNI's `NasBench201` labels them: ``cell/{source}_{target}``.

    Returns
    -------
    The string ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` of Dong and Yang, "NAS-Bench-201", 2020.

    Raises
    ------
    ValueError
        If the labels or the choices are not those of the space.

    Examples
    --------
    >>> sample = {f'cell/{source}_{target}': 'skip_connect' for source, target in EDGES}
    >>> encode_nasbench201(sample)
    '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|'
    """
    labels = [f'cell/{source}_{target}' for source, target in EDGES]
    if set(sample) != set(labels) or not all(sample[label] in CHOICES for label in labels):
        raise ValueError(f'Expected the labels {labels} with choices among {list(CHOICES)}, '
                         f'got {sample!r}.')
    names = [f'{CHOICES[sample[label]]}~{source}' for label, (source, _) in zip(labels, EDGES)]
    return '+'.join(f'|{"|".join(group)}|' for group in (names[:1], names[1:3], names[3:]))


@codec
def decode_nasbench201(string: str) -> Sample:
    """Return the architecture that a NAS-Bench-201 string describes.

    Parameters
    ----------
    string
        ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` with the benchmark's names of operations.

    Returns
    -------
    Choices of the six edges, as NNI's `NasBench201` labels them.

    Raises
    ------
    ValueError
        If the string does not describe an architecture of the space.

    Examples
    --------
    >>> decode_nasbench201('|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|')['cell/0_3']
    'conv_3x3'
    """
    match = _PATTERN.fullmatch(string)
    if match is None or not all(name in _OPERATIONS for name in match.groups()):
        raise ValueError('Expected a string such as |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with '
                         f'operations among {list(_OPERATIONS)}, got {string!r}.')
    return {f'cell/{source}_{target}': _OPERATIONS[name]
            for (source, target), name in zip(EDGES, match.groups())}
