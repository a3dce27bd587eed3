"""Batches of a loader, again and again, and where in the loader a training has arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from pytorch_lightning.utilities.combined_loader import CombinedLoader

from .._util.random import global_state, set_global_state

__all__ = ['EndlessBatches', 'loader_state', 'set_loader_state']


class EndlessBatches:
    """Draws batch after batch from a loader, which is started anew when it ends.

    Parameters
    ----------
    loader
        Returns the loader; asked for each pass through the data.

    Raises
    ------
    ValueError
        On drawing, if there is no loader, or no batch in it.

    Examples
    --------
    >>> batches = EndlessBatches(lambda: [1, 2, 3])
    >>> [batches.next() for _ in range(4)]
    [1, 2, 3, 1]
    >>> other = EndlessBatches(lambda: [1, 2, 3])
    >>> other.load_state_dict(batches.state_dict())
    >>> other.next()
    2
    """

    def __init__(self, loader: Callable[[], Any]):
        self._loader = loader
        self._iterator: Iterator[Any] = iter(())
        self._start: dict[str, Any] | None = None  # random states when the pass began
        self._count = 0
        self._resumed: dict[str, Any] | None = None

    def next(self) -> Any:
        """Return the next batch."""
        if self._resumed is not None:
            state, self._resumed = self._resumed, None
            self._fast_forward(**state)
        batch = next(self._iterator, None)
        if batch is None:
            self._begin()
            batch = next(self._iterator, None)
        if batch is None:  # a StopIteration would end the epoch in silence
            raise ValueError('Expected at least one batch of held-out data, got none. Give more '
                             'training data or a smaller batch size.')
        self._count += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return where in its pass through the data the loader is."""
        return {'start': self._start, 'count': self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned; the loader may be made later."""
        self._start, self._count = state['start'], state['count']
        self._resumed = None if self._start is None else state

    def _begin(self) -> None:
        loader = self._loader()
        if loader is None:
            raise ValueError('Expected held-out batches for the regularisers and the architecture, '
                             'got none.')
        self._start = {'global': global_state(), 'loader': loader_state(loader)}
        self._iterator, self._count = iter(loader), 0

    def _fast_forward(self, start: dict[str, Any], count: int) -> None:
        """Repeat a pass up to the batch it had arrived at, and leave no other trace."""
        outside = global_state()
        try:
            set_global_state(start['global'])
            set_loader_state(self._loader(), start['loader'])
            self._begin()
            for _ in range(count):
                self.next()
        finally:
            set_global_state(outside)


def loader_state(loader: Any) -> list[torch.Tensor]:
    """Return the states of the generators that a loader, or a collection of them, owns.

    Parameters
    ----------
    loader
        What Lightning takes for training.
    """
    return [generator.get_state() for generator in _generators(loader)]


def set_loader_state(loader: Any, states: list[torch.Tensor]) -> None:
    """Continue from what `loader_state` has returned for the same loader, made anew.

    Raises
    ------
    ValueError
        If it owns another number of generators.
    """
    generators = _generators(loader)
    if len(generators) != len(states):
        raise ValueError(f'Expected a loader with {len(states)} random generators, as before the '
                         f'interruption, got one with {len(generators)}.')
    for generator, state in zip(generators, states):
        generator.set_state(state)


def _generators(loader: Any) -> list[torch.Generator]:
    """Return the generators of all loaders and of their samplers, each once."""
    found = [getattr(owner, 'generator', None) for one in CombinedLoader(loader).flattened
             for owner in (one, *(getattr(one, name, None)
                                  for name in ('sampler', 'batch_sampler')))]
    return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())
