"""What draws the architectures that a super-net trains together in one step."""

from __future__ import annotations

from typing import Any, Protocol

from ..typing import Sample

__all__ = ['PathSampler']


class PathSampler(Protocol):
    """Draws the architectures of each training step."""

    def paths(self) -> list[Sample]:
        """Return the architectures of one step; their losses are added."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next draws depend on, for a checkpoint."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        ...
