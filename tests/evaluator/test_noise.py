"""What others say in each run, and no user can do anything about, is not said."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings

import pytest
from helpers.spaces import Tiny

from nni_rankreg._util.log import quiet_lightning
from nni_rankreg.evaluator import Classification
from nni_rankreg.strategy import SPOS

LOGS = ('pytorch_lightning', 'pytorch_lightning.utilities.rank_zero')
NOISE = ('Tip:', 'weights_only', 'LeafSpec', 'torch.jit')


def test_trainings_with_checkpoints(tmp_path, make_loader, caplog, monkeypatch):
    for name in LOGS:
        monkeypatch.setattr(logging.getLogger(name), 'level', logging.INFO)
    caplog.set_level(logging.INFO)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter('always')
        evaluator = Classification(make_loader(), make_loader(), num_classes=10, max_epochs=1,
                                   enable_checkpointing=True, default_root_dir=tmp_path)
        SPOS(checkpoint_folder=tmp_path).train(Tiny(), evaluator)
    said = [*caplog.messages, *(str(one.message) for one in warned)]
    assert any('max_epochs=1` reached' in one for one in said)         # the rest is still said
    assert not [one for one in said if any(word in one for word in NOISE)]


def test_afterwards_all_is_said_again():
    logger = logging.getLogger(LOGS[1])
    tip = logging.makeLogRecord({'msg': '💡 Tip: try this'})
    with pytest.raises(ValueError, match='Expected'), quiet_lightning():
        assert not logger.filter(tip)
        raise ValueError('Expected nothing.')
    assert logger.filter(tip)


@pytest.mark.slow
def test_importing_the_predictors():
    code = ('import nni.nas.nn.pytorch, warnings; warnings.simplefilter("error", FutureWarning); '
            'import nni_rankreg.strategy, nni_rankreg.predictor')
    subprocess.run([sys.executable, '-c', code], check=True,
                   env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})
