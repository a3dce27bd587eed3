"""Networks of bounded size, so that a number in a file cannot take all memory or all time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ['bounded_networks']

_MODULES = 50_000
_WEIGHTS = 2_000_000_000


@contextmanager
def bounded_networks() -> Iterator[None]:
    """Let networks be made of at most 50,000 modules and 2e9 weights, all of them together.

    Raises
    ------
    ValueError
        Where a module or a weight too many is made.

    Examples
    --------
    >>> import torch
    >>> with bounded_networks():
    ...     torch.nn.Linear(10 ** 5, 10 ** 5, device='meta')
    Traceback (most recent call last):
    ValueError: Expected at most 2,000,000,000 weights, got more.
    """
    from torch.nn.modules import module  # not above: torch takes seconds to import

    modules = weights = 0

    def count_module(*_: Any) -> None:
        nonlocal modules
        modules += 1
        if modules > _MODULES:
            raise ValueError(f'Expected at most {_MODULES:,} modules, got more.')

    def count_weights(_: Any, __: str, weight: Any) -> None:
        nonlocal weights
        weights += 0 if weight is None else weight.numel()
        if weights > _WEIGHTS:
            raise ValueError(f'Expected at most {_WEIGHTS:,} weights, got more.')

    hooks = [module.register_module_module_registration_hook(count_module),
             module.register_module_parameter_registration_hook(count_weights)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
