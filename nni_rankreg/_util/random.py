"""Random generators: their states as checkpoints keep them, and global ones seeded for a while."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ['OwnsGenerator', 'global_state', 'seeded', 'set_global_state']


class OwnsGenerator:
    """Keeps and restores the state of the random generator that an object owns.

    Examples
    --------
    >>> class Die(OwnsGenerator):
    ...     def __init__(self):
    ...         self._random = np.random.default_rng(0)
    ...     def roll(self):
    ...         return int(self._random.integers(1, 7))
    >>> die = Die()
    >>> state = die.state_dict()
    >>> before = [die.roll() for _ in range(9)]
    >>> die.load_state_dict(state)
    >>> [die.roll() for _ in range(9)] == before
    True
    """

    _random: Any  # a Generator or RandomState of NumPy

    def state_dict(self) -> dict[str, Any]:
        """Return the state, loadable by ``torch.load(..., weights_only=True)``."""
        return {'random': _plain(self._random.get_state(legacy=False)
                                 if isinstance(self._random, np.random.RandomState)
                                 else self._random.bit_generator.state)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        if isinstance(self._random, np.random.RandomState):
            self._random.set_state(state['random'])
        else:
            self._random.bit_generator.state = state['random']


def global_state() -> dict[str, Any]:
    """Return the state of the global generators of torch (CPU and CUDA), NumPy and Python.

    Examples
    --------
    >>> state = global_state()
    >>> first = torch.rand(3)
    >>> set_global_state(state)
    >>> bool((torch.rand(3) == first).all())
    True
    """
    return {'torch': torch.get_rng_state(), 'cuda': torch.cuda.get_rng_state_all(),
            'numpy': _plain(np.random.get_state(legacy=False)), 'python': random.getstate()}


def set_global_state(state: dict[str, Any]) -> None:
    """Continue from what `global_state` has returned.

    Parameters
    ----------
    state
        The states of devices that this machine does not have are left out.
    """
    torch.set_rng_state(state['torch'])
    for device, one in enumerate(state['cuda'][:torch.cuda.device_count()]):
        torch.cuda.set_rng_state(one, device)
    np.random.set_state(state['numpy'])
    random.setstate(state['python'])


@contextmanager
def seeded(seed: int, device: torch.device = torch.device('cpu')) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and PyTorch; on exit they are as before.

    Parameters
    ----------
    seed
        Of all of them.
    device
        A GPU whose generator is seeded, too.

    Examples
    --------
    >>> with seeded(3):
    ...     first = torch.rand(3)
    >>> with seeded(3):
    ...     bool((torch.rand(3) == first).all())
    True
    """
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == 'cuda' else []):
        try:
            random.seed(seed)
            np.random.seed(seed % 2 ** 32)
            torch.default_generator.manual_seed(seed)
            if device.type == 'cuda':
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def _plain(state: Any) -> Any:
    """Return nested dicts with lists in place of arrays."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state
