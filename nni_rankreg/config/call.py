"""A class or function of a search file, with its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .form import children

__all__ = ['Call', 'calls_in']


@dataclass(frozen=True)
class Call:
    """A class or function, its arguments, which may hold further calls, and keys in the file."""

    key: str
    target: Callable[..., Any]
    arguments: dict[str, Any]
    place: str
    """Key of the arguments."""


def calls_in(node: Any) -> Iterator[Call]:
    """Yield the calls of a tree, each before those in its arguments."""
    if isinstance(node, Call):
        yield node
        node = node.arguments
    for _, child in children(node):
        yield from calls_in(child)
