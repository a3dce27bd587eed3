"""Trainings that diverge: they end with the last finite loss, and nothing of them is kept."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ['DivergedError', 'LossWatch', 'check_finite', 'not_finite']


class DivergedError(ArithmeticError):
    """Losses, weights or scores that are not finite."""


class LossWatch:
    """Remembers the last finite loss of a training, and one that is not; a GPU is not waited for.

    Parameters
    ----------
    hint
        What to do about it.

    Examples
    --------
    >>> watch = LossWatch('Give a lower learning rate.')
    >>> watch.seen(torch.tensor(2.5))
    tensor(2.5000)
    >>> watch.check('in epoch 1')
    >>> _ = watch.seen(torch.tensor(float('nan')))
    >>> watch.check('in epoch 2')
    Traceback (most recent call last):
    nni_rankreg._util.finite.DivergedError: Expected finite losses, got nan in epoch 2; the last ...
    """

    def __init__(self, hint: str):
        self._hint = hint
        self._last = torch.tensor(torch.nan)
        self._wrong = torch.tensor(0.)

    def seen(self, loss: Tensor) -> Tensor:
        """Return the loss of a step, one number, after a look at it."""
        value = loss.detach().reshape(()).float()
        finite = value.isfinite()
        self._last = torch.where(finite, value, self._last.to(value.device, non_blocking=True))
        self._wrong = torch.where(finite, self._wrong.to(value.device, non_blocking=True), value)
        return loss

    def check(self, when: str, weights: Iterable[tuple[str, Tensor]] = ()) -> None:
        """Raise if a loss was not finite, or a weight is not.

        Parameters
        ----------
        when
            Words for the message, such as ``in epoch 3 of 10``.
        weights
            By name.

        Raises
        ------
        DivergedError
            With the last finite loss.
        """
        if not self._wrong.isfinite():
            raise self.error('losses', f'{float(self._wrong)}', when)
        name = not_finite(weights)
        if name is not None:
            raise self.error('weights', f'others in {name}', when)

    def error(self, what: str, got: str, when: str) -> DivergedError:
        """Return the error that something else is not finite, in the same words."""
        last = (f'the last finite loss was {float(self._last):.4g}' if self._last.isfinite()
                else 'no loss was finite')
        return DivergedError(f'Expected finite {what}, got {got} {when}; {last}. {self._hint}')


def check_finite(weights: Iterable[tuple[str, Tensor]], where: str) -> None:
    """Raise a ValueError if weights that a training would start from are not finite.

    Parameters
    ----------
    weights
        By name.
    where
        They are, for the message.

    Examples
    --------
    >>> check_finite([('a', torch.zeros(2))], 'weights.pt')
    """
    name = not_finite(weights)
    if name is not None:
        raise ValueError(f'Expected finite weights in {where}, got others in {name}: they are of '
                         'a training that has diverged. Remove it, and start anew.')


def not_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """Return the name of the first tensor with a number that is not finite, or None.

    Parameters
    ----------
    tensors
        By name, such as the items of a state dict; a GPU is waited for once.

    Examples
    --------
    >>> not_finite([('a', torch.zeros(2)), ('b', torch.tensor([1., torch.inf]))])
    'b'
    """
    numbers = [(name, one) for name, one in tensors if one.is_floating_point()]
    if not numbers:
        return None
    device = numbers[0][1].device
    good = torch.stack([one.detach().isfinite().all().to(device) for _, one in numbers]).tolist()
    return next((name for (name, _), fine in zip(numbers, good) if not fine), None)
