"""What an ablation is about: a space, its table, and the settings of super-nets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..table import TabularBenchmark
from ..typing import Sample

__all__ = ['Problem', 'Setting', 'choose_setting']

Setting = dict[str, Any]
"""Sizes of networks, data and training; written into each result."""

_FREE = ('warmup', 'weight')  # may be zero


class Problem(NamedTuple):
    """A space with a table of stand-alone results.

    Parameters
    ----------
    file
        Name of the table in the folder of the data.
    space
        Makes the model space of a setting.
    table
        Reads a column of the table, from the folder of the data.
    landmarks
        Draws a number of landmarks, by a seed, of architectures that the last argument lacks.
    validation, test
        Columns of the table, and how results name them.
    arms, full_arms
        Names of the arms that run by default in the small and in the full setting.
    small, full
        The settings for two CPU cores and that of the paper, if there is one.
    operations
        Numbers of operations to choose from; empty if the space has no such choice.
    scored
        Number of architectures that are scored.
    """

    file: str
    space: Callable[[Setting], Any]
    table: Callable[[Path, str, Setting], TabularBenchmark]
    landmarks: Callable[[Any, TabularBenchmark, int, int, TabularBenchmark], list[Sample]]
    validation: str
    test: str
    arms: tuple[str, ...]
    small: Setting
    full_arms: tuple[str, ...] = ()
    full: Setting | None = None
    operations: tuple[int, ...] = ()
    scored: int = 200


def choose_setting(problem: Problem, full: bool, operations: int,
                   overrides: Mapping[str, float]) -> Setting:
    """Return the setting of a problem with some values replaced, each of the type that it had.

    Parameters
    ----------
    problem
        Has the settings.
    full
        Whether that of the paper.
    operations
        Of the space; 5 where there is no choice.
    overrides
        Name -> value.

    Raises
    ------
    ValueError
        If there is no such setting, or a value of that name, or the value is out of range.
    """
    setting = problem.full if full else problem.small
    if setting is None:
        raise ValueError(f'Expected no full setting with {problem.file}, whose super-net of the '
                         'paper is too large for slices; give overrides.')
    if operations not in (problem.operations or (5,)):
        raise ValueError(f'Expected operations among {problem.operations or (5,)} with '
                         f'{problem.file}, got {operations}.')
    unknown = set(overrides) - set(setting)
    if unknown:
        raise ValueError(f'Expected overrides of {", ".join(setting)}, got '
                         f'{", ".join(sorted(unknown))}.')
    setting = {**setting, **{name: _checked(name, setting[name], value)
                             for name, value in overrides.items()}}
    return {**setting, 'operations': operations} if problem.operations else setting


def _checked(name: str, before: float, value: float) -> float:
    """Return a value as the type of the one that it replaces."""
    new = type(before)(value)
    if new != value or new < 0 or (new == 0 and name not in _FREE):
        kind = 'a whole number' if isinstance(before, int) else 'a number'
        least = 'of at least 0' if name in _FREE else 'above 0'
        raise ValueError(f'Expected {name} to be {kind} {least}, got {value}.')
    return new
