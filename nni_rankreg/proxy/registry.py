"""The names of the proxies, here and in other packages."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Protocol

from torch import nn

from .activation import naswot, zen
from .gradient import fisher, grad_norm, grasp, plain, snip, synflow
from .jacobian import epe_nas, jacov
from .state import Batch
from .static import flops, l2_norm, params

__all__ = ['PROXIES', 'Proxy', 'find_proxy', 'proxy_names']

GROUP = 'nni_rankreg.proxy'
"""Entry-point group under which other packages declare proxies."""


class Proxy(Protocol):
    """A function that scores a network with its initial weights, higher is better.

    It leaves the network as it finds it: modes, hooks, parameters, buffers. Options, among them
    `seed` if it draws random numbers, are keyword arguments with defaults.
    """

    def __call__(self, network: nn.Module, batch: Batch, **options: Any) -> float:
        """Return the score of `network` on images and labels; a result may be non-finite."""
        ...


PROXIES: dict[str, Any] = {function.__name__: function for function in (
    flops, params, snip, grad_norm, grasp, synflow, fisher, jacov, naswot, zen, l2_norm, epe_nas,
    plain)}
"""Name -> function, of this package."""


def proxy_names() -> list[str]:
    """Return the names of all proxies, those of other packages last.

    Examples
    --------
    >>> proxy_names()[:4]
    ['flops', 'params', 'snip', 'grad_norm']
    """
    others = {entry.name for entry in entry_points(group=GROUP)}
    return [*PROXIES, *sorted(others - set(PROXIES))]


def find_proxy(name: str) -> Proxy:
    """Return the proxy of a name; one of other packages cannot replace one of these.

    Raises
    ------
    ValueError
        If there is none, with the names that there are.

    Examples
    --------
    >>> find_proxy('synflow').__name__
    'synflow'
    """
    if name in PROXIES:
        return PROXIES[name]
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return entry.load()
    raise ValueError(f'Expected a proxy among {proxy_names()}, got {name!r}.')
