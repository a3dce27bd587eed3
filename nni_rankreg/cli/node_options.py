"""The command ``nni-rankreg node-options``: how nnictl starts a manager for this machine only."""

from __future__ import annotations

from ..host.run.node_options import node_options as value

__all__ = ['node_options']


def node_options() -> None:
    """Print the value of NODE_OPTIONS with which `nnictl create` starts a private manager."""
    print(value())
