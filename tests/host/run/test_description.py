"""What a job is, in words that are the same in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from helpers.jobs import FOLDER, Scripted, Space, job, sequential, simplified, supernet
from helpers.places import ROOT
from nni.nas.execution import SequentialExecutionEngine

from nni_rankreg.host.run.engine import EngineRunner


def descriptions():
    runner = sequential(Scripted({'1': 0.5, '2': 'raise'}))
    return [runner.describe(job(3)), runner.describe(supernet())]


@pytest.mark.slow
def test_descriptions_are_the_same_in_every_process():
    code = f'import json, {__name__} as tests; print(json.dumps(tests.descriptions()))'
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests')])
    others = [json.loads(subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], check=True, capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': path, 'PYTHONHASHSEED': '1'}).stdout)]
    assert others == [descriptions()]


SCRIPT = """
import sys
from pathlib import Path
import nni
from nni.nas.evaluator import Evaluator, FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.space import SimplifiedModelSpace
from torch import nn
from nni_rankreg.host.run.engine import EngineRunner
from nni_rankreg.plan import StandAlone, SuperNet
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results

class Space(ModelSpace):
    def __init__(self):
        super().__init__()
        self.x = LayerChoice({'0': nn.Identity(), '1': nn.Tanh()}, label='x')

class Teacher:
    def __init__(self, weight):
        self.weight = weight

def train(model, epochs):
    nni.report_final_result(1.)

def strategy(bound):
    return SPOS(filter=lambda sample: sample['x'] != bound, truth=Teacher(bound))

evaluator = FunctionalEvaluator(train, epochs=int(sys.argv[1]))
runner = EngineRunner(SequentialExecutionEngine(), SimplifiedModelSpace.from_model(
    Space(), evaluator), evaluator, Path('.'))
print(runner.describe(StandAlone({'x': '0'})))
print(runner.describe(SuperNet(strategy(sys.argv[2]), Results([], []), 1)))
print(nni.dump(Space))
"""


@pytest.mark.slow
def test_descriptions_of_what_a_script_defines(tmp_path):
    """NNI pickles it by value, which differs in each process."""
    (tmp_path / 'script.py').write_text(SCRIPT)

    def describe(*arguments):
        return subprocess.run([sys.executable, '-W', 'ignore', 'script.py', *arguments],
                              cwd=tmp_path, check=True, capture_output=True, text=True
                              ).stdout.splitlines()
    job, supernet, by_nni = describe('1', 'a')
    assert describe('1', 'a')[:2] == [job, supernet]
    assert describe('1', 'a')[2] != by_nni       # else nothing needs to be named any more
    assert job != describe('2', 'a')[0] and supernet != describe('1', 'b')[1]


def test_tensors_are_told_apart_by_what_they_hold():
    """PyTorch pickles where their memory is, too, which differs in each process."""
    kept = [torch.zeros(3), torch.zeros(3), torch.ones(3), torch.zeros(3, 1),
            torch.zeros(3, dtype=torch.bfloat16)]
    first, same, *others = [sequential(Scripted({'x': one})).describe(job(3)) for one in kept]
    assert first == same and len({first, *others}) == 4


@pytest.mark.parametrize('one', [job(3), supernet()])
def test_descriptions_tell_what_would_be_computed(manager, one):
    described = sequential().describe(one)
    assert manager.runner().describe(one) == described       # in a trial or not
    changed = [
        EngineRunner(SequentialExecutionEngine(), simplified(Scripted({'1': 2.})),
                     Scripted({'1': 2.}), FOLDER),
        EngineRunner(SequentialExecutionEngine(), simplified(space=Space(3)), Scripted(),
                     FOLDER)]
    assert len({described, *(runner.describe(one) for runner in changed)}) == 3
    assert described != sequential().describe(job(4)) != sequential().describe(supernet([1, 2]))
