"""The processes that train one super-net together, as Lightning's DDP does.

If each draws its own path, all draw as many as there are processes and take theirs, so that the
random numbers, and a checkpoint of the first, remain those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch.distributed
from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerStatus
from torch import Tensor

__all__ = ['Ranks']

Drawn = TypeVar('Drawn')
Item = TypeVar('Item')


class Ranks:
    """What the processes of a training do together; of a single process it is nothing.

    All of them have the same weights and the same random numbers, and each has batches of its own.
    Before and after the training each is by itself, so that a script may go on in one of them.

    Parameters
    ----------
    module
        What is trained.
    same_paths
        Whether `drawn` gives all processes the same.
    """

    def __init__(self, module: LightningModule, same_paths: bool = True):
        self._module, self.same_paths = module, same_paths

    @property
    def count(self) -> int:
        """Number of processes that train at the moment."""
        try:
            trainer = self._module.trainer
        except RuntimeError:  # it has none yet
            return 1
        return trainer.world_size if trainer.state.status is TrainerStatus.RUNNING else 1

    @property
    def own(self) -> int:
        """Number of this process, from 0."""
        return self._module.trainer.global_rank if self.count > 1 else 0

    def drawn(self, draw: Callable[[], Drawn]) -> Drawn:
        """Return what is drawn: the same in all processes, or each its own of as many draws.

        Parameters
        ----------
        draw
            Draws by the random numbers that are the same in all.
        """
        if self.same_paths:
            return draw()
        return [draw() for _ in range(self.count)][self.own]

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over all processes, with the gradient of this process alone.

        DDP takes the mean of the gradients of all processes in the end. So whatever is computed of
        the mean has the gradient that it would have in one process with all batches, also if it is
        not linear, as the hinge of a regulariser.

        Parameters
        ----------
        value
            Any tensor.
        """
        if self.count == 1:
            return value
        mean = value.detach().clone()
        torch.distributed.all_reduce(mean)
        return mean / self.count + (value - value.detach())  # in this order exactly the mean

    def of_first(self, value: Any) -> Any:
        """Return the value of the first process, on whatever device that has it."""
        values = [value]
        if self.count > 1:
            torch.distributed.broadcast_object_list(values)
        return values[0]

    def shared(self, compute: Callable[[Sequence[Item]], list[float]],
               items: Sequence[Item]) -> list[float]:
        """Return a number for each item, in order; each process computes its share of them.

        Parameters
        ----------
        compute
            Computes the numbers of items.
        items
            The same in all processes.
        """
        own = compute(items[self.own::self.count])
        parts = [own] * self.count
        if self.count > 1:
            torch.distributed.all_gather_object(parts, own)
        return [parts[index % self.count][index // self.count] for index in range(len(items))]
