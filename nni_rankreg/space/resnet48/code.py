"""The 52 digits of an architecture of the ResNet48 space, and the distance of two of them."""

from __future__ import annotations

from ...typing import Sample
from ..codec import codec

__all__ = ['RATIOS', 'DEPTHS', 'encode_resnet48', 'decode_resnet48', 'width_distance']

RATIOS = (1., .95, .9, .85, .8, .75, .7)
"""Share of its channels that a layer keeps; digit 1 to 7 of the code."""

DEPTHS = ((2, 5), (2, 5), (2, 8), (2, 5))
"""Least and greatest number of blocks of each stage."""

_DIGITS = {str(digit): ratio for digit, ratio in enumerate(RATIOS, start=1)}
_RATIOS = {ratio: digit for digit, ratio in _DIGITS.items()}
_CHOICES = {
    **{f's{stage}_depth': range(low, high + 1) for stage, (low, high) in enumerate(DEPTHS, 1)},
    **{f's{stage}_width': RATIOS for stage in range(1, 5)},
    **{f's{stage}_i{index}': RATIOS for stage, (_, high) in enumerate(DEPTHS, 1)
       for index in range(high)}}
_FORM = ("Expected 52 digits: 1, four depths of 2 to 5 (2 to 8 in stage 3), the stem's ratio, and "
         'two ratios of 1 to 7 for each block, the second of which is the same in a stage and that '
         'of the stem in stage 1, with 00 for absent blocks at the end of a stage')


@codec
def encode_resnet48(sample: Sample) -> str:
    """Return the 52 digits of an architecture, as in the CVPR 2022 NAS challenge, track 1.

    These are: 1 (the size of the images), the depths of the four stages, the ratio of the stem,
    and for each possible block the ratios of its two convolutions, or 00 if it is absent.

    Parameters
    ----------
    sample
        ``s1_depth``, ``s1_width`` (of the second convolution of all blocks) and ``s1_i0`` ... (of
        the first convolution of each block) of the stages 1 to 4. Those of absent blocks make no
        difference.

    Raises
    ------
    ValueError
        If the labels or choices are not those of the space.

    Examples
    --------
    >>> sample = {**{label: 1. for label in _CHOICES}, 's1_width': .95, 's1_i1': .9}
    >>> sample.update({f's{stage}_depth': 2 for stage in range(1, 5)})
    >>> encode_resnet48(sample)
    '1222221232000000111100000011110000000000001111000000'
    """
    if sample.keys() != _CHOICES.keys() or not all(
            choice in _CHOICES[label] for label, choice in sample.items()):
        raise ValueError(f'Expected the labels {list(_CHOICES)} with depths among {DEPTHS} (least '
                         f'and greatest of each stage) and ratios of {RATIOS}, got {sample}.')
    digits = ['1', *(str(sample[f's{stage}_depth']) for stage in range(1, 5)),
              _RATIOS[sample['s1_width']]]
    for stage, (_, most) in enumerate(DEPTHS, 1):
        present = range(sample[f's{stage}_depth'])
        digits += [_RATIOS[sample[f's{stage}_i{index}']] + _RATIOS[sample[f's{stage}_width']]
                   if index in present else '00' for index in range(most)]
    return ''.join(digits)


@codec
def decode_resnet48(code: str) -> Sample:
    """Return the architecture of 52 digits; absent blocks get the ratio 1.

    Parameters
    ----------
    code
        As of `encode_resnet48`.

    Raises
    ------
    ValueError
        If the digits are not those of an architecture of the space.
    """
    sample: Sample = dict.fromkeys(_CHOICES, 1.0)
    position = 6
    try:
        for stage, (_, most) in enumerate(DEPTHS, 1):
            depth = sample[f's{stage}_depth'] = int(code[stage])
            sample[f's{stage}_width'] = _DIGITS[code[position + 1]]
            for index in range(depth):
                sample[f's{stage}_i{index}'] = _DIGITS[code[position + 2 * index]]
            position += 2 * most
        if encode_resnet48(sample) == code:
            return sample
    except (KeyError, ValueError, IndexError):
        pass
    raise ValueError(f'{_FORM}; got {code!r}.')


def width_distance(a: Sample, b: Sample) -> int:
    """Return how many of the 47 digits of widths differ, those of absent blocks included.

    The distance of RD-NAS' margin in this space, whose threshold is 33:
    ``MarginPairSampler(width_distance, 33)``. Source: Dong et al., "RD-NAS", 2023 (its code).

    Parameters
    ----------
    a, b
        Architectures.

    Examples
    --------
    >>> code = '122221' + '1111000000' * 2 + '1111000000000000' + '1111000000'
    >>> a, b = (decode_resnet48(one) for one in (code, code[:6] + '3' + code[7:]))
    >>> width_distance(a, b)
    1
    """
    return sum(one != other for one, other in
               zip(encode_resnet48(a)[5:], encode_resnet48(b)[5:]))
