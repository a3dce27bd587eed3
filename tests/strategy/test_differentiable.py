"""GDAS and DARTS in experiments and searches."""

from __future__ import annotations

import functools

import pytest
import torch
from nni.nas.evaluator.pytorch import DataLoader
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.tools.nnictl.config_utils import Experiments
from torch import nn
from torch.utils.data import TensorDataset

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.data import Digits, image_loader
from nni_rankreg.evaluator import Classification
from nni_rankreg.host.network.activation import Activator
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import ScoredSample
from nni_rankreg.space import NasBench201
from nni_rankreg.space.nasbench201 import canonical_nasbench201
from nni_rankreg.strategy import DARTS, GDAS, LandmarkSearch
from nni_rankreg.table import TableEvaluator, TabularBenchmark
from nni_rankreg.typing import Results, sample_key

ALWAYS = Schedule('constant', warmup=0)
SAMPLES = UniformSampler(NasBench201(4, 1, 10), seed=8).distinct(6)
TRUTH = Results(SAMPLES, [0.1 * index for index in range(6)])
BOTH = pytest.mark.parametrize('kind', [GDAS, DARTS])


@pytest.fixture
def train(make_space, make_evaluator):
    """Return a function that trains a super-net by a strategy, without an experiment."""
    def run(strategy, evaluator=None, name='NasBench201', **kwargs):
        return strategy.train(make_space(name), evaluator or make_evaluator(), **kwargs)
    return run


@pytest.mark.slow
@BOTH
def test_experiment(kind, make_space, make_evaluator, run_experiment):
    space = make_space()
    landmarks = LandmarkRegularizer(Results(SAMPLES[:3], [.3, .2, .1]), schedule=ALWAYS)
    strategy = kind([landmarks], truth=TRUTH, candidates=7, arc_learning_rate=.1,
                    metric='val_acc')
    experiment = run_experiment(space, make_evaluator(max_epochs=2), strategy)
    best = experiment.export_top_models(5, formatter='dict')
    assert len({sample_key(one) for one in best}) == 5
    assert all(type(one) is ScoredSample and space.contains(one) for one in best)
    scores = [one.score for one in best]
    assert scores == sorted(scores, reverse=True) == strategy.trained.scorer()(best).tolist()
    assert 'kendall_tau' in strategy.oneshot_module.history[1]
    assert strategy.trained.measured['metrics'] == TRUTH.metrics[3:]
    probable = {}    # of each function the most probable
    for one in strategy.oneshot_module.architecture.most_probable():
        probable.setdefault(canonical_nasbench201(one), one)
    probable = list(probable.values())[:7]
    assert {sample_key(one) for one in strategy.trained.best()} == set(map(sample_key, probable))

    x, network = torch.randn(4, 3, 8, 8), experiment.export_top_models(1, formatter='instance')[0]
    strategy.oneshot_module.mixer(None)  # the exported network is a path, also that of DARTS
    Activator(space)(best[0])
    with batch_statistics(space), batch_statistics(network):
        torch.testing.assert_close(network(x), space(x))


class Constant(nn.Module):
    """Predicts one class, whatever it is given."""

    def __init__(self, label):
        super().__init__()
        self.label = label

    def forward(self, x):
        return 5. * nn.functional.one_hot(torch.full((len(x),), self.label), 10).float()


class Guess(ModelSpace):
    """Labels are 3: of five choices, one is right."""

    def __init__(self):
        super().__init__()
        self.guess = LayerChoice({str(label): Constant(label) for label in range(5)}, label='guess')
        self.bias = nn.Parameter(torch.zeros(10))

    def forward(self, x):
        return self.guess(x) + self.bias


@BOTH
def test_the_best_choice_becomes_the_most_probable(kind, make_evaluator):
    data = DataLoader(TensorDataset(torch.zeros(64, 1), torch.full((64,), 3)), batch_size=4)
    strategy = kind(arc_learning_rate=.2)
    trained = strategy.train(Guess(), make_evaluator(data, data, learning_rate=0., max_epochs=8))
    probabilities = trained.module.export_probs()['guess']
    assert max(probabilities, key=probabilities.get) == '3' and probabilities['3'] > 0.5
    assert next(one['guess'] for one in trained.best()) == '3' and len(trained.best()) == 5


@pytest.mark.parametrize('kind, weight, expected', [
    (GDAS, 10., False), (DARTS, 10., False), (DARTS, 0., True)])
def test_a_filter_moves_the_architecture(kind, weight, expected, make_evaluator):
    """Away from what it rejects, though that is best."""
    data = DataLoader(TensorDataset(torch.zeros(64, 1), torch.full((64,), 3)), batch_size=4)
    strategy = kind(arc_learning_rate=.2, filter=lambda sample: sample['guess'] != '3',
                    filter_weight=weight)
    trained = strategy.train(Guess(), make_evaluator(data, data, learning_rate=0., max_epochs=5))
    probability = trained.module.export_probs()['guess']['3']
    assert probability > 0.5 if expected else probability < 0.1
    assert all(one['guess'] != '3' for one in trained.best())


def test_half_of_the_data_is_always_held_out(train, make_evaluator, make_loader):
    trained = train(GDAS(candidates=1), make_evaluator(make_loader(16, 4)))
    loaders = trained.module.loaders
    assert len(loaders.training.dataset) == len(loaders.ranking.dataset) == 8


@pytest.mark.slow
@BOTH
def test_cells(kind, train, make_evaluator, make_loader):
    evaluator = make_evaluator(make_loader(4, 2, 32), make_loader(2, 2, 32))
    trained = train(kind(candidates=2), evaluator, 'own DARTSSpace')
    assert len(trained.best()) == 2


@BOTH
@pytest.mark.parametrize('name', ['AutoFormer', 'own ProxylessNAS'])
def test_value_choices_and_depths(kind, name, train, make_evaluator, make_loader):
    evaluator = make_evaluator(make_loader(16, 8, 32), make_loader(4, 4, 32))
    trained = train(kind(candidates=2, arc_learning_rate=.1), evaluator, name)
    logits = trained.module.architecture.logits[trained.module.architecture.used]
    assert logits.abs().max() > .09 and len(trained.best()) == 2
    x, sample = torch.randn(2, 3, 32, 32), trained.best()[0]
    network, = trained.models(1)
    assert network.executable_model()(x).shape == (2, 10) and network.sample == sample


def test_what_cannot_be_mixed_is_refused_before_training(train, make_space, make_evaluator):
    with pytest.raises(ValueError, match='Expected a space whose choices can be weighed.*Use SPOS'):
        train(GDAS(), name='NasBench101')
    space = make_space('NasBench101')
    before = repr(space)
    with pytest.raises(ValueError, match='Expected a space whose choices can be weighed'):
        DARTS().check(space, make_evaluator())
    assert repr(space) == before  # it may still be trained


def test_a_filter_that_accepts_nothing(train):
    trained = train(GDAS(candidates=10))
    trained.module.accept = lambda sample: False
    with pytest.raises(RuntimeError, match='one of the 1000 most probable.*Widen its bounds'):
        trained.best()


@pytest.mark.parametrize('make, message', [
    (lambda: GDAS(temperature=(10., 0.)), r'Expected a temperature above 0, .*got \(10.0, 0.0\)'),
    (lambda: GDAS(temperature=-1.), 'got -1.0'), (lambda: GDAS(temperature='a'), 'got a'),
    (lambda: GDAS(candidates=0), 'Expected at least 1 candidate and 0 warmup_epochs, got 0 and 0'),
    (lambda: DARTS(warmup_epochs=-1), 'got 100 and -1'),
    (lambda: DARTS(gradient_clip_val=0.), 'Expected gradient_clip_val above 0, or None, got 0.0'),
    (lambda: GDAS(filter_weight=-1.), 'Expected filter_weight of at least 0, got -1.0'),
    (lambda: GDAS(arc_learning_rate=0.), 'Expected arc_learning_rate above 0, got 0.0'),
    (lambda: DARTS(delta=0.6), r'Expected delta in \(0, 0.5\], got 0.6')])
def test_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.slow
@BOTH
def test_landmark_search(kind, tmp_path, monkeypatch):
    samples = UniformSampler(NasBench201(2, 1, 10), seed=1).distinct(5 ** 6)
    table = str(tmp_path / 'table.csv')
    TabularBenchmark(samples, [len(sample_key(one)) / 999 for one in samples]).to_csv(table)
    evaluator = Classification(
        train_dataloaders=image_loader(Digits('train'), 300, shuffle=True),
        val_dataloaders=image_loader(Digits('validation'), 900), num_classes=10, max_epochs=2,
        limit_train_batches=2, limit_val_batches=1, accelerator='cpu')
    search = LandmarkSearch(
        kind([LandmarkRegularizer(schedule=ALWAYS)], candidates=8,
             checkpoint_folder=str(tmp_path / 'checkpoints')), evaluator,
        iterations=2, landmarks=3, top=2, archive=tmp_path / 'a.sqlite')
    config = NasExperimentConfig('sequential', 'simplified')
    config.experiment_working_directory = tmp_path
    monkeypatch.setattr('nni.nas.experiment.experiment.Experiments',
                        functools.partial(Experiments, str(tmp_path)))
    experiment = NasExperiment(NasBench201(2, 1, 10), TableEvaluator(table), search, config)
    try:
        experiment.run()
    finally:
        experiment.stop()
    assert len(search.archive) == 3 + 2 * (2 + 2) and len(search.supernets) == 2
    assert all(len(one.best) == 2 and one.measured['scores'] for one in search.supernets)
    assert sorted(path.parent.name[:-13] for path in (tmp_path / 'checkpoints').rglob('last.ckpt')
                  ) == ['supernet-1', 'supernet-2']
