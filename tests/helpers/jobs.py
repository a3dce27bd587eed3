"""Jobs of a search without any training: a space of eight, an evaluator that follows a script."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import nni
import torch
from nni.nas.evaluator import Evaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.space import SimplifiedModelSpace
from torch import nn

from nni_rankreg.host.run.engine import EngineRunner
from nni_rankreg.plan import StandAlone, SuperNet
from nni_rankreg.search import ScoredSample
from nni_rankreg.typing import Results

_folder = TemporaryDirectory()
FOLDER = Path(_folder.name)


class Space(ModelSpace):
    """Eight architectures."""

    def __init__(self, width=2):
        super().__init__()
        for name in ('x', 'y', 'z'):
            setattr(self, name, LayerChoice({'0': nn.Identity(), '1': nn.Linear(width, width)},
                                            label=name))


@nni.trace
class Scripted(Evaluator):
    """Reports the number that the choices spell in binary; ``finals`` replaces some reports."""

    def __init__(self, finals=None, log=None):
        self.finals, self.log = finals or {}, log

    def _execute(self, model):
        number = number_of(model.sample)
        if self.log is not None:
            with open(self.log, 'a') as file:
                file.write(f'{number}\n')
        final = self.finals.get(str(number), number / 8)
        if final == 'raise':
            raise ValueError(f'There is no {number}.')
        if final == 'interrupt':
            raise KeyboardInterrupt
        nni.report_intermediate_result({'loss': 1.})        # without default
        if final != 'nothing':
            nni.report_final_result(final)


@nni.trace
class OneShot:
    """Trains a single number: by 1 in each training, from the weights it is given."""

    def __init__(self, seed=0):
        self.seed = seed

    def train(self, space, evaluator, results, *, weights=None, name=None, accept=None):
        drawn = torch.rand(1).item()
        model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(model.weight)
        if weights is not None:
            model.load_state_dict(torch.load(weights))
        with torch.no_grad():
            model.weight += 1
        score = model.weight.item() + drawn
        assert isinstance(space, Space) and isinstance(evaluator, Scripted)
        history = [{'default': 0.25}, {'default': 0.5}]

        def best(count, exclude):
            ranked = [job(number).sample for number in reversed(range(8))]
            left = [sample for sample in ranked if sample not in exclude]
            return [ScoredSample(sample, score) for sample in left][:count]

        return SimpleNamespace(supernet=model, history=history, metrics=lambda: history[-1],
                               measured={'scores': [0.5]}, best=best)


def job(number):
    return StandAlone(dict(zip('xyz', f'{number:03b}')))


def supernet(numbers=(7, 5), top=2, **options):
    results = Results([job(number).sample for number in numbers], [0.1] * len(numbers), 'max')
    return SuperNet(OneShot(), results, top, **options)


def number_of(sample):
    return int(''.join(sample[label] for label in 'xyz'), 2)


def simplified(evaluator=None, space=None):
    return SimplifiedModelSpace.from_model(space or Space(), evaluator or Scripted())


def sequential(evaluator=None, **options):
    return EngineRunner(SequentialExecutionEngine(**options), simplified(evaluator), Scripted(),
                        FOLDER)


def run(runner, jobs):
    """Return the outcomes and the order in which they came."""
    outcomes: dict = {}
    runner.run(jobs, outcomes.__setitem__)
    return [outcomes[index] for index in range(len(jobs))], list(outcomes)
