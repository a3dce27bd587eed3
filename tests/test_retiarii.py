"""Scripts written for NNI 2.x run on NNI 3.0, and say what they cannot do."""

from __future__ import annotations

import functools

import pytest
from nni.nas.experiment import experiment as nni_experiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.tools.nnictl.config_utils import Experiments

from nni_rankreg.retiarii import RetiariiExeConfig, RetiariiExperiment
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS


def test_script_of_2_x(make_space, make_evaluator, tmp_path, monkeypatch):
    monkeypatch.setattr(nni_experiment, 'Experiments',
                        functools.partial(Experiments, str(tmp_path)))
    space, evaluator = make_space(), make_evaluator()
    strategy = SPOS(evolution=Evolution(5, 10, 2, progress=False))

    exp = RetiariiExperiment(space, evaluator, [], strategy)
    exp_config = RetiariiExeConfig('local')
    exp_config.experiment_name = 'mnist_search'
    exp_config.execution_engine = 'oneshot'
    exp_config.trial_concurrency = 1
    exp_config.experiment_working_directory = tmp_path
    exp.run(exp_config, 8081)
    try:
        first, second = exp.export_top_models(top_k=2, optimize_mode='maximize')
        assert first.keys() == space.simplify().keys() and first.score >= second.score
        assert exp.config.experiment_name == 'mnist_search'
    finally:
        exp.stop()


def test_trials_stay_trials(make_space, make_evaluator):
    config = RetiariiExeConfig('local', max_trial_number=3)
    assert isinstance(config, NasExperimentConfig) and config.max_trial_number == 3
    assert (config.execution_engine.name, config.model_format.name) == ('ts', 'simplified')
    assert config.training_service.platform == 'local'


def test_mutators_are_refused(make_space, make_evaluator):
    with pytest.raises(NotImplementedError, match='Expected no applied_mutators, got 1: NNI 3.0'):
        RetiariiExperiment(make_space(), make_evaluator(), [object()], SPOS())


def test_engines_of_2_x_that_are_gone(make_space, make_evaluator):
    exp, config = RetiariiExperiment(make_space(), make_evaluator(), None, SPOS()), (
        RetiariiExeConfig())
    config.execution_engine = 'cgo'
    with pytest.raises(ValueError, match="execution_engine to be one of base, .* got 'cgo'"):
        exp.run(config)


@pytest.mark.parametrize('mode, right, wrong', [('max', 'maximize', 'minimize'),
                                                ('min', 'minimize', 'maximize')])
def test_the_strategy_says_what_is_best(make_space, make_evaluator, monkeypatch, mode, right,
                                        wrong):
    exp = RetiariiExperiment(make_space(), make_evaluator(), [], SPOS(mode=mode))
    monkeypatch.setattr(exp.strategy, 'list_models', lambda limit: [])
    assert exp.export_top_models(optimize_mode=right) == []
    with pytest.raises(ValueError, match=f"Expected optimize_mode='{right}', as of the strategy"):
        exp.export_top_models(optimize_mode=wrong)
