"""A term of the super-net's loss in one training, and what it may ask of the super-net."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor

from ..schedule import Schedule
from ..typing import Accept, Results, Sample

__all__ = ['SupportsSubnetLoss', 'Term', 'TermContext', 'effective_term']


class SupportsSubnetLoss(Protocol):
    """What a term may ask of the super-net in training."""

    epochs: int
    """Number of epochs of the whole training."""

    def draw(self) -> Sample:
        """Return an architecture drawn as in training."""
        ...

    def subnet_loss(self, sample: Sample, batch: Any) -> Tensor:
        """Return the training loss of one architecture on a batch, a scalar; nothing is logged.

        All processes of a distributed training ask for the same ones, and get the same value.
        """
        ...

    def of_first_process(self, batch: Any) -> Any:
        """Return the batch that the first process of a distributed training has."""
        ...


class TermContext(NamedTuple):
    """What a regulariser makes its term from, before the super-net is trained.

    Parameters
    ----------
    space
        The model space as written, not yet a super-net.
    accept
        Which architectures may be trained; None accepts all.
    results
        All that a search has trained stand-alone so far, higher is better.
    warmed_up
        Whether the super-net has been trained before, so that no warm-up is needed.
    loss
        The evaluator's training loss, a scalar, of what a network returns for a batch and of the
        batch, images and labels; None if it is not known.
    held_out
        Share of the stand-alone results that no term sees, so that rankings can be measured on
        them.
    """

    space: ModelSpace | None = None
    accept: Accept | None = None
    results: Results = Results([], [], 'max')
    warmed_up: bool = False
    loss: Callable[[Any, Any], Tensor] | None = None
    held_out: float = 0.


class Term(ABC):
    """A weighted term of the loss of one training, with all its state.

    Parameters
    ----------
    weight
        Constant factor, the largest weight of the term.
    schedule
        Factor over the epochs, in [0, 1].

    Attributes
    ----------
    results
        Stand-alone results that the term has seen; no ranking is measured on them.
    held_out
        Stand-alone results that the term was given and does not see.
    """

    results = Results([], [], 'max')
    held_out = Results([], [], 'max')

    def __init__(self, weight: float, schedule: Schedule):
        self.weight, self.schedule = weight, schedule

    def factor(self, epoch: int, epochs: int) -> float:
        """Return the weight of the term in an epoch, which is counted from 0."""
        return self.weight * self.schedule(epoch, epochs)

    def active(self, epoch: int, epochs: int) -> bool:
        """Return whether the term takes part in an epoch, so that it needs a batch."""
        return self.factor(epoch, epochs) > 0

    @abstractmethod
    def loss(self, supernet: SupportsSubnetLoss, batch: Any, epoch: int) -> Tensor | None:
        """Return the weighted term, a scalar, or None if it has no gradient in this step.

        Parameters
        ----------
        supernet
            The super-net in training.
        batch
            A batch of the held-out half of the training data.
        epoch
            Current epoch, from 0.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next losses depend on, for a checkpoint of the training."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Continue from what `state_dict` has returned."""


def effective_term(losses: Sequence[Tensor], term: Callable[[Tensor], Tensor]) -> Tensor | None:
    """Return a term of losses whose backward pass goes through those that matter only.

    A pair in the right order has no gradient under a hinge: its sub-nets then cost no backward
    pass, and their weights take no part in the step, whatever other pairs do. A GPU
    is not waited for to see what it has computed: there all have their backward pass, and weights
    that only such pairs use have a gradient of 0, as in the published code.

    Parameters
    ----------
    losses
        Scalars, N of them.
    term
        Computes the term, a scalar, from losses of shape (N,).

    Returns
    -------
    The term with its gradient, or None if no loss has any; on a GPU always the term.

    Examples
    --------
    >>> losses = [torch.tensor(value, requires_grad=True) for value in (2., 1., 3.)]
    >>> effective_term(losses, lambda values: (values - 1.5).clamp(min=0).sum()).backward()
    >>> [loss.grad for loss in losses]
    [tensor(1.), None, tensor(1.)]
    """
    if losses[0].device.type != 'cpu':
        return term(torch.stack(list(losses)))
    values = torch.stack([loss.detach() for loss in losses]).requires_grad_()
    gradient, = torch.autograd.grad(term(values), values)
    needed = (gradient != 0).tolist()
    if not any(needed):
        return None
    return term(torch.stack([loss if one else loss.detach()
                             for loss, one in zip(losses, needed)]))
