"""What arguments of commands name: spaces, tables, and other objects by their import path."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from nni.mutable import Categorical
from nni.mutable.utils import label as nni_label
from nni.nas.nn.pytorch import ModelSpace

from .._util.error import brief, one_line
from .._util.import_path import import_object
from .._util.path import user_path
from ..table import TabularBenchmark, digits, read_csv_results
from ..typing import Space
from .command import ImportPath

__all__ = ['categorical', 'check_positive', 'make_object', 'make_space', 'read_choices',
           'read_truth']

_CHOICES = 10_000


def make_object(spec: ImportPath, what: str) -> Any:
    """Import a class or function, also of a file in this folder, and call it with its arguments."""
    spec = {'class_path': spec} if isinstance(spec, str) else spec
    path, arguments = spec.get('class_path'), spec.get('init_args') or {}
    if set(spec) - {'class_path', 'init_args'} or not isinstance(arguments, dict):
        raise ValueError(f'Expected class_path and init_args of a {what}, got {brief(spec)}.')
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())        # the user's own file, as `python` finds it
    target = import_object(path, f'the import path of a {what}')
    try:
        return target(**arguments)
    except (Exception, SystemExit) as error:   # whatever the user's own code may raise
        raise ValueError(f'Expected arguments of {path}, got {brief(arguments)}: '
                         f'{one_line(error)}.') from error


def make_space(path: ImportPath) -> ModelSpace:
    """Return the model space that an import path names, or a function there returns."""
    space = make_object(path, 'model space')
    if not isinstance(space, ModelSpace):
        raise ValueError(f'Expected an import path of a model space, got '
                         f'{brief(path)}, a {type(space).__name__}.')
    return space


def check_positive(**numbers: float | None) -> None:
    """Refuse numbers that are not above 0, by their names; None is none given."""
    for name, number in numbers.items():
        if number is not None and not number > 0:
            raise ValueError(f'Expected {name} above 0, got {number}.')


def read_choices(path: str | os.PathLike[str]) -> dict[str, Categorical]:
    """Return the space of a JSON file, label -> list of different choices."""
    try:
        found = json.loads(user_path(path).read_text(encoding='utf-8'), parse_constant=_refuse,
                           object_pairs_hook=_labels)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'Expected label -> list of choices in {path}, got: {one_line(error)}'
                         ) from error
    if not isinstance(found, dict) or not found or not all(map(_are_choices, found.values())):
        raise ValueError('Expected label -> list of different choices, texts, numbers or lists of '
                         f'these, at most {_CHOICES:,}, in {path}, got {brief(found)}.')
    return {label: categorical(label, values) for label, values in found.items()}


def categorical(label: str, values: Sequence[Any]) -> Categorical:
    """Return a choice of any label; NNI takes a slash, as in ``cell/0_1``, for that of a scope.

    Examples
    --------
    >>> categorical('cell/0_1', ['conv', 'none']).label
    'cell/0_1'
    """
    return Categorical(values, label=nni_label(label.split('/')))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f'{constant}, which is no choice.')


def _labels(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs) or '' in found:
        raise ValueError('labels that are empty or not different, '
                         f'{brief([label for label, _ in pairs])}.')
    return found


def _are_choices(values: Any) -> bool:
    return (isinstance(values, list) and 1 <= len(values) <= _CHOICES
            and all(map(_is_choice, values))
            and len({json.dumps(one) if isinstance(one, list) else one
                     for one in values}) == len(values))


def _is_choice(one: Any) -> bool:
    parts = one if isinstance(one, list) else [one]
    return all(part is None or isinstance(part, (str, bool, int, float)) for part in parts)


def read_truth(truth: str, column: str | None, space: Space) -> TabularBenchmark:
    """Return a table: ``digits``, or a CSV file in a form that `read_csv_results` reads."""
    if truth == 'digits':
        if column is not None:
            raise ValueError(f'Expected a column of CSV files only, got {column!r} of digits.')
        return digits()
    results = read_csv_results(truth, column, space)
    return TabularBenchmark(results.samples, results.metrics, Path(truth).stem)
