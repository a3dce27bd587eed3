"""What proxies refuse, in one line, and what they score instead of a wrong value or a raw error."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nni_rankreg.proxy import ProxyError, find_proxy
from nni_rankreg.proxy.registry import PROXIES

OF_LOSS = ['snip', 'grad_norm', 'plain', 'grasp', 'fisher']
OF_OUTPUTS = [*OF_LOSS, 'synflow', 'jacov', 'epe_nas', 'zen']
OF_DATA = sorted({*PROXIES} - {'params', 'l2_norm'})


def seeded(build):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


def head(outputs):
    return seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 7), nn.Tanh(),
                                        nn.Linear(7, outputs)))


class Returning(nn.Module):
    """A network that returns something else than its logits."""

    def __init__(self, network, wrap):
        super().__init__()
        self.network, self.wrap = network, wrap

    def forward(self, x):
        return self.wrap(self.network(x))


WRAPS = [lambda y: {'logits': y}, lambda y: (y, y), lambda y: [y]]


def refused(name, network, batch, message, **options):
    with pytest.raises(ProxyError, match=message) as caught:
        find_proxy(name)(network, batch, **options)
    assert '\n' not in str(caught.value)


# Losses

@pytest.mark.parametrize('name', OF_LOSS)
@pytest.mark.parametrize('outputs, labels', [
    (1, torch.randn(6, 1)),                    # regression
    (1, torch.tensor([[0.], [1.]] * 3)),       # binary
    (1, torch.zeros(6, dtype=torch.long)),     # one logit has a cross-entropy of 0
    (1, torch.zeros(6, 1, dtype=torch.long)),
    (4, torch.tensor([[0., 1., 1., 0.]] * 6)),  # several labels
    (4, F.one_hot(torch.arange(6) % 4, 4)),
    (4, torch.full((6, 4), 0.25)),
    (4, torch.arange(6.) % 4),
    (4, torch.zeros(6, 1, dtype=torch.long)),
    (4, torch.zeros(6, 2, 2, dtype=torch.long))])
def test_only_class_indices_have_a_loss_by_default(name, outputs, labels, batch):
    refused(name, head(outputs), (batch[0], labels),
            r'Expected outputs \(N, C, ...\) of at least 2 classes and class indices \(N, ...\) '
            rf'for the cross-entropy, got outputs \(6, {outputs}\) .* give the loss of the task')


@pytest.mark.parametrize('name', OF_LOSS)
def test_flat_outputs_have_no_loss_by_default(name, batch):
    flat = nn.Sequential(head(1), nn.Flatten(0))
    refused(name, flat, (batch[0], torch.randn(6)), r'got outputs \(6,\) of torch.float32 and')
    refused(name, flat, (batch[0], batch[1]), r'got outputs \(6,\) of torch.float32 and')


@pytest.mark.parametrize('name', OF_LOSS)
@pytest.mark.parametrize('label', [4, -1])
def test_labels_beyond_the_classes(name, label, batch):
    labels = torch.tensor([0, 1, 2, 3, 0, label])
    refused(name, head(4), (batch[0], labels),
            f'Expected class indices below 4, .* got {min(label, 0)} to {max(label, 3)}')


@pytest.mark.parametrize('name', OF_LOSS)
@pytest.mark.parametrize('dtype', [torch.int32, torch.int16, torch.uint8])
def test_class_indices_of_any_integer_type(name, dtype, batch, network):
    expected = find_proxy(name)(network, batch)
    assert find_proxy(name)(network, (batch[0], batch[1].to(dtype))) == expected


@pytest.mark.parametrize('name', OF_LOSS)
def test_class_indices_of_pixels(name, batch):
    network = seeded(lambda: nn.Conv2d(3, 5, 1))
    labels = torch.arange(6 * 64).view(6, 8, 8) % 5
    labels[:, :4] = -100                       # left out, as PyTorch does
    score = find_proxy(name)(network, (batch[0], labels))
    assert score != 0 and score == find_proxy(name)(network, (batch[0], labels),
                                                    loss=F.cross_entropy)


def test_a_regression_with_its_loss(batch):
    """The loss is mean (w x - t)^2, its gradient 2 mean (w x - t) x."""
    network = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 1, bias=False)))
    images, targets = batch[0].flatten(1).double(), torch.linspace(-1, 1, 6).double()[:, None]
    weight = network[1].weight.detach().double()
    gradient = 2 * ((images @ weight.T - targets) * images).mean(0, keepdim=True)
    given = (batch[0], targets.float())
    assert find_proxy('snip')(network, given, loss=F.mse_loss) == pytest.approx(
        (weight * gradient).abs().sum().item(), rel=1e-5)
    assert find_proxy('grad_norm')(network, given, loss=F.mse_loss) == pytest.approx(
        gradient.norm().item(), rel=1e-5)
    curved = 2 * (images @ gradient.T * images).mean(0)
    assert find_proxy('grasp')(network, given, loss=F.mse_loss) == pytest.approx(
        -(weight * curved).sum().item(), rel=1e-5)


@pytest.mark.parametrize('name', OF_LOSS)
@pytest.mark.parametrize('loss, message', [
    (F.binary_cross_entropy_with_logits, r'that the loss takes, got outputs \(6, 4\) .*: Target'),
    (nn.CrossEntropyLoss(reduction='none'), r'Expected a loss that is a scalar .* got \(6,\)'),
    (lambda y, t: (y.argmax(1) == t).float().mean(), 'Expected a loss that is a scalar and has a'),
    (lambda y, t: 1., 'has a gradient, got a float')])
def test_losses_that_are_none(name, loss, message, batch):
    refused(name, head(4), batch, message, loss=loss)


# Outputs

@pytest.mark.parametrize('name', OF_OUTPUTS)
@pytest.mark.parametrize('wrap, message', zip(WRAPS, [r"a dict of \['logits'\]", 'a tuple of 2',
                                                      'a list of 1']))
def test_outputs_that_are_no_tensor(name, wrap, message, batch):
    refused(name, Returning(head(4), wrap), batch,
            f'Expected a network that returns one tensor, got {message}')


@pytest.mark.parametrize('name', sorted({*PROXIES} - {*OF_OUTPUTS}))
@pytest.mark.parametrize('wrap', WRAPS)
def test_outputs_do_not_matter_to_the_others(name, wrap, network, batch):
    assert (find_proxy(name)(Returning(network, wrap), batch)
            == find_proxy(name)(network, batch))


@pytest.mark.parametrize('name', OF_LOSS)
def test_a_loss_of_outputs_that_are_a_dict(name, batch):
    network = Returning(head(4), lambda y: {'logits': y})
    assert find_proxy(name)(network, batch, loss=lambda y, t: F.cross_entropy(y['logits'], t)
                            ) == find_proxy(name)(head(4), batch)
    if name == 'grasp':
        refused(name, network, batch, 'returns one tensor', temperature=2.)


def test_zen_of_flat_outputs(batch):
    assert find_proxy('zen')(nn.Sequential(head(1), nn.Flatten(0)), batch) == pytest.approx(
        find_proxy('zen')(head(1), batch))


# Data

@pytest.mark.parametrize('name', OF_DATA)
@pytest.mark.parametrize('dtype', [torch.uint8, torch.int32, torch.float64, torch.float16])
def test_data_of_another_type_than_the_weights(name, dtype, network, batch):
    images = (10 * batch[0]).abs().to(dtype)
    if name == 'synflow':                      # looks at the shape only
        assert find_proxy(name)(network, (images, batch[1])) == find_proxy(name)(network, batch)
    else:
        refused(name, network, (images, batch[1]), f'Expected .* of .*float.* got {dtype}:')


@pytest.mark.parametrize('name', [*OF_LOSS, 'flops', 'naswot', 'synflow'])
def test_a_network_that_takes_bytes(name, network, batch):
    class Scaling(type(network)):
        def forward(self, x):
            return super().forward(x.to(self.head.weight.dtype))

    images = (10 * batch[0]).abs().to(torch.uint8)
    expected = find_proxy(name)(network, (images.float(), batch[1]))
    network.__class__ = Scaling
    assert find_proxy(name)(network, (images, batch[1])) == expected


@pytest.mark.parametrize('name', ['flops', 'snip', 'naswot', 'jacov', 'epe_nas', 'zen'])
def test_a_network_in_double_precision_takes_such_data(name, network, batch):
    assert find_proxy(name)(network.double(), (batch[0].double(), batch[1])) != 0
    refused(name, network, batch, 'Expected data of torch.float64 as the weights')


@pytest.mark.parametrize('name', OF_DATA)
def test_tokens(name):
    network = seeded(lambda: nn.Sequential(nn.Embedding(20, 8), nn.Linear(8, 8), nn.ReLU(),
                                           nn.Flatten(), nn.Linear(24, 4)))
    batch = torch.arange(18).view(6, 3), torch.tensor([0, 1, 1, 2, 0, 1])
    if name in ('synflow', 'jacov', 'epe_nas', 'zen'):
        refused(name, network, batch, 'Expected .* got torch.int64: ')
    else:
        assert find_proxy(name)(network, batch) != 0


@pytest.mark.parametrize('labels', [torch.zeros(6), torch.zeros(6, 1, dtype=torch.long),
                                    F.one_hot(torch.arange(6) % 2)])
def test_classes_of_epe_nas(labels, network, batch):
    refused('epe_nas', network, (batch[0], labels), r'Expected class indices \(B,\), got labels of')


def test_one_image_has_no_correlation(network, batch):
    refused('jacov', network, (batch[0][:1], batch[1][:1]), 'Expected at least 2 images, .* got 1')
