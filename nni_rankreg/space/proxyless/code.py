"""The blocks of the mobile space of ProxylessNAS, and TuNAS' codes of its architectures."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..._util.error import brief
from ..._util.size import COUNT, check_sizes
from ...typing import Sample
from ..codec import codec

__all__ = ['OPERATIONS', 'SKIP', 'WIDTHS', 'BLOCKS', 'Position', 'block_positions',
           'check_stages', 'encode_proxyless', 'decode_proxyless']

OPERATIONS = {f'k{kernel}e{expansion}': (kernel, expansion)
              for expansion in (3, 6) for kernel in (3, 5, 7)}
"""Name -> (kernel, expansion) of the six operations, in the order of TuNAS' numbers 0 to 5."""

SKIP = 'skip'
"""The choice that leaves a block out."""

WIDTHS = (32, 16, 32, 40, 80, 96, 192, 320, 1280)
BLOCKS = (4, 4, 4, 4, 4, 1)
_STRIDES = (2, 2, 2, 1, 2, 1)


class Position(NamedTuple):
    """A block that is chosen."""

    label: str
    inputs: int
    outputs: int
    stride: int
    skippable: bool


def check_stages(widths: Sequence[int], blocks: Sequence[int]) -> None:
    """Raise ValueError unless there are 9 widths and 6 numbers of blocks."""
    check_sizes(widths=widths)
    check_sizes(COUNT, blocks=blocks)
    if len(widths) != len(WIDTHS) or len(blocks) != len(BLOCKS):
        raise ValueError(f'Expected {len(WIDTHS)} widths and {len(BLOCKS)} numbers of blocks, got '
                         f'{brief(widths)} and {brief(blocks)}.')


def block_positions(widths: Sequence[int] = WIDTHS,
                    blocks: Sequence[int] = BLOCKS) -> Iterator[Position]:
    """Yield the blocks of the stages 2, 3 ... in order; all but the first may be left out."""
    for stage, (count, stride) in enumerate(zip(blocks, _STRIDES), start=2):
        for index in range(count):
            first = index == 0
            yield Position(f's{stage}_i{index}', widths[stage - first], widths[stage],
                           stride if first else 1, not first)


_LABELS = [position.label for position in block_positions()]
# TuNAS' long code has a kernel, an expansion and whether to skip for each block, and the channels
# of each stage (one choice only) behind it.
_STARTS = [start + 3 * index for start, count in zip((3, 16, 29, 42, 55, 68), BLOCKS)
           for index in range(count)]
_LONG = 73


@codec
def encode_proxyless(sample: Sample) -> tuple[int, ...]:
    """Return TuNAS' 22 numbers of an architecture.

    The first is the kernel of stage 1, which is fixed to 3 (number 0) in AceNAS; the others are
    3 x (0 or 1 for expansion 3 or 6) + (0, 1 or 2 for kernel 3, 5 or 7), or 6 for a block left out.

    Parameters
    ----------
    sample
        Choices of the 21 blocks.

    Raises
    ------
    ValueError
        If the labels or choices are not those of the space.

    Examples
    --------
    >>> encode_proxyless(decode_proxyless([0, *[1, 6, 6, 6] * 5, 5]))[:6]
    (0, 1, 6, 6, 6, 1)
    """
    if set(sample) != set(_LABELS):
        raise ValueError(f'Expected the labels {_LABELS}, got {sorted(sample)}.')
    for position in block_positions():
        if sample[position.label] not in [*OPERATIONS, *([SKIP] if position.skippable else [])]:
            raise ValueError(f'Expected an operation of {list(OPERATIONS)}, or {SKIP!r} behind '
                             f'the first block of a stage, got {sample[position.label]!r} at '
                             f'{position.label}.')
    numbers = {name: number for number, name in enumerate([*OPERATIONS, SKIP])}
    return (0, *(numbers[sample[label]] for label in _LABELS))


@codec
def decode_proxyless(code: str | Sequence[int]) -> Sample:
    """Return the architecture of one of TuNAS' codes.

    Parameters
    ----------
    code
        22 numbers as of `encode_proxyless`, or the column ``indices`` of TuNAS' tables, 73
        numbers with colons between them (or as a sequence).

    Raises
    ------
    ValueError
        If the code is not that of an architecture of the space.

    Examples
    --------
    >>> sample = decode_proxyless([0, *[1, 6, 6, 6] * 5, 5])
    >>> sample['s2_i0'], sample['s2_i1'], sample['s7_i0']
    ('k5e3', 'skip', 'k7e6')
    """
    if isinstance(code, str):
        code = list(map(int, code.split(':')))
    numbers = list(map(operator.index, code))
    if len(numbers) == _LONG:
        numbers = [numbers[1], *(6 if numbers[start + 2] else numbers[start]
                                 + 3 * numbers[start + 1] for start in _STARTS)]
    if len(numbers) != len(_LABELS) + 1 or numbers[0] != 0 or not set(numbers) <= set(range(7)):
        raise ValueError('Expected 22 numbers from 0 to 6, or 73 as in the tables of TuNAS, with '
                         f'the kernel of stage 1, number 0, fixed to 3; got {code!r}.')
    names = [*OPERATIONS, SKIP]
    sample = dict(zip(_LABELS, (names[number] for number in numbers[1:])))
    encode_proxyless(sample)  # the first blocks cannot be skipped
    return sample
