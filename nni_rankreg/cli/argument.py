"""What arguments of commands name: spaces, tables, and other objects by their import path."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nni.nas.nn.pytorch import ModelSpace

from .._util.import_path import import_object
from ..table import TabularBenchmark, digits, read_csv_results
from ..typing import Space

__all__ = ['ImportPath', 'make_object', 'make_space', 'read_truth']

ImportPath = str | dict[str, Any]
"""``package.Class``, or ``{"class_path": "package.Class", "init_args": {...}}``."""


def make_object(spec: ImportPath, what: str) -> Any:
    """Import a class or function, also of a file in this folder, and call it with its arguments."""
    spec = {'class_path': spec} if isinstance(spec, str) else spec
    if set(spec) - {'class_path', 'init_args'}:
        raise ValueError(f'Expected class_path and init_args of a {what}, got {spec}.')
    path, arguments = spec.get('class_path'), spec.get('init_args') or {}
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())        # the user's own file, as `python` finds it
    target = import_object(path, f'the import path of a {what}')
    try:
        return target(**arguments)
    except TypeError as error:
        raise ValueError(f'Expected arguments of {path}, got {arguments}: {error}.') from error


def make_space(path: ImportPath) -> ModelSpace:
    """Return the model space that an import path names, or a function there returns."""
    space = make_object(path, 'model space')
    if not isinstance(space, ModelSpace):
        raise ValueError(f'Expected an import path of a model space, got {path}, a '
                         f'{type(space).__name__}.')
    return space


def read_truth(truth: str, column: str | None, space: Space) -> TabularBenchmark:
    """Return a table: ``digits``, or a CSV file in a form that `read_csv_results` reads."""
    if truth == 'digits':
        return digits()
    results = read_csv_results(truth, column, space)
    return TabularBenchmark(results.samples, results.metrics, Path(truth).stem)
