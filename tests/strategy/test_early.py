"""What cannot be trained is refused before anything is, and jobs share no checkpoint."""

from __future__ import annotations

import functools

import nni
import pandas as pd
import pytest
import pytorch_lightning as pl
from helpers.spaces import Tiny
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace

from nni_rankreg.archive import Archive
from nni_rankreg.host.run.engine import EngineRunner
from nni_rankreg.plan import Failure, SuperNet
from nni_rankreg.regularizer import LandmarkRegularizer, RankingDistillation
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS, AceNAS, LandmarkSearch
from nni_rankreg.typing import Results

SMALL = Evolution(4, 8, 2, progress=False)
SAMPLES = UniformSampler(Tiny()).distinct(6)
BAD = Results([*SAMPLES[:2], {**SAMPLES[2], 'layer1': 'removed'}], [0.1, 0.2, 0.3])
WRONG = r"as 'layer1' of {} 3, got 'removed'"


def measure(model):
    nni.report_final_result(0.5)


def plain(**kwargs):
    return FunctionalEvaluator(measure, **kwargs)


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a search in this process, and sees that nothing is trained."""
    def run(evaluator, oneshot, supernet_evaluator, kind=LandmarkSearch, **kwargs):
        search = kind(oneshot, supernet_evaluator, archive=tmp_path / 'a.sqlite', **kwargs)
        search.initialize(SimplifiedModelSpace.from_model(Tiny(), evaluator),
                          SequentialExecutionEngine())
        try:
            search.run()
        finally:
            assert len(Archive(tmp_path / 'a.sqlite')) == 0
    return run


@pytest.mark.parametrize('oneshot, message', [
    (SPOS([LandmarkRegularizer(BAD)]), WRONG.format('landmark')),
    (SPOS([RankingDistillation('params', landmarks=BAD)]), WRONG.format('landmark')),
    (SPOS(truth=BAD), WRONG.format('result of truth')),
    (SPOS(truth=pd.DataFrame({'sample': BAD.samples, 'metric': BAD.metrics})),
     WRONG.format('result of truth')),
])
def test_results_of_another_space(oneshot, message, start, make_evaluator):
    with pytest.raises(ValueError, match=message):
        start(plain(), oneshot, make_evaluator())
    with pytest.raises(ValueError, match=message):
        oneshot.train(Tiny(), make_evaluator())


def test_known_results_of_another_space(start, make_evaluator):
    with pytest.raises(ValueError, match=WRONG.format('known result')):
        start(plain(), SPOS(), make_evaluator(), known=BAD)


def test_evaluators_that_cannot(start, make_evaluator):
    rate = nni.choice('rate', [0.1, 0.2])
    chosen = r"Expected an evaluator without parameters to choose.*\['rate'\]"
    for kind in (LandmarkSearch, AceNAS):
        with pytest.raises(ValueError, match=chosen):
            start(plain(rate=rate), SPOS(), make_evaluator(), kind)
        with pytest.raises(ValueError, match=chosen):
            start(plain(), SPOS(), make_evaluator(learning_rate=rate), kind)
        with pytest.raises(TypeError, match="Expected NNI's Lightning evaluator .* got Func"):
            start(plain(), SPOS(), plain(), kind)
    for function in (measure, plain()):
        with pytest.raises(TypeError, match="Expected NNI's Lightning evaluator to train a"):
            SPOS().train(Tiny(), function)


@pytest.mark.parametrize('content', [b'', b'PK cut'])
def test_damaged_checkpoint(content, tmp_path, make_evaluator):
    (tmp_path / 'last.ckpt').write_bytes(content)
    with pytest.raises(ValueError, match=r'Expected a checkpoint at .*last\.ckpt, got'):
        SPOS(checkpoint_folder=tmp_path).train(Tiny(), make_evaluator())
    (tmp_path / 'weights.pt').write_bytes(content)
    with pytest.raises(ValueError, match=r'Expected the weights of a super-net at .*\.pt, got'):
        SPOS().train(Tiny(), make_evaluator(), weights=str(tmp_path / 'weights.pt'))


@nni.trace
class Broken(pl.Callback):
    """Ends the training in an epoch, unless a file is there; notes the epochs that begin."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_epoch_start(self, trainer, module):
        with open(f'{self.folder}/epochs', 'a') as file:
            file.write(str(trainer.current_epoch))
        if trainer.current_epoch == 1 and not (self.folder / 'mended').exists():
            raise RuntimeError('The machine is gone.')


def test_a_checkpoint_is_that_of_its_job(tmp_path, make_evaluator):
    """Landmarks that failed in the first start succeed in the second: the job has other results."""
    space = SimplifiedModelSpace.from_model(Tiny(), make_evaluator())
    evaluator = functools.partial(make_evaluator, max_epochs=3)

    def train(count):
        oneshot = SPOS([LandmarkRegularizer()], evolution=SMALL,
                       checkpoint_folder=tmp_path / 'kept')
        results = Results(SAMPLES[:count], list(range(count)), 'max')
        job = SuperNet(oneshot, results, 1, title='supernet 1')
        runner = EngineRunner(SequentialExecutionEngine(), space,
                              evaluator(callbacks=[Broken(tmp_path)]), tmp_path)
        outcomes = {}
        runner.run([job], outcomes.__setitem__)
        (tmp_path / 'done').write_text((tmp_path / 'epochs').read_text())
        (tmp_path / 'epochs').unlink()
        return outcomes[0], (tmp_path / 'done').read_text()

    outcome, epochs = train(4)
    assert isinstance(outcome, Failure) and 'The machine is gone' in outcome.error
    assert epochs == '01'
    (tmp_path / 'mended').touch()
    outcome, epochs = train(5)                     # a job of its own: from the beginning
    assert len(outcome.history) == 3 and epochs == '012'
    outcome, epochs = train(4)                     # goes on
    assert len(outcome.history) == 3 and epochs == '12'
    assert len(list((tmp_path / 'kept').glob('supernet-1-*/last.ckpt'))) == 2
