"""Readable codes of the architectures of `DepthDecoder`."""

from __future__ import annotations

import re

from ...typing import Sample
from ..codec import codec
from .network import EDGES, OPERATIONS, UPSAMPLERS

__all__ = ['BLOCKS', 'encode_depth', 'decode_depth']

BLOCKS = ('fusion4', 'fusion3', 'fusion2', 'fusion1')
"""Labels of the fusion blocks in the order of the data, from 1/32 of the resolution on."""

_EDGE = r'(\w+)~{}'
_PATTERN = re.compile(r'\|{}\|{}\|\+\|{}\|{}\|{}\|(?:\^(\w+))?'.format(
    *(_EDGE.format(source) for source, _ in EDGES)))


@codec
def encode_depth(sample: Sample) -> str:
    """Return a readable code of an architecture of `DepthDecoder`.

    Parameters
    ----------
    sample
        Choices with the labels of the space, of any of its four forms.

    Returns
    -------
    ``|op~0|op~1|+|op~0|op~1|op~2|``, the operations on the edges into nodes 2 and 3 with the
    nodes they come from, followed by ``^upsampling`` in V2; four of them, from coarse to fine and
    joined by ``' > '``, where the blocks differ.

    Raises
    ------
    ValueError
        If the labels or the choices are not those of the space.

    Examples
    --------
    >>> sample = {f'fusion/{source}_{target}': 'skip_connect' for source, target in EDGES}
    >>> encode_depth({**sample, 'fusion/up': 'bicubic'})
    '|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|^bicubic'
    """
    blocks = ('fusion',) if any(label.startswith('fusion/') for label in sample) else BLOCKS
    choices = _choices(blocks, f'{blocks[0]}/up' in sample)
    if set(sample) != set(choices) or not all(
            sample[label] in allowed for label, allowed in choices.items()):
        raise ValueError(f'Expected choices of DepthDecoder, {choices}, got {sample!r}.')
    return ' > '.join(_encode_block(block, sample) for block in blocks)


@codec
def decode_depth(code: str) -> Sample:
    """Return the architecture that a code of `encode_depth` describes.

    Parameters
    ----------
    code
        Of one block, which all four share, or of four.

    Returns
    -------
    Choices with the labels of the form of `DepthDecoder` that the code has.

    Raises
    ------
    ValueError
        If the code does not describe an architecture of the space.

    Examples
    --------
    >>> decode_depth('|none~0|conv_3x3~1|+|none~0|none~1|skip_connect~2|')['fusion/1_2']
    'conv_3x3'
    """
    parts = code.split(' > ')
    blocks = ('fusion',) if len(parts) == 1 else BLOCKS
    matches = [_PATTERN.fullmatch(part) for part in parts]
    sample = {label: choice for block, match in zip(blocks, matches) if match is not None
              for label, choice in zip(_labels(block), match.groups()) if choice is not None}
    try:
        valid = encode_depth(sample) == code
    except ValueError:
        valid = False
    if not valid:
        raise ValueError('Expected one code or four, joined by " > ", such as |op~0|op~1|+|op~0|'
                         f'op~1|op~2| or with ^up, with op among {OPERATIONS} and up among '
                         f'{tuple(UPSAMPLERS)}, got {code!r}.')
    return sample


def _labels(block: str) -> list[str]:
    return [*(f'{block}/{source}_{target}' for source, target in EDGES), f'{block}/up']


def _choices(blocks: tuple[str, ...], search_upsampling: bool) -> dict[str, tuple[str, ...]]:
    """Return the choices of each label."""
    return {label: choices for block in blocks for label, choices in zip(
        _labels(block), [OPERATIONS] * len(EDGES) + [tuple(UPSAMPLERS)] * search_upsampling)}


def _encode_block(block: str, sample: Sample) -> str:
    *labels, up = _labels(block)
    names = [f'{sample[label]}~{source}' for label, (source, _) in zip(labels, EDGES)]
    upsampling = f'^{sample[up]}' if up in sample else ''
    return f'|{"|".join(names[:2])}|+|{"|".join(names[2:])}|{upsampling}'
