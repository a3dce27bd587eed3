"""A training that diverges fails with the epoch, keeps nothing, and nothing starts from it."""

from __future__ import annotations

import functools
import math

import pytest
import pytorch_lightning as pl
import torch
from helpers.spaces import Tiny
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace

from nni_rankreg._util.finite import not_finite
from nni_rankreg.host.run.engine import EngineRunner
from nni_rankreg.plan import Failure, SuperNet
from nni_rankreg.predictor import NAOController, Ranker, Training
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import DARTS, GDAS, NAO, SPOS
from nni_rankreg.supernet import DivergedError
from nni_rankreg.typing import Results

SMALL = Evolution(4, 8, 2, progress=False)
STRATEGIES = {
    'SPOS': functools.partial(SPOS, evolution=SMALL), 'GDAS': GDAS, 'DARTS': DARTS,
    'NAO': functools.partial(NAO, pool=5, proposals=3, controller=functools.partial(
        NAOController, steps=10, width=16))}
SAMPLES = UniformSampler(Tiny()).distinct(20)


class Poison(pl.Callback):
    """Makes a weight infinite when an epoch has begun: one that need not have been used."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_batch_end(self, trainer, module, *_):
        if trainer.current_epoch == self.epoch:
            with torch.no_grad():
                module.model.layers[3]['conv_3x3'][0].bias[0] = math.inf


@pytest.mark.parametrize('name', STRATEGIES)
def test_losses_that_explode_end_the_training(name, make_evaluator, tmp_path):
    evaluator = make_evaluator(learning_rate=1e37, max_epochs=3)
    message = (r'Expected finite .*(losses|weights), got .* in epoch \d; the last finite loss was '
               r'\d.*Give the evaluator a lower learning rate')
    with pytest.raises(DivergedError, match=message):
        STRATEGIES[name](checkpoint_folder=tmp_path).train(Tiny(), evaluator)
    for file in tmp_path.iterdir():                     # of an epoch before, if there was any
        assert not_finite(torch.load(file, weights_only=True)['state_dict'].items()) is None


def test_weights_that_are_not_finite_leave_the_checkpoint_of_before(make_evaluator, tmp_path):
    strategy = SPOS(evolution=SMALL, checkpoint_folder=tmp_path)
    with pytest.raises(DivergedError, match=r'Expected finite weights, got others in .*layers\.3.*'
                                            r'bias in epoch 2; the last finite loss was \d'):
        strategy.train(Tiny(), make_evaluator(max_epochs=3, callbacks=[Poison(1)]))
    kept = torch.load(tmp_path / 'last.ckpt', weights_only=True)
    assert kept['epoch'] == 0
    trained = strategy.train(Tiny(), make_evaluator(max_epochs=3))  # goes on from there
    assert [one['epoch'] for one in trained.history] == [0., 1., 2.]


def test_nothing_starts_from_weights_that_are_not_finite(make_evaluator, tmp_path):
    trained = SPOS(checkpoint_folder=tmp_path).train(Tiny(), make_evaluator())
    state = trained.supernet.state_dict()
    state['head.weight'][0] = math.nan
    torch.save(state, tmp_path / 'weights.pt')
    with pytest.raises(ValueError, match=r'Expected finite weights in .*weights\.pt, got others in '
                                         r'head\.weight.* Remove it'):
        SPOS().train(Tiny(), make_evaluator(), weights=str(tmp_path / 'weights.pt'))
    kept = torch.load(tmp_path / 'last.ckpt', weights_only=True)
    next(value for name, value in kept['state_dict'].items() if 'head.weight' in name)[0] = math.nan
    torch.save(kept, tmp_path / 'last.ckpt')
    with pytest.raises(ValueError, match='Expected finite weights in the checkpoint, got others'):
        SPOS(checkpoint_folder=tmp_path).train(Tiny(), make_evaluator(max_epochs=2))


def test_scores(make_evaluator):
    trained = SPOS(evolution=SMALL, truth=Results(SAMPLES, list(range(20)))).train(
        Tiny(), make_evaluator())
    with torch.no_grad():
        trained.supernet.head.bias.fill_(math.nan)
    with pytest.raises(DivergedError, match='Expected finite scores, got 20 of 20 that are not'):
        trained.measure()
    with pytest.raises(DivergedError, match='Expected finite scores, got none of the trained'):
        trained.best(1)
    with torch.no_grad():
        trained.supernet.head.bias.fill_(0.)
        trained.supernet.layers[0]['conv_3x3'][0].bias[0] = math.nan
    best = trained.best()
    assert best and all(math.isfinite(one.score) for one in best)
    assert all(one['layer0'] != 'conv_3x3' for one in best)


def test_validation_loss_in_place_of_a_ranking(make_evaluator):
    trained = SPOS().train(Tiny(), make_evaluator())
    trained.module.trainer.callback_metrics.update(
        val_loss=torch.tensor(math.nan), val_acc=torch.tensor(math.nan))
    with pytest.raises(DivergedError, match='Expected finite validation losses, got nan in epoch'):
        trained.measure()
    trained.module.trainer.callback_metrics.clear()  # an evaluator that logs others, or nothing
    trained.module.trainer.callback_metrics.update(val_other=torch.tensor(1.))
    assert math.isnan(trained.measure()['default'])


def test_job_fails_and_saves_nothing(make_evaluator, tmp_path):
    space = SimplifiedModelSpace.from_model(Tiny(), make_evaluator())
    evaluator = make_evaluator(learning_rate=1e37, max_epochs=3)
    runner = EngineRunner(SequentialExecutionEngine(), space, evaluator, tmp_path)
    outcomes = {}
    job = SuperNet(SPOS(evolution=SMALL), Results([], [], 'max'), 1, save=str(tmp_path / 'x.pt'))
    runner.run([job], outcomes.__setitem__)
    assert isinstance(outcomes[0], Failure) and 'Expected finite ' in outcomes[0].error
    assert 'the last finite loss was' in outcomes[0].error and not list(tmp_path.glob('*.pt*'))


def test_gradient_scaler_leaves_out_steps_and_goes_on(make_evaluator):
    """As on a GPU, where alone 16 bits are trained with one: its first steps may overflow."""
    class Overflow(pl.Callback):
        def on_train_start(self, trainer, module):
            trainer.precision_plugin.scaler = object()
            module.watch.seen = pytest.fail

    evaluator = make_evaluator(callbacks=[Overflow()])
    assert len(SPOS().train(Tiny(), evaluator).history) == 1


def test_predictors():
    metrics = list(range(20))
    ranker = Ranker(Tiny(), fitting=Training(learning_rate=1e36), progress=False)
    with pytest.raises(DivergedError, match=r'Expected finite losses, got .* in epoch \d+ of the '
                                            'predictor; the last .* lower learning_rate'):
        ranker.fit(SAMPLES, metrics)
    ranker = Ranker(Tiny(), pretraining=Training(learning_rate=1e36), progress=False)
    with pytest.raises(DivergedError, match='of the predictor'):
        ranker.pretrain(SAMPLES, {'flops': metrics})
    controller = NAOController(Tiny(), steps=10, learning_rate=1e36)
    with pytest.raises(DivergedError, match="in step .* of NAO's controller.* lower learning_rate"):
        controller.fit(SAMPLES, metrics)
