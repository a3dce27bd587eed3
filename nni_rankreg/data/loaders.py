"""The loaders of a super-net's training: one half of the data trains, the other one ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import nni
from torch import Tensor

from .._util.error import brief
from .._util.size import check_sizes
from .batches import EndlessBatches, loader_state, set_loader_state
from .split import split_loader

__all__ = ['HeldOut', 'Loaders']


@nni.trace
class HeldOut:
    """Where the batches of regularisers and of a learned architecture come from.

    Parameters
    ----------
    loader
        A loader of held-out data. None holds out a random half of the training data.
    batch_size
        Batch size of the held-out half; None is that of the training loader. A quarter of it
        costs less and was seen to rank no worse (docs/results/landmarks.md).

    Raises
    ------
    TypeError
        If the loader is none.
    ValueError
        If the batch size is no positive whole number.

    Examples
    --------
    >>> HeldOut(batch_size=64).batch_size
    64
    """

    def __init__(self, loader: Iterable[Any] | None = None, batch_size: int | None = None):
        if isinstance(loader, str) or not isinstance(loader, Iterable | None):
            raise TypeError(f'Expected a loader of held-out data, got {brief(loader)}.')
        if batch_size is not None:
            check_sizes(batch_size=batch_size)
        self.loader, self.batch_size = loader, batch_size


class Loaders:
    """The loaders of one training, from the moment on when Lightning asks for them.

    Parameters
    ----------
    held_out
        Where held-out batches come from; None lets all data train the super-net.
    seed
        Of the split.
    rank, processes
        Of a distributed training.

    Attributes
    ----------
    training, ranking, validation
        The loaders; None before they are made, which a data module does late.
    held_out
        The held-out batches, in order.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> loaders = Loaders(HeldOut())
    >>> len(loaders.train(lambda: DataLoader(TensorDataset(torch.arange(10)), 5)))
    1
    >>> len(loaders.held_out.next()[0])
    5
    """

    def __init__(self, held_out: HeldOut | None = None, *, seed: int = 0, rank: int = 0,
                 processes: int = 1):
        self._recipe = held_out
        self._split = {'seed': seed, 'rank': rank, 'processes': processes}
        self.training: Any = None
        self.validation: Any = None
        self.ranking: Any = None
        self._state: list[Tensor] | None = None  # of a training loader that is not made yet
        self.held_out = EndlessBatches(lambda: self.ranking)

    def train(self, make: Callable[[], Any]) -> Any:
        """Return the loader of the super-net's loss, of what `make` returns."""
        loader, recipe = make(), self._recipe
        if recipe is not None:
            self.ranking = recipe.loader
            if recipe.loader is None:
                loader, self.ranking = split_loader(
                    loader, held_out_batch_size=recipe.batch_size, **self._split)
        self.training = loader
        self._resume()
        return loader

    def validate(self, make: Callable[[], Any]) -> Any:
        """Return the validation loader, on which architectures are scored as well."""
        loader = make()
        self.validation = loader[0] if isinstance(loader, (list, tuple)) else loader
        return loader

    def state_dict(self) -> dict[str, Any]:
        """Return the random state of the training loader, and where the held-out batches are."""
        state = self._state
        if self.training is not None and state is None:
            state = loader_state(self.training)
        return {'training': state, 'held_out': self.held_out.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned; the loaders may be made later."""
        self._state = state['training']
        self.held_out.load_state_dict(state['held_out'])
        self._resume()

    def _resume(self) -> None:
        if self._state is not None and self.training is not None:
            set_loader_state(self.training, self._state)
            self._state = None
