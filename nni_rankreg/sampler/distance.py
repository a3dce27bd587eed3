"""How far two architectures are apart: by the labels, or by the kinds of their operations."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ..space import choice_parameters
from ..typing import Sample, Space

__all__ = ['Groups', 'group_distance', 'hamming_distance', 'parameter_groups']

Groups = Mapping[str, Mapping[object, object]]
"""Label -> choice -> its group, anything that can be compared."""


def hamming_distance(a: Sample, b: Sample) -> int:
    """Return the number of labels in which two architectures differ.

    Raises
    ------
    ValueError
        If the labels of the two are not the same.

    Examples
    --------
    >>> hamming_distance({'op': 'conv', 'width': 8}, {'op': 'pool', 'width': 8})
    1
    """
    _check_labels(a, b)
    return sum(choice != b[label] for label, choice in a.items())


def group_distance(a: Sample, b: Sample, groups: Groups) -> float:
    """Return the distance of two architectures that counts changes of the kind of operation more.

    A label adds 0 if both choose the same, 0.5 if they choose differently within a group, and 2
    across groups. Source: Dong et al., "RD-NAS", 2023, Eq. 4.

    Parameters
    ----------
    a, b
        Architectures of one space.
    groups
        Label -> choice -> its group, anything that can be compared; two choices without a group
        are in the same one.

    Raises
    ------
    ValueError
        If the labels of the two are not the same.

    Examples
    --------
    >>> groups = {label: {'conv_1x1': 1, 'conv_3x3': 1, 'skip': 0} for label in ('x', 'y')}
    >>> group_distance({'x': 'conv_1x1', 'y': 'skip'}, {'x': 'conv_3x3', 'y': 'conv_3x3'}, groups)
    2.5
    """
    _check_labels(a, b)
    return sum((0. if choice == b[label]
                else 0.5 if _group(groups, label, choice) == _group(groups, label, b[label])
                else 2. for label, choice in a.items()), 0.)


def parameter_groups(space: Space) -> Groups:
    """Return label -> choice -> whether it has parameters.

    Raises
    ------
    ValueError
        If the space is no model space, so that nothing tells which choices have parameters.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> groups = parameter_groups(NasBench201())['cell/0_1']
    >>> [choice for choice, parametric in groups.items() if parametric]
    ['conv_1x1', 'conv_3x3']
    """
    if not isinstance(space, nn.Module):
        raise ValueError('Expected a model space to tell which choices have parameters, got '
                         f'{type(space).__name__}: give groups.')
    return {label: {choice: size > 0 for choice, size in sizes.items()}
            for label, sizes in choice_parameters(space).items()}


def _check_labels(a: Sample, b: Sample) -> None:
    if a.keys() != b.keys():
        raise ValueError('Expected two architectures of one space, got the labels '
                         f'{sorted(a)} and {sorted(b)}.')


def _group(groups: Groups, label: str, choice: object) -> object:
    return groups.get(label, {}).get(tuple(choice) if isinstance(choice, list) else choice)
