"""A trained super-net: its scores, its best architectures and what was measured."""

from __future__ import annotations

import pytest
import torch
from nni.nas.space import ModelStatus, RawFormatModelSpace
from nni.nas.strategy import RandomOneShot
from scipy.stats import kendalltau
from torch import nn

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.data import Loaders
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import ScoredSample, best_first
from nni_rankreg.supernet import RankingProbe, SuperNetModule, SuperNetScorer, TrainedSuperNet
from nni_rankreg.supernet.evaluator import supernet_evaluator
from nni_rankreg.typing import Results, sample_key


@pytest.fixture
def samples(make_space):
    return UniformSampler(make_space(), seed=8).distinct(6)


@pytest.fixture
def train(make_space, make_evaluator, samples):
    """Return a function that trains a super-net whose search scores six architectures."""
    def run(probe=None, form=sample_key, **options):
        def search(scorer):
            searched.append(scorer)
            return best_first(map(ScoredSample, samples, scorer(samples).tolist()))

        searched = []
        model = RawFormatModelSpace(make_space(), make_evaluator(**options))
        supernet, loaders = RandomOneShot().mutate_model(model.model_space), Loaders()
        module = SuperNetModule(model.evaluator.module, loaders=loaders, probe=probe, form=form)
        evaluator = supernet_evaluator(model.evaluator, module, loaders)
        trained = TrainedSuperNet(model, supernet, evaluator, module, search)
        trained.searched = searched
        trained.model.execute()
        return trained
    return run


def test_the_training_as_engines_execute_it(train):
    trained = train()
    assert trained.model.status is ModelStatus.Frozen
    assert trained.model.model_space is trained.supernet
    assert trained.model.evaluator is trained.evaluator
    assert trained.module.trainer is trained.evaluator.trainer
    assert trained.module.trainer.current_epoch == 1


def test_scores_are_those_of_the_validation_data(train, samples, make_loader):
    trained = train()
    trained.module.set_model(nn.Identity())  # whatever the engine has left there
    scores = trained.scorer()(samples)
    assert trained.module.model is trained.supernet
    assert torch.equal(scores, SuperNetScorer(trained.module, make_loader(seed=1))(samples))


def test_best_is_searched_once_and_may_exclude(train, samples):
    trained = train()
    everything = trained.best()
    assert len(everything) == 6 and len(trained.searched) == 1
    assert trained.best(2) == everything[:2] and trained.best()[0] is everything[0]
    assert trained.best(2, exclude=[dict(everything[0])]) == everything[1:3]
    assert trained.best(exclude=samples) == []
    assert len(trained.searched) == 1


def test_of_functional_twins_the_best_is_returned(train, samples):
    label = next(iter(samples[0]))

    def form(sample):
        return str(sample[label])
    trained, best = train(form=form), dict[str, float]()
    for sample, score in zip(samples, trained.scorer()(samples).tolist()):
        best[form(sample)] = max(score, best.get(form(sample), score))
    listed = trained.best()
    assert 1 < len(listed) == len(best) < 6
    assert {form(one): one.score for one in listed} == pytest.approx(best)
    assert [model.sample for model in trained.models()] == listed
    assert trained.best(exclude=listed[:1]) == listed[1:]


def test_models_carry_scores_and_weights(train):
    trained = train()
    models, best = list(trained.models()), trained.best()
    assert [model.sample for model in models] == best
    assert [model.metric for model in models] == [one.score for one in best]
    assert {model.status for model in models} == {ModelStatus.Trained}
    assert [model.sample for model in trained.models(2)] == best[:2]
    x, network = torch.randn(4, 3, 8, 8), models[1].executable_model()
    trained.module.activate(best[1])
    with batch_statistics(trained.supernet), batch_statistics(network):
        torch.testing.assert_close(network(x), trained.supernet(x))


@pytest.mark.parametrize('validated', [True, False])
def test_what_is_measured(validated, train, samples):
    """Where no epoch was validated, it is measured when it is asked for."""
    truth = Results(samples, [float(index) for index in range(6)])
    trained = train(RankingProbe(truth), max_epochs=2,
                    **{} if validated else {'limit_val_batches': 0})
    assert trained.history is trained.module.history
    assert [one['epoch'] for one in trained.history] == ([0., 1.] if validated else [])
    scores = trained.scorer()(samples).tolist()
    expected, _ = kendalltau(scores, truth.metrics)
    metrics = trained.metrics()
    assert metrics['default'] == metrics['kendall_tau'] == pytest.approx(expected)
    assert trained.measured == {'scores': scores, 'metrics': truth.metrics}
    assert trained.measure()['default'] == pytest.approx(expected)
    assert (metrics is trained.history[-1]) if validated else 'epoch' not in metrics


def test_a_measurement_reads_the_validation_data_once(train, samples):
    """They may be in random order."""
    trained = train(RankingProbe(Results(samples, [float(index) for index in range(6)])))
    passes, loader = [], trained.module.loaders.validation

    class Counted:
        def __iter__(self):
            passes.append(1)
            return iter(loader)

    trained.module.loaders.validation = Counted()
    trained.measure()
    assert len(passes) == 1
