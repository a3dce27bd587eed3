"""Scorers with names, and what they return, checked where they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .._util.error import brief, one_line
from ..typing import Sample, Scorer

__all__ = ['RESERVED', 'Scorers', 'as_scores', 'ask', 'named_scorers', 'scorer_name']

Scorers: TypeAlias = 'Mapping[str, str | Scorer] | Sequence[str | Scorer]'

RESERVED = ('average', 'predictor', 'supernet', 'vote')
"""What searches call their own sources beside those of the evidence."""


def named_scorers(scorers: Scorers) -> dict[str, str | Scorer]:
    """Return name -> scorer, or name of a proxy, of at least one.

    Raises
    ------
    ValueError
        If they are neither in a sequence nor in a dict, one is neither a text nor a function, there
        is none, or a name is taken.

    Examples
    --------
    >>> named_scorers(['synflow', sum])
    {'synflow': 'synflow', 'sum': <built-in function sum>}
    """
    if isinstance(scorers, str) or not isinstance(scorers, (Mapping, Sequence)):
        raise ValueError('Expected a list of scorers or a dict of name -> scorer, got '
                         f'{brief(scorers)}; put a lone scorer into a list.')
    pairs = (list(scorers.items()) if isinstance(scorers, Mapping)
             else [(scorer_name(one), one) for one in scorers])
    for name, scorer in pairs:
        if not isinstance(name, str) or not (isinstance(scorer, str) or callable(scorer)):
            raise ValueError('Expected scorers that are names of proxies or functions of N '
                             f'architectures, got {brief(scorer)} of the name {brief(name)}.')
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError('Expected scorers of different names, got '
                         f'{[name for name, _ in pairs]}; give a dict of name -> scorer.')
    if not named:
        raise ValueError('Expected at least one scorer as evidence, got none.')
    taken = sorted(named.keys() & set(RESERVED))
    if taken:
        raise ValueError(f'Expected scorers of other names than {", ".join(RESERVED)}, which '
                         f'searches use themselves, got {", ".join(taken)}; give a dict of '
                         'name -> scorer.')
    return named


def scorer_name(scorer: str | Scorer) -> str:
    """Return the name of a proxy, or the attribute ``name``, or that of the function or class."""
    if isinstance(scorer, str):
        return scorer
    name = getattr(scorer, 'name', None) or getattr(scorer, '__name__', None)
    return str(name or type(scorer).__name__)


def ask(scorer: Scorer, samples: Sequence[Sample], name: str) -> Tensor:
    """Return the scores of N architectures, shape (N,), float64.

    Raises
    ------
    RuntimeError
        If the scorer raises an error; naming the scorer.
    ValueError
        If it does not return N numbers.
    """
    try:
        found = scorer(samples)
    except Exception as error:
        raise RuntimeError(f'Expected {len(samples)} scores from the scorer {name}, got '
                           f'{type(error).__name__}: {one_line(error)}') from error
    return as_scores(found, len(samples), name)


def as_scores(found: Any, count: int, name: str) -> Tensor:
    """Return what a scorer has returned, a tensor, array or list, as a tensor of float64.

    Raises
    ------
    ValueError
        If it is not of shape (count,); naming the scorer.

    Examples
    --------
    >>> as_scores([1, 2.5], 2, 'width')
    tensor([1.0000, 2.5000], dtype=torch.float64)
    """
    try:
        scores = torch.as_tensor(found, dtype=torch.float64).detach().cpu()
        got = f'shape {tuple(scores.shape)}'
    except (RuntimeError, TypeError, ValueError):
        scores, got = torch.empty(()), brief(found)
    if scores.shape != (count,):
        raise ValueError(f'Expected {count} scores of shape ({count},) from the scorer {name}, '
                         f'got {got}.')
    return scores
