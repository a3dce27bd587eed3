r"""The gradient of an architecture through one step of the weights, by finite differences.

Source: Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, Eq. 6 to 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['WeightStep', 'unrolled_gradient', 'weight_steps']

_LENGTH = 0.01  # by how much the weights are moved for a finite difference


class WeightStep(NamedTuple):
    """One step of stochastic gradient descent of a weight.

    Parameters
    ----------
    weight
        The weight.
    rate, decay
        Learning rate and weight decay.
    momentum
        Momentum times the velocity; None is none.
    """

    weight: Tensor
    rate: float
    decay: float = 0.
    momentum: Tensor | None = None

    def after(self, gradient: Tensor) -> Tensor:
        """Return the weight after the step."""
        change = gradient + self.decay * self.weight
        if self.momentum is not None:
            change = change + self.momentum
        return self.weight - self.rate * change


def weight_steps(optimizer: torch.optim.Optimizer) -> list[WeightStep]:
    """Return the next step of each weight that an optimiser trains, as if it were plain SGD.

    Parameters
    ----------
    optimizer
        Its learning rates, its weight decay and, of SGD, its momentum are taken.
    """
    steps = []
    for group in optimizer.param_groups:
        for weight in group['params']:
            if weight.requires_grad:
                velocity = optimizer.state[weight].get('momentum_buffer')
                steps.append(WeightStep(
                    weight, float(group['lr']), float(group.get('weight_decay', 0.)),
                    None if velocity is None else group['momentum'] * velocity))
    return steps


def unrolled_gradient(architecture: Tensor, steps: Sequence[WeightStep],
                      training_loss: Callable[[], Tensor], held_out_loss: Callable[[], Tensor],
                      mean: Callable[[Tensor], Tensor] = lambda one: one) -> Tensor:
    r"""Return the gradient of the held-out loss after a step of the weights on the training loss.

    .. math:: \nabla_\alpha L_h(w', \alpha) - \frac{\nabla_\alpha L_t(w^+, \alpha) -
              \nabla_\alpha L_t(w^-, \alpha)}{2 \epsilon}, \qquad
              w' = w - \xi \nabla_w L_t(w, \alpha), \qquad
              w^\pm = w \pm \epsilon\, \xi \nabla_{w'} L_h(w', \alpha),

    with :math:`\epsilon = 0.01 / \lVert \xi \nabla_{w'} L_h(w', \alpha) \rVert`: a gradient through
    the step without second derivatives.

    Parameters
    ----------
    architecture
        :math:`\alpha`.
    steps
        Have the weights, which are moved for the time of the call, and :math:`\xi`.
    training_loss, held_out_loss
        :math:`L_t` and :math:`L_h` of what weights and architecture are at the time of the call.
    mean
        Of a gradient over the processes of a distributed training.

    Examples
    --------
    >>> weight, alpha = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> unrolled_gradient(alpha, [WeightStep(weight, 0.1)], lambda: (alpha * weight).sum(),
    ...                   lambda: 3 * weight.sum())  # 3 (w - 0.1 alpha)
    tensor([-0.3000])
    """
    weights = [one.weight for one in steps]

    def gradients(loss: Tensor, of: Sequence[Tensor]) -> list[Tensor]:
        found = torch.autograd.grad(loss, of, allow_unused=True)
        return [mean(torch.zeros_like(one) if gradient is None else gradient)
                for one, gradient in zip(of, found)]

    before = gradients(training_loss(), weights)
    with _moved(weights, [step.after(one) for step, one in zip(steps, before)]):
        first, *after = gradients(held_out_loss(), [architecture, *weights])
    direction = [step.rate * one for step, one in zip(steps, after)]
    length = torch.stack([one.norm() for one in direction]).norm()
    if not length > 0:
        return first
    epsilon = _LENGTH / length
    sides = []
    for sign in (1, -1):
        with _moved(weights, [one + sign * epsilon * part
                              for one, part in zip(weights, direction)]):
            sides += gradients(training_loss(), [architecture])
    return first - (sides[0] - sides[1]) / (2 * epsilon)


@contextmanager
def _moved(weights: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """Let weights have other values for a while."""
    before = [one.detach().clone() for one in weights]
    with torch.no_grad():
        for one, value in zip(weights, values):
            one.copy_(value)
    try:
        yield
    finally:
        with torch.no_grad():
            for one, value in zip(weights, before):
                one.copy_(value)
