"""What architectures have in common at their beginning, computed once.

While architectures are scored one after the other on the same images, the stem always returns the
same, and so does an operation on its output. NNI's super-net modules own their ``forward``; those
of the modules without a choice, at any depth, are replaced here for that time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

from nni.nas.nn.pytorch import MutableModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from torch import Tensor, nn

from ..._util.forward import ReplacedForward

__all__ = ['SharedPrefix', 'fixed_modules']

_PLAIN = (int, str, type(None))  # not bool and float, some of which equal an int


class SharedPrefix:
    """Remember what modules return for known tensors: the images, and what they have returned.

    What is returned for a known tensor is known as well, so that a chain of modules is remembered
    until something else, such as a sum, comes in between. A tensor that is changed in place is no
    longer known. Modules must not be random, and weights must not change meanwhile; attributes of
    the user's modules that are numbers or texts may be set from outside.

    Parameters
    ----------
    network
        A model space that a path-sampling one-shot strategy has mutated.
    limit
        Bytes of remembered tensors; those used longest ago are forgotten beyond.

    Examples
    --------
    >>> import torch
    >>> calls = []
    >>> class Stem(nn.Module):
    ...     def forward(self, x):
    ...         calls.append(x)
    ...         return 2 * x
    >>> stem, images = Stem(), torch.ones(1)
    >>> with SharedPrefix(stem, limit=1000) as prefix:
    ...     prefix.begin([images])
    ...     stem(images), stem(images), len(calls)
    (tensor([2.]), tensor([2.]), 1)
    """

    def __init__(self, network: nn.Module, limit: int):
        self.limit = limit
        self._modules = [module for module in fixed_modules(network)
                         if 'forward' not in vars(module)]
        self._attributes = {module: _Attributes(module) for module in self._modules}
        self._replaced = ExitStack()
        self._images: list[Tensor] = []
        self._outputs: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._bytes = 0
        self._inside = False  # of a module of which only the output counts

    def __enter__(self) -> SharedPrefix:
        self._replaced.enter_context(ReplacedForward({
            module: partial(self._call, module, module.forward) for module in self._modules}))
        return self

    def __exit__(self, *_: Any) -> None:
        self._replaced.close()
        self.begin([])

    def begin(self, images: Iterable[Tensor]) -> None:
        """Forget everything; from now on these tensors are known."""
        for key in list(self._outputs):
            self._forget(key)
        for tensor in self._images:
            del vars(tensor)['origin']
        self._images = list(images)
        for tensor in self._images:
            _know(tensor, object())

    def _call(self, module: nn.Module, forward: Callable[..., Any], *args: Any,
              **kwargs: Any) -> Any:
        """Do what `forward` of a module does, unless what it returns is remembered."""
        key = None if self._inside or kwargs else self._key(module, args)
        if key is None:
            return forward(*args, **kwargs)
        output = self._recall(key)
        if output is None:
            before = self._attributes[module].values()
            output = self._compute(forward, args)
            self._attributes[module].leave_out_what_changed(before)  # by itself, as counters do
            after = self._key(module, args)
            # One that is known already is the input; an input that was changed is not known.
            if isinstance(output, Tensor) and _origin(output) is None and after is not None:
                self._remember(after, output)
        return output

    def _key(self, module: nn.Module, args: tuple[Any, ...]) -> Hashable:
        """Return what the output depends on, or None if that is not known."""
        if not args or not isinstance(args[0], Tensor):
            return None
        origin, plain = _origin(args[0]), all(type(one) in _PLAIN for one in args[1:])
        if origin is None or not plain:
            return None
        return module, origin, *args[1:], *self._attributes[module].values()

    def _compute(self, forward: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Return what a module returns; nothing is remembered of the modules inside it."""
        self._inside = True
        try:
            return forward(*args)
        finally:
            self._inside = False

    def _recall(self, key: Hashable) -> Tensor | None:
        """Return an output that is remembered, unless somebody has changed it since."""
        output = self._outputs.get(key)
        if output is None or _origin(output) != key:
            return None
        self._outputs.move_to_end(key)
        return output

    def _remember(self, key: Hashable, output: Tensor) -> None:
        self._forget(key)  # the same that somebody has changed since
        _know(output, key)
        self._outputs[key] = output
        self._bytes += output.nbytes
        while self._bytes > self.limit:
            self._forget(next(iter(self._outputs)))

    def _forget(self, key: Hashable) -> None:
        output = self._outputs.pop(key, None)
        if output is not None:
            vars(output).pop('origin', None)
            self._bytes -= output.nbytes


def fixed_modules(network: nn.Module) -> list[nn.Module]:
    """Return the modules, at any depth, in which nothing is chosen.

    Parameters
    ----------
    network
        A model space that a path-sampling one-shot strategy has mutated, or any module.
    """
    fixed: dict[nn.Module, bool] = {}

    def visit(module: nn.Module) -> bool:
        if module not in fixed:
            fixed[module] = False  # of one that contains itself
            inner = [visit(child) for child in module.children()]
            fixed[module] = all(inner) and not _chooses(module)
        return fixed[module]

    visit(network)
    return [module for module, one in fixed.items() if one]


def _chooses(module: nn.Module) -> bool:
    if isinstance(module, MixedOperation):  # NNI makes all of its layers such
        return bool(module.mutable_arguments)
    return (isinstance(module, BaseSuperNetModule)
            or (isinstance(module, MutableModule) and bool(module.mutables)))


class _Attributes:
    """The numbers and texts by which a module, or one inside, may be steered from outside.

    Those of PyTorch's and NNI's own modules are left out.
    """

    def __init__(self, module: nn.Module):
        self._found: list[tuple[dict[str, Any], str]] = []
        for child in module.modules():
            if not type(child).__module__.startswith(('torch.', 'nni.')):
                attributes = vars(child)
                self._found += [(attributes, name) for name, value in attributes.items()
                                if isinstance(value, (int, float, str, type(None)))]

    def values(self) -> list[Any]:
        """Return their values."""
        return [attributes.get(name) for attributes, name in self._found]

    def leave_out_what_changed(self, before: list[Any]) -> None:
        """Keep those only that have the values of before."""
        after = self.values()
        if after != before:
            self._found = [one for one, old, new in zip(self._found, before, after) if old == new]


def _know(tensor: Tensor, origin: Hashable) -> None:
    vars(tensor)['origin'] = origin, tensor._version


def _origin(tensor: Tensor) -> Hashable:
    """Return where a tensor comes from, unless nobody knows or it has changed since."""
    origin, version = vars(tensor).get('origin', (None, None))
    return origin if version == tensor._version else None
