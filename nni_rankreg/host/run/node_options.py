"""How Node is told to read ``manager.js`` before NNI's manager."""

from __future__ import annotations

from pathlib import Path

__all__ = ['node_options']


def node_options() -> str:
    """Return the value of NODE_OPTIONS with which a manager is as it should be.

    Examples
    --------
    >>> node_options().startswith('"--require=/')
    True
    """
    return f'"--require={Path(__file__).with_name("manager.js")}"'
