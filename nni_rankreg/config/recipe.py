"""What an argument takes: its annotation, and the class that a search file need not name."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from .._util.error import brief
from .trust import original

__all__ = ['hint_of', 'owner_of', 'recipe_of', 'signature_of']

_PLAIN = ('builtins', 'datetime', 'os', 'pathlib', 'types')  # packages of what YAML holds as it is
_HIDDEN = '_init_wrapped'  # where NNI keeps the constructor of a model space
_TRAINER = 'trainer_kwargs'  # how NNI's evaluators, and ours, name what Lightning's trainer gets


def signature_of(target: Any) -> inspect.Signature:
    """Return the arguments of a class or function; NNI hides those of model spaces.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> 'stem_out_channels' in signature_of(NasBench201).parameters
    True
    """
    hidden = vars(target).get(_HIDDEN) if inspect.isclass(target) else None
    if hidden is None:
        return inspect.signature(target)
    _, *others = inspect.signature(hidden).parameters.values()
    return inspect.Signature(others)


def owner_of(target: Any, name: str) -> Any:
    """Return what declares an argument: a class takes those of its bases by ``**kwargs``.

    Parameters
    ----------
    target
        A class or function. What it names ``**trainer_kwargs`` is declared by Lightning's trainer.
    name
        Of an argument; nothing declares one that goes into any other ``**kwargs``.
    """
    owners = inspect.getmro(target) if inspect.isclass(target) else [target]
    for one in owners:
        if name in signature_of(one).parameters:
            return one
    if any(_TRAINER in signature_of(one).parameters for one in owners):
        from pytorch_lightning import Trainer  # not above: it takes seconds to import

        if name not in signature_of(Trainer).parameters:
            raise ValueError(f'Expected an argument of {target.__name__}, or of its trainer, got '
                             f'an unexpected keyword argument {brief(name)}.')
        return Trainer
    return None


def hint_of(target: Any, name: str) -> Any:
    """Return the annotation of an argument, or Any.

    Parameters
    ----------
    target
        A class or function.
    name
        Of its argument.

    Raises
    ------
    ValueError
        If it has no such argument, as far as can be told.

    Examples
    --------
    >>> from fractions import Fraction
    >>> def search(share: Fraction | None = None): ...
    >>> hint_of(search, 'share')
    fractions.Fraction | None
    """
    return _hints(owner_of(original(target), name)).get(name, Any)


def recipe_of(target: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    """Return the class whose arguments are given for an argument of a class or function.

    Parameters
    ----------
    target
        A class or function.
    name
        Of its argument.
    arguments
        What is given for that. If it takes one of several classes, the names tell which.

    Returns
    -------
    The class, or None if a mapping is what the argument takes, or if it does not say what it takes.

    Raises
    ------
    ValueError
        If the names do not tell which class it is.

    Examples
    --------
    >>> from fractions import Fraction
    >>> def search(share: Fraction | None = None, options: dict[str, Any] | None = None): ...
    >>> recipe_of(search, 'share', {'numerator': 3}), recipe_of(search, 'options', {'a': 3})
    (<class 'fractions.Fraction'>, None)
    """
    hint = hint_of(target, name)
    hints = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]
    kinds = [get_origin(one) or one for one in hints]
    if any(inspect.isclass(one) and issubclass(one, Mapping) for one in kinds):
        return None
    classes = [one for one in hints     # Path lies in pathlib._local under Python 3.13
               if inspect.isclass(one) and get_origin(one) is None  # Sequence[int] under 3.10
               and one.__module__.split('.')[0] not in _PLAIN]
    fitting = classes if len(classes) == 1 else [one for one in classes if _takes(one, arguments)]
    if classes and (len(fitting) != 1 or inspect.isabstract(fitting[0])):
        names = ' or '.join(one.__name__ for one in classes)
        raise ValueError(f'Expected the class_path and init_args of a {names}, got '
                         f'{brief(dict(arguments))}.')
    return fitting[0] if fitting else None


def _takes(one: Any, arguments: Mapping[str, Any]) -> bool:
    try:
        signature_of(original(one)).bind(**arguments)
    except TypeError:
        return False
    return True


def _hints(owner: Any) -> dict[str, Any]:
    """Return the types of the arguments, as far as they can be told."""
    from nni.mutable import LabeledMutable, Mutable  # `Space` names them for type checkers only

    names = {'LabeledMutable': LabeledMutable, 'Mutable': Mutable}
    declares = owner
    if inspect.isclass(owner) and not issubclass(owner, tuple):  # but those of a named tuple
        declares = vars(owner).get(_HIDDEN, owner.__init__)
    found: dict[str, Any] = {}
    for name, hint in getattr(declares, '__annotations__', {}).items():
        one = types.SimpleNamespace(__annotations__={name: hint})  # alone, as others may fail
        try:
            found |= get_type_hints(one, _globals(declares), names)
        except (AttributeError, NameError, TypeError):             # other such names
            continue
    return found


def _globals(declares: Any) -> dict[str, Any]:
    """Return what annotations refer to."""
    if inspect.isclass(declares):
        return vars(sys.modules[declares.__module__])
    return getattr(inspect.unwrap(declares), '__globals__', {})
