"""Modules whose forward was replaced are afterwards exactly what they were."""

from __future__ import annotations

import pytest
from torch import nn

from nni_rankreg._util.forward import ReplacedForward


def negated(x):
    return -x


def doubled(x):
    return 2 * x


def test_that_of_the_class_and_that_of_the_instance():
    plain, own, other = nn.Identity(), nn.Identity(), nn.Identity()
    vars(own)['forward'] = negated
    keys = list(vars(plain))
    with ReplacedForward({plain: doubled, own: doubled}):
        assert [module(3) for module in (plain, own, other)] == [6, 6, 3]
    assert [module(3) for module in (plain, own, other)] == [3, -3, 3]
    assert vars(own)['forward'] is negated and list(vars(plain)) == keys


def test_nested_and_after_an_error():
    module = nn.Identity()
    with ReplacedForward({module: doubled}):
        with pytest.raises(KeyError), ReplacedForward({module: negated}):
            assert module(3) == -3
            raise KeyError
        assert module(3) == 6
    assert module(3) == 3 and 'forward' not in vars(module)
