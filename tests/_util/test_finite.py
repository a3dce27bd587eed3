"""What is not finite is told with the last finite loss."""

from __future__ import annotations

import math

import pytest
import torch

from nni_rankreg._util.finite import DivergedError, LossWatch, check_finite, not_finite


@pytest.mark.parametrize('losses, got', [
    ([2.5, 1.5, math.nan], 'got nan in epoch 2; the last finite loss was 1.5. Do this'),
    ([2.5, -math.inf, 0.5], 'got -inf in epoch 2; the last finite loss was 0.5'),
    ([math.inf], 'got inf in epoch 2; no loss was finite'),
])
def test_losses(losses, got):
    watch = LossWatch('Do this.')
    for loss in losses:
        value = torch.tensor([loss], dtype=torch.float64, requires_grad=True)
        assert watch.seen(value) is value
    with pytest.raises(DivergedError, match=f'Expected finite losses, {got}'):
        watch.check('in epoch 2')


def test_weights():
    watch, good = LossWatch('Do this.'), {'a': torch.zeros(3), 'steps': torch.tensor(3)}
    watch.seen(torch.tensor(1.))
    watch.check('', good.items())
    bad = {**good, 'b': torch.tensor([0., math.nan]), 'c': torch.tensor(math.inf)}
    assert not_finite(bad.items()) == 'b' and not_finite({}) is None
    with pytest.raises(DivergedError, match='Expected finite weights, got others in b now; the'):
        watch.check('now', bad.items())
    with pytest.raises(ValueError, match=r'Expected finite weights in x\.pt, got others in b'):
        check_finite(bad.items(), 'x.pt')
