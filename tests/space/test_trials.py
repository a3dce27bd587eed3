"""The spaces in NNI's searches of stand-alone trials: drawn, sent to a trial, built there."""

from __future__ import annotations

import nni
import numpy as np
import pytest
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import Random

OWN = ['NasBench101', 'own NasBench201', 'own DARTSSpace of any size', 'own ENAS of any size',
       'own PNAS', 'own AmoebaNet', 'own NASNet']


def evaluate(network):
    """Report a number that depends on the network."""
    output = network.eval()(torch.ones(1, 3, 16, 16))
    assert output.shape == (1, 10)
    nni.report_final_result(float(sum(parameter.numel() for parameter in network.parameters())))


@pytest.mark.parametrize('name', OWN)
def test_a_drawn_model_travels_to_a_trial(name, make_space):
    space = make_space(name)
    model = SimplifiedModelSpace.from_model(space, FunctionalEvaluator(evaluate)).random(
        random_state=np.random.RandomState(1))
    arrived = nni.load(nni.dump(model))
    assert arrived.sample == model.sample and space.contains(arrived.sample)
    network = arrived.executable_model()
    assert network(torch.ones(2, 3, 16, 16)).shape == (2, 10)
    assert {key: value.shape for key, value in network.state_dict().items()} == {
        key: value.shape for key, value in model.executable_model().state_dict().items()}


@pytest.mark.parametrize('name', ['NasBench101', 'own ENAS of any size'])
def test_random_search_of_nni(name, make_space):
    space = make_space(name)
    model_space = SimplifiedModelSpace.from_model(space, FunctionalEvaluator(evaluate))
    strategy = Random(dedup=True, seed=0)
    engine = SequentialExecutionEngine(max_model_count=3)
    strategy(model_space, engine)
    best = list(strategy.list_models(limit=2))
    assert best[0].metric >= best[1].metric > 0
    assert all(space.contains(model.sample) for model in best)
