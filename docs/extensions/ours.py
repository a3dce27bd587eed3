"""What autodoc needs to show our classes as users see them.

NNI's `trace` puts a class of its own on top of ours, so that arguments, bases and members are
those of the class below; names that a package takes over from its modules keep their description.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.inspect import stringify_signature

__all__ = ['setup']

_PACKAGE = 'nni_rankreg'


def setup(app: Sphinx) -> dict[str, Any]:
    """Have autodoc ask."""
    app.connect('autodoc-process-signature', _signature)
    app.connect('autodoc-process-bases', _bases)
    app.connect('autodoc-process-docstring', _data_docstring)
    app.connect('autodoc-skip-member', _skip)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}


def _untraced(cls: type) -> type:
    """Return the class that a traced one stands for."""
    return getattr(cls, '__wrapped__', cls)


def _signature(app: Sphinx, what: str, name: str, one: Any, options: Any, signature: str | None,
               returns: str | None) -> tuple[str, str | None] | None:
    if what != 'class' or _untraced(one) is one:
        return None
    return stringify_signature(inspect.signature(_untraced(one)), show_annotation=False), returns


def _bases(app: Sphinx, name: str, one: Any, options: Any, bases: list[Any]) -> None:
    bases[:] = _untraced(one).__bases__


def _skip(app: Sphinx, what: str, name: str, one: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what other packages define."""
    defined = getattr(one, 'fget', None) or getattr(one, 'func', None) or one
    module = getattr(defined, '__module__', None) or ''
    return True if what == 'class' and not module.startswith(_PACKAGE) else None


def _data_docstring(app: Sphinx, what: str, name: str, one: Any, options: Any, lines: list[str]
                    ) -> None:
    if what == 'data':
        package, attribute = name.rsplit('.', 1)
        lines[:] = _attribute_docstring(package, attribute)


def _attribute_docstring(package: str, attribute: str) -> list[str]:
    room = importlib.import_module(package)
    below = [f'{package}.{one.name}' for one in pkgutil.iter_modules(getattr(room, '__path__', []))]
    for module in [package, *below]:
        try:
            found = ModuleAnalyzer.for_module(module).find_attr_docs().get(('', attribute))
        except PycodeError:
            continue
        if found:
            return found
    return []
