"""Which warnings a command shows."""

from __future__ import annotations

import warnings

import pytest

from nni_rankreg._util.log import quiet_host


@pytest.mark.parametrize('module, message, shown', [
    ('nni.nas.nn.pytorch.layers', 'is found to be not a nn.Module', False),
    ('pytorch_lightning.trainer', "The 'train_dataloader' does not have many workers", False),
    ('pytorch_lightning.trainer', 'The loss is NaN', True),
    ('torch.optim', 'scheduler before optimizer', True),
    ('nni_rankreg.proxy', 'of our own', True), ('users.module', 'of a user', True)])
def test_warnings_of_the_host_are_silent_not_ours(module, message, shown):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        quiet_host()
        warnings.warn_explicit(message, UserWarning, 'file.py', 1, module)
    assert len(found) == shown
