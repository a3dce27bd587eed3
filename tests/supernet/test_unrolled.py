"""The gradient through a step of the weights, against double backward passes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from nni_rankreg.supernet.unrolled import WeightStep, unrolled_gradient, weight_steps


@pytest.fixture
def case():
    """Return a network that an architecture gates, and two batches."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.double)

    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    network.double()
    for one in network.parameters():
        one.data = draw(*one.shape)
    return network, draw(4).requires_grad_(), [(draw(6, 3), draw(6, 2)) for _ in range(2)]


def loss_of(network, weights, alpha, batch):
    x, y = batch
    x = functional_call(network[0], {'weight': weights[0], 'bias': weights[1]}, (x,))
    x = torch.tanh(x) * alpha.softmax(0)
    return F.mse_loss(F.linear(x, *weights[2:]), y)


@pytest.mark.parametrize('momentum, decay', [(0., 0.), (0.9, 0.1)])
def test_against_a_double_backward_pass(momentum, decay, case):
    network, alpha, (training, held_out) = case
    weights, rate = list(network.parameters()), 0.5
    optimizer = torch.optim.SGD(weights, 0.1, momentum=momentum, weight_decay=decay)
    loss_of(network, weights, alpha, held_out).backward()
    optimizer.step()  # has momentum from now on
    for group in optimizer.param_groups:
        group['lr'] = rate
    before = parameters_to_vector(weights).clone()

    gradients = torch.autograd.grad(loss_of(network, weights, alpha, training), weights,
                                    create_graph=True)
    velocities = [optimizer.state[one].get('momentum_buffer') for one in weights]
    after = [one - rate * (gradient + decay * one + (0. if v is None else momentum * v))
             for one, gradient, v in zip(weights, gradients, velocities)]
    expected, = torch.autograd.grad(loss_of(network, after, alpha, held_out), alpha)
    first, = torch.autograd.grad(loss_of(network, weights, alpha, held_out), alpha)

    got = unrolled_gradient(alpha, weight_steps(optimizer),
                            lambda: loss_of(network, weights, alpha, training),
                            lambda: loss_of(network, weights, alpha, held_out))
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-5)
    assert (got - first).norm() > 0.2 * first.norm()  # and it is another gradient
    assert torch.equal(parameters_to_vector(weights), before)


def test_the_step_is_that_of_sgd(case):
    network, alpha, (batch, _) = case
    weights = list(network.parameters())
    optimizer = torch.optim.SGD(weights, 0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(2):
        gradients = torch.autograd.grad(loss_of(network, weights, alpha, batch), weights)
        expected = [step.after(one).detach() for step, one in
                    zip(weight_steps(optimizer), gradients)]
        for one, gradient in zip(weights, gradients):
            one.grad = gradient
        optimizer.step()
        torch.testing.assert_close([one.detach() for one in weights], expected)


def test_weights_that_the_held_out_loss_does_not_need():
    weight, alpha = (torch.ones(2, requires_grad=True) for _ in range(2))
    got = unrolled_gradient(alpha, [WeightStep(weight, 0.1)],
                            lambda: F.mse_loss(alpha, weight), lambda: alpha.square().sum())
    assert got.tolist() == [2., 2.]


def test_frozen_weights_take_no_step():
    frozen = torch.nn.Parameter(torch.ones(1), requires_grad=False)
    free = torch.nn.Parameter(torch.ones(1))
    step, = weight_steps(torch.optim.Adam([frozen, free], 0.2))
    assert step.weight is free and step.rate == 0.2 and step.momentum is None
