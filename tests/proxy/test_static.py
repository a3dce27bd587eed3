"""Operations, parameters and norms, against closed forms of NAS-Bench-201 and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.flop_counter import FlopCounterMode

from nni_rankreg.proxy import NetworkFactory, ProxyError
from nni_rankreg.proxy.static import flops, l2_norm, params
from nni_rankreg.space import NasBench201, decode_nasbench201

IMAGES = torch.zeros(2, 3, 32, 32), torch.zeros(2)
# The closed form of NAS-Bench-201: of a network without convolutions in its cells, and of each.
# NAS-Bench-201 counts the 10 additions of the last bias as well.
BASE, CONV1, CONV3 = (7_783_050 - 10, 73_306), (3_932_160, 28_000), (35_389_440, 243_040)
CELLS = [
    '|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|',
    '|nor_conv_1x1~0|+|avg_pool_3x3~0|none~1|+|none~0|nor_conv_3x3~1|skip_connect~2|',
    '|skip_connect~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_1x1~1|none~2|',
    '|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|'
    'nor_conv_3x3~2|',
]


@pytest.fixture(scope='module')
def full_size():
    return NetworkFactory(NasBench201(16, 5, 10))


@pytest.mark.parametrize('cell', CELLS)
def test_closed_forms_of_nasbench201(cell, full_size):
    network = full_size(decode_nasbench201(cell))
    ones, threes = cell.count('conv_1x1'), cell.count('conv_3x3')
    operations, parameters = (base + ones * one + threes * three
                              for base, one, three in zip(BASE, CONV1, CONV3))
    assert flops(network, IMAGES) == operations / 1e6
    assert params(network) == parameters / 1e6


@pytest.mark.parametrize('layer, images, expected', [
    (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (3, 4, 8, 8), 6 * 16 * 9 * 2),
    (nn.Conv1d(4, 6, 5), (3, 4, 8), 6 * 4 * 5 * 4),
    (nn.Linear(5, 7), (3, 5), 35),
    (nn.Linear(5, 7), (3, 11, 5), 11 * 35),
    (nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.AvgPool2d(2)), (3, 4, 8, 8), 1024),
])
def test_operations_of_layers(layer, images, expected):
    assert flops(layer, (torch.zeros(images), torch.zeros(3))) == expected / 1e6


class Self(nn.Module):
    """Attention of a sequence to itself, by positions or by names."""

    def __init__(self, named, **kwargs):
        super().__init__()
        self.named, self.layer = named, nn.MultiheadAttention(8, 2, batch_first=True, **kwargs)

    def forward(self, x):
        if self.named:
            return self.layer(query=x, key=x, value=x, need_weights=False)[0]
        return self.layer(x, x, x)[0]


class Cross(nn.Module):
    """Attention of 2 queries to memories of 5 and 3 features, 4 of each."""

    def __init__(self):
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True, kdim=5, vdim=3)

    def forward(self, x):
        return self.layer(x[:, :2, :8], x[:, :4, :5], x[:, :4, :3])[0]


class Cells(nn.Module):
    """A cell that goes over a sequence."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return state


class Packed(nn.Module):
    """A recurrent layer over sequences of which the last step is padding."""

    def __init__(self):
        super().__init__()
        self.layer = nn.GRU(8, 5)

    def forward(self, x):
        return self.layer(pack_sequence([one[:-1] for one in x]))[0].data


NETWORKS = {
    'rnn': (lambda: nn.RNN(8, 5, batch_first=True), 6 * 5 * (8 + 5)),
    'lstm': (lambda: nn.LSTM(8, 5, batch_first=True), 6 * 4 * 5 * (8 + 5)),
    'stacked lstm': (lambda: nn.LSTM(8, 5, 2, batch_first=True, bidirectional=True),
                     6 * 2 * 4 * 5 * (8 + 5 + 10 + 5)),
    'projected lstm': (lambda: nn.LSTM(8, 5, batch_first=True, proj_size=3),
                       6 * (4 * 5 * (8 + 3) + 3 * 5)),
    'gru': (lambda: nn.GRU(8, 5, 2, batch_first=True), 6 * 3 * 5 * (8 + 5 + 5 + 5)),
    'packed gru': (Packed, 5 * 3 * 5 * (8 + 5)),
    'lstm cell': (lambda: Cells(nn.LSTMCell(8, 5)), 6 * 4 * 5 * (8 + 5)),
    'gru cell': (lambda: Cells(nn.GRUCell(8, 5)), 6 * 3 * 5 * (8 + 5)),
    'attention': (lambda: Self(False), 6 * 4 * 8 * 8),
    'named attention': (lambda: Self(True), 6 * 4 * 8 * 8),
    'separate attention': (Cross, 2 * 8 * 8 + 4 * 5 * 8 + 4 * 3 * 8 + 2 * 8 * 8),
    'encoder': (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
                6 * (4 * 8 * 8 + 2 * 8 * 16)),
}


@pytest.mark.parametrize('name', NETWORKS)
def test_recurrent_layers_and_attention(name):
    """By hand, and as PyTorch counts the products of matrices with weights."""
    build, expected = NETWORKS[name]
    network = build()
    assert flops(network, (torch.zeros(3, 6, 8), torch.zeros(3))) == expected / 1e6
    counter = FlopCounterMode(display=False)
    with torch.backends.mkldnn.flags(enabled=False), counter:  # its fused layers are not counted
        network(torch.zeros(1, 6, 8))
    counts = counter.get_flop_counts()['Global']
    assert sum(count for operation, count in counts.items()
               if operation in (torch.ops.aten.mm, torch.ops.aten.addmm)) == 2 * expected


def test_a_layer_that_is_called_twice_counts_twice_and_an_idle_one_not():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(4, 4), nn.Linear(100, 100)

        def forward(self, x):
            return self.used(self.used(x))

    assert flops(Network(), (torch.zeros(2, 4), torch.zeros(2))) == 32 / 1e6


def test_norm_is_the_sum_over_layers():
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(3, 5))
    expected = sum((network[i].weight.detach().double() ** 2).sum() ** 0.5 for i in (0, 2))
    assert l2_norm(network) == pytest.approx(float(expected), rel=1e-6)


def test_networks_without_layers():
    with pytest.raises(ProxyError, match='Expected a network with convolutions or linear layers'):
        flops(nn.ReLU(), IMAGES)
