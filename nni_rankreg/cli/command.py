"""Commands as their modules declare them; the modules, which take seconds, are not imported."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from .._util.path import user_path

__all__ = ['Command', 'ImportPath', 'read_paths']

ImportPath = str | dict[str, Any]
"""``package.Class``, or ``{"class_path": "package.Class", "init_args": {...}}``."""

_SCOPE = {'__name__': __name__, 'ImportPath': ImportPath, 'Literal': Literal, 'Path': Path}
_READ = ('.csv', '.json', '.npz')


class Command(NamedTuple):
    """A function of a module of this package.

    Parameters
    ----------
    module
        Its name here. Arguments are annotated by what Python has built in, `Path`, `Literal` and
        `ImportPath`.
    function
        The name there.
    """

    module: str
    function: str

    def declared(self) -> Callable[..., None]:
        """Return a function of the same arguments and docstring that does nothing."""
        path = Path(__file__).with_name(f'{self.module}.py')
        found = next(one for one in ast.parse(path.read_text(encoding='utf-8')).body
                     if isinstance(one, ast.FunctionDef) and one.name == self.function)
        del found.body[1:]
        scope: dict[str, Any] = dict(_SCOPE)
        exec(compile(ast.Module([found], []), str(path), 'exec'), scope)
        return scope[self.function]

    def imported(self) -> Callable[..., None]:
        """Return the function itself."""
        return getattr(importlib.import_module(f'..{self.module}', __name__), self.function)


def read_paths(values: dict[str, Any]) -> dict[str, Any]:
    """Return arguments with the paths that a user means; what is read must be there.

    Parameters
    ----------
    values
        Name -> value. All paths, and texts that end like a file, are read, but ``out``.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.

    Examples
    --------
    >>> read_paths({'out': Path('~/new'), 'seed': 0})['out'] == Path.home() / 'new'
    True
    >>> read_paths({'table': Path('new.csv')})
    Traceback (most recent call last):
    FileNotFoundError: Expected a file or a folder as table, got new.csv, which is not there.
    """
    found = {name: user_path(value) if isinstance(value, Path) else value
             for name, value in values.items()}
    read = {name: value for name, value in found.items() if name != 'out'
            and (isinstance(value, Path) or str(value).endswith(_READ))}
    for name, value in read.items():
        if not user_path(value).exists():
            raise FileNotFoundError(f'Expected a file or a folder as {name}, got {value}, which '
                                    'is not there.')
    return found
