"""Sizes of spaces that no network can have are refused by name, before anything is built."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from nni.nas.nn.pytorch import ModelSpace
from torch import nn

from nni_rankreg import space as room
from nni_rankreg.config.recipe import signature_of
from nni_rankreg.constraint import MacsConstraint, TableLatency

SPACES = {name: one for name, one in vars(room).items()
          if inspect.isclass(one) and issubclass(one, ModelSpace)}
SIZES = [(name, argument) for name, one in SPACES.items()
         for argument, parameter in signature_of(one).parameters.items()
         if 'int' in str(parameter.annotation) or '_Sizes' in str(parameter.annotation)]
WRONG = [-1, 0, True, 1.5, '16', 10 ** 12, np.inf]


def test_all_are_found():
    assert {'NasBench201', 'NasBench101', 'ResNet48', 'ProxylessNAS', 'DARTSSpace',
            'DepthDecoder'} <= {name for name, _ in SIZES}
    assert ('ResNet48', 'depths') in SIZES and ('DARTSSpace', 'num_cells') in SIZES


@pytest.mark.parametrize('wrong', WRONG, ids=str)
@pytest.mark.parametrize('name, argument', SIZES)
def test_sizes_of_spaces(monkeypatch, name, argument, wrong):
    """One for all, and one of several where there are several; no layer is made of it."""
    def none(self, *args, **kwargs):
        raise AssertionError('A convolution was made.')

    monkeypatch.setattr(nn.Conv2d, '__init__', none)
    default = signature_of(SPACES[name]).parameters[argument].default
    several = [wrong] if not isinstance(default, tuple) else [(*default[:-1], (
        (1, wrong) if isinstance(default[-1], tuple) else wrong))]
    for size in several:
        with pytest.raises(ValueError, match=f'Expected .*whole numbers? from 1 to .*{argument}, '
                                             'got'):
            SPACES[name](**{argument: size})


@pytest.mark.parametrize('wrong', WRONG, ids=str)
def test_sides_of_images(wrong):
    with pytest.raises(ValueError, match='Expected a whole number from 1 to 1000000 as pixels'):
        MacsConstraint(room.ProxylessNAS(10, (8,) * 9, (1,) * 6), pixels=wrong)
    with pytest.raises(ValueError, match='Expected a whole number from 1 to 1000000 as pixels'):
        TableLatency('none.yaml', pixels=wrong)


def test_numbers_of_numpy_are_sizes():
    space = room.NasBench201(np.int64(4), np.int32(1))
    assert space.stem[0].out_channels == 4


@pytest.mark.parametrize('ratios', [(), (0.5, 0.), (-1.,), (float('nan'),)])
def test_ratios(ratios):
    with pytest.raises(ValueError, match='Expected positive numbers as ratios, got'):
        room.ResNet48(ratios=ratios)
