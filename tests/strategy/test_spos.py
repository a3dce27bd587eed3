"""SPOS as a drop-in for NNI's RandomOneShot."""

from __future__ import annotations

import itertools
import logging
import warnings

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Regression
from nni.nas.hub.pytorch import NasBench201
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, Repeat
from nni.nas.profiler import Profiler
from nni.nas.space import ModelStatus
from nni.nas.strategy import RandomOneShot
from scipy.stats import kendalltau
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.data import HeldOut
from nni_rankreg.predictor import Ensemble, LearnedTeacher
from nni_rankreg.regularizer import (
    EqualCostControl,
    LandmarkRegularizer,
    RankingDistillation,
)
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import Evolution, ParetoFront, ScoredSample
from nni_rankreg.strategy import SPOS
from nni_rankreg.supernet import Scoring
from nni_rankreg.typing import Results, sample_key

SMALL = Evolution(4, 8, 2, progress=False)
ALWAYS = Schedule('constant', warmup=0)
SAMPLES = UniformSampler(NasBench201(4, 1, 10), seed=8).distinct(10)
ALL_DEEP = [dict(zip(('depth', 'layer0', 'layer1'), choices))
            for choices in itertools.product((1, 2), (0, 1), (0, 1))]
TRUTH = Results(SAMPLES, [0.1 * index for index in range(10)])
LANDMARKS = Results(SAMPLES[:4], TRUTH.metrics[:4])


class Data(pl.LightningDataModule):
    """Images whose label tells which one it is; remembers what was drawn."""

    def __init__(self, count=16):
        super().__init__()
        self.count, self.drawn = count, []

    def train_dataloader(self):
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(self.count, 3, 8, 8, generator=generator)
        return DataLoader(TensorDataset(images, torch.arange(self.count)), 4, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.train_dataloader().dataset, 8)


def labels(loader):
    return torch.cat([batch for _, batch in loader]).tolist()


@pytest.fixture
def train(make_space, make_evaluator):
    """Return a function that trains a super-net by a strategy, without an experiment."""
    def run(strategy, evaluator=None, **kwargs):
        return strategy.train(make_space(), evaluator or make_evaluator(), **kwargs)
    return run


# Experiments

@pytest.mark.parametrize('regularizers', [(), (LandmarkRegularizer(LANDMARKS, schedule=ALWAYS),)])
def test_experiment(regularizers, make_space, make_evaluator, run_experiment):
    space, strategy = make_space(), SPOS(regularizers, evolution=SMALL)
    experiment = run_experiment(space, make_evaluator(), strategy)

    best = experiment.export_top_models(3, formatter='dict')
    assert len({sample_key(one) for one in best}) == 3
    assert all(isinstance(one, ScoredSample) and space.contains(one) for one in best)
    scores = [one.score for one in best]
    assert scores == sorted(scores, reverse=True)
    assert strategy.trained.scorer()(best).tolist() == pytest.approx(scores)

    models = experiment.export_top_models(3)
    assert [model.sample for model in models] == best
    assert [model.metric for model in models] == scores
    assert {model.status for model in models} == {ModelStatus.Trained}

    x = torch.randn(4, 3, 8, 8)
    for sample, network in zip(best, experiment.export_top_models(3, formatter='instance')):
        strategy.oneshot_module.activate(sample)
        with batch_statistics(space), batch_statistics(network):
            torch.testing.assert_close(network(x), space(x))
    assert len(experiment.export_top_models(100)) <= SMALL.evaluations
    assert experiment.export_top_models(formatter='dict') == best[:1]


class Deep(ModelSpace):
    """One or two layers of two kinds; the kind of a layer beyond the depth means nothing."""

    def __init__(self):
        super().__init__()
        self.layers = Repeat(lambda index: LayerChoice(
            [nn.Conv2d(3, 3, 1), nn.Tanh()], label=f'layer{index}'), (1, 2), label='depth')
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))

    def forward(self, x):
        return self.head(self.layers(x))


def layers(samples):
    return torch.tensor([float(sample['depth']) for sample in samples])


def test_experiment_exports_no_functional_twins(make_evaluator, run_experiment):
    strategy = SPOS(evolution=Evolution(4, 8, 2, progress=False))  # all 8 architectures
    best = run_experiment(Deep(), make_evaluator(), strategy).export_top_models(
        9, formatter='dict')
    scores = dict(zip(map(sample_key, ALL_DEEP), strategy.trained.scorer()(ALL_DEEP).tolist()))
    functions = {tuple(one[f'layer{index}'] for index in range(one['depth'])): one for one in best}
    assert len(best) == len(functions) == 2 + 4
    assert [one.score for one in best] == pytest.approx([scores[sample_key(one)] for one in best])


def test_a_front_may_have_functional_twins(make_evaluator):
    """They may cost differently."""
    strategy = SPOS(evolution=ParetoFront(['score', layers], 4, 8, progress=False))
    trained = strategy.train(Deep(), make_evaluator())
    front = trained.best()
    best = max(one.score for one in front if one['depth'] == 1)
    twins = [one for one in front if one['depth'] == 1]
    assert len(twins) == 2 and {one.score for one in twins} == {best}
    assert twins[0]['layer0'] == twins[1]['layer0']


def test_nni_still_exports_one_arbitrary_architecture(make_space, make_evaluator, run_experiment):
    """Guard: the same experiment with NNI's own strategy."""
    experiment = run_experiment(make_space(), make_evaluator(), RandomOneShot())
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        exports = [experiment.export_top_models(3, formatter='dict') for _ in range(8)]
    assert {len(one) for one in exports} == {1}
    assert len({sample_key(one) for one, in exports}) > 1


@pytest.mark.parametrize('options', [{}, {'limit_val_batches': 0},
                                     {'reload_dataloaders_every_n_epochs': 1, 'max_epochs': 2}])
def test_experiment_with_a_data_module(options, make_space, make_evaluator, run_experiment):
    strategy = SPOS([EqualCostControl(1, schedule=ALWAYS)], evolution=SMALL)
    evaluator = make_evaluator(datamodule=Data(), num_classes=16, **options)
    experiment = run_experiment(NasBench201(4, 1, 16), evaluator, strategy)
    loaders = strategy.trained.module.loaders
    halves = labels(loaders.training), labels(loaders.ranking)
    assert sorted(halves[0] + halves[1]) == list(range(16))
    best = experiment.export_top_models(2, formatter='dict')
    assert best[0].score >= best[1].score


def test_other_evaluators(make_space, make_loader, run_experiment):
    """NNI's regression: there is no accuracy, and the loss is another."""
    def loader(seed):
        images = next(iter(make_loader(16, 16, seed=seed)))[0]
        return DataLoader(TensorDataset(images, images.mean((2, 3))[:, :1]), 8)

    strategy = SPOS(evolution=SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # these loaders are for this process only
        evaluator = Regression(train_dataloaders=loader(0), val_dataloaders=loader(1),
                               max_epochs=1, logger=False, enable_checkpointing=False,
                               enable_progress_bar=False, accelerator='cpu')
    experiment = run_experiment(NasBench201(4, 1, 1), evaluator, strategy)
    best, = experiment.export_top_models(1, formatter='dict')
    network, = experiment.export_top_models(1, formatter='instance')
    with batch_statistics(network), torch.no_grad():
        losses = [(network(x) - y).square().mean() for x, y in loader(1)]
    assert best.score == pytest.approx(-torch.stack(losses).mean().item(), rel=1e-4)
    history, = strategy.oneshot_module.history
    assert history['default'] == -history['val_loss']


# Data

@pytest.mark.parametrize('regularizers, expected', [((), 16), ((EqualCostControl(1),), 8)])
def test_held_out_half_only_if_needed(regularizers, expected, train, make_evaluator, make_loader):
    loader = make_loader(16, 4)
    trained = train(SPOS(regularizers), make_evaluator(loader))
    assert len(trained.module.loaders.training.dataset) == expected
    assert (trained.module.loaders.ranking is None) is (expected == 16)


def test_own_ranking_data(train, make_evaluator, make_loader):
    own, loader = make_loader(8, 2, seed=3), make_loader(16, 4)
    trained = train(SPOS([EqualCostControl(1, schedule=ALWAYS)], held_out=HeldOut(own)),
                     make_evaluator(loader))
    assert trained.module.loaders.training is loader and trained.module.loaders.ranking is own


def test_held_out_batch_size(train, make_evaluator, make_loader):
    trained = train(SPOS([EqualCostControl(1, schedule=ALWAYS)], held_out=HeldOut(batch_size=2)),
                     make_evaluator(make_loader(16, 4)))
    loaders = trained.module.loaders
    assert (loaders.training.batch_size, loaders.ranking.batch_size) == (4, 2)


# Filter

class Convolutions(Profiler):
    """Counts convolutions; NNI's own profilers fail on NAS-Bench-201."""

    def profile(self, sample):
        return sum('conv' in choice for choice in sample.values())


def test_filter_of_nni(train, make_space):
    profiler = Convolutions(make_space())
    trained = train(SPOS(filter={'profiler': profiler, 'min': 1, 'max': 3}, evolution=SMALL))
    assert trained.best()
    assert all(1 <= profiler.profile(one) <= 3 for one in trained.best())


# Measurement and search

def test_ranking_is_measured_against_the_truth_without_landmarks(train):
    trained = train(SPOS([LandmarkRegularizer(LANDMARKS, schedule=ALWAYS)], truth=TRUTH))
    history, = trained.module.history
    expected, _ = kendalltau(trained.scorer()(SAMPLES[4:]), TRUTH.metrics[4:])
    assert history['kendall_tau'] == history['default'] == pytest.approx(expected)
    assert {'val_acc', 'val_loss', 'epoch'} <= set(history)
    assert trained.measured['metrics'] == TRUTH.metrics[4:]
    assert kendalltau(*trained.measured.values())[0] == pytest.approx(expected)
    logged = trained.module.trainer.callback_metrics
    assert logged['kendall_tau'] == pytest.approx(expected)


@pytest.mark.slow
def test_a_truth_to_minimise(train):
    """Like its negative, but for the sign that reports show."""
    losses = Results(SAMPLES, [-metric for metric in TRUTH.metrics])
    trained, other = (train(SPOS([LandmarkRegularizer(LANDMARKS, schedule=ALWAYS)], truth=truth,
                                  mode=mode)) for truth, mode in ((TRUTH, 'max'), (losses, 'min')))
    assert trained.module.history == other.module.history
    assert other.measured == {'scores': trained.measured['scores'], 'metrics': losses.metrics[4:]}


def test_without_results_a_loss_is_reported_as_it_is(train):
    history, = train(SPOS(mode='min')).history
    assert history['default'] == history['val_loss']


def test_a_metric_to_minimise(train):
    trained = train(SPOS(metric='val_loss', mode='min'))
    scores = trained.scorer()(SAMPLES)
    trained.module.probe.metric = None
    torch.testing.assert_close(scores, trained.scorer()(SAMPLES))


def test_unknown_mode():
    with pytest.raises(ValueError, match="Expected mode 'max' or 'min', got 'low'"):
        SPOS(mode='low')


def test_known_results_are_no_truth(train):
    trained = train(SPOS(truth=TRUTH), results=LANDMARKS)
    assert trained.measured['metrics'] == TRUTH.metrics[4:]


def test_without_truth_the_landmarks_are_measured_and_named_so(train):
    trained = train(SPOS([EqualCostControl(1), LandmarkRegularizer(LANDMARKS)]))
    history, = trained.module.history
    expected, _ = kendalltau(trained.scorer()(LANDMARKS.samples), LANDMARKS.metrics)
    assert history['kendall_tau_landmarks'] == history['default'] == pytest.approx(expected)
    assert 'kendall_tau' not in history


def test_a_share_of_the_landmarks_is_held_out_as_truth(train):
    """Of both regularisers the same ones, though one has them from the search."""
    regularizers = [LandmarkRegularizer(TRUTH, schedule=ALWAYS),
                    RankingDistillation('flops', landmark_pairs=1)]
    trained = train(SPOS(regularizers, truth=0.3), results=TRUTH)
    held_out = TRUTH.take([3, 6, 9])
    assert trained.measured['metrics'] == held_out.metrics
    assert trained.history[0]['kendall_tau'] == pytest.approx(
        kendalltau(trained.scorer()(held_out.samples), held_out.metrics)[0])
    for term in trained.module.terms:
        assert term.results.samples == TRUTH.without(held_out.samples).samples


def test_the_control_is_measured_on_the_same_held_out_landmarks(train):
    trained = train(SPOS([EqualCostControl(1)], truth=0.3), results=TRUTH)
    other = train(SPOS([LandmarkRegularizer()], truth=0.3), results=TRUTH)
    assert trained.measured['metrics'] == other.measured['metrics']


@pytest.mark.parametrize('share', [0., 1., 2, -0.5])
def test_a_share_that_holds_out_none_or_all(share):
    with pytest.raises(ValueError, match='share of the landmarks above 0 and below 1 as truth'):
        SPOS(truth=share)


def test_a_share_that_holds_out_one_landmark(train):
    with pytest.raises(ValueError, match=r'at least 2 landmarks, got 0\.3, which holds out 1'):
        train(SPOS([LandmarkRegularizer(LANDMARKS)], truth=0.3))


@pytest.mark.parametrize('wrong', ['synflow', ['flops'], {'a': len}, 3, LearnedTeacher, [None]])
def test_what_is_no_evidence(wrong):
    with pytest.raises(TypeError, match=r'Expected scorers or LearnedTeacher\(\) as evidence, got '
                                        r'.*; a proxy is Evidence\('):
        SPOS(evidence=wrong)


def test_no_evidence():
    assert SPOS(evidence=None).evidence == SPOS(evidence=[]).evidence == SPOS().evidence == []


@pytest.mark.parametrize('count', [0, 1])
def test_a_teacher_of_too_few_results_is_refused_before_the_training(train, count):
    results = Results(SAMPLES[:count], TRUTH.metrics[:count])
    with pytest.raises(ValueError, match='Expected at least 2 results for the LearnedTeacher of '
                                         f'evidence to learn from, got {count}'):
        train(SPOS(evidence=LearnedTeacher()), results=results)


def test_without_results_accuracy_is_reported(train):
    history, = train(SPOS()).history
    assert history['default'] == history['val_acc'] and 'kendall_tau' not in history


def test_constant_scores_order_nothing(train, make_evaluator):
    """A tau that is undefined would stop NNI's plots."""
    none = dict.fromkeys(SAMPLES[0], 'none')
    twins = Results([none, {**none, 'cell/0_1': 'skip_connect'}], [0.1, 0.2])
    history, = train(SPOS(truth=twins), make_evaluator(learning_rate=0.)).history
    assert history['kendall_tau'] == 0.


@pytest.mark.parametrize('batches', [1, None])
def test_scores_of_some_batches_by_a_metric(batches, train, make_evaluator, make_loader):
    validation = make_loader(12, 4, seed=1)
    trained = train(SPOS(metric='val_acc', scoring=Scoring(batches=batches)),
                     make_evaluator(validation=validation))
    network = trained.supernet.freeze(SAMPLES[0]).train()
    hits = torch.cat([network(x).argmax(1) == y for x, y in list(validation)[:batches]])
    assert trained.scorer()(SAMPLES[:1]).item() == pytest.approx(hits.float().mean().item())


def test_calibration_in_training(train, make_evaluator):
    """Statistics are computed anew in each measurement, and training goes on undisturbed."""
    outcomes = []
    for batches in (0, 2):
        trained = train(SPOS(truth=TRUTH, metric='val_acc',
                             scoring=Scoring(calibration_batches=batches)),
                        make_evaluator(max_epochs=2))
        assert len(trained.module.history) == 2
        outcomes.append((list(trained.supernet.parameters()), trained.scorer()(SAMPLES)))
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0][0], outcomes[1][0]))
    assert not torch.equal(outcomes[0][1], outcomes[1][1])


def test_best_is_searched_once_and_may_exclude(train):
    trained = train(SPOS(evolution=SMALL))
    everything = trained.best()
    assert trained.best(2) == everything[:2] and trained.best()[0] is everything[0]
    assert trained.best(2, exclude=[dict(everything[0])]) == everything[1:3]
    assert trained.best(exclude=everything) == []
    assert [model.sample for model in trained.models()] == everything


def test_unsorted_listing_is_sorted_with_a_warning(make_space, make_evaluator, run_experiment,
                                                   caplog):
    strategy = SPOS(evolution=SMALL)
    run_experiment(make_space(), make_evaluator(), strategy)
    with caplog.at_level(logging.WARNING, 'nni_rankreg'):
        models = list(strategy.list_models(sort=False, limit=2))
    assert [model.sample for model in models] == strategy.trained.best(2)
    assert 'sort=False has no effect' in caplog.text


def test_models_of_a_strategy_that_was_not_run():
    with pytest.raises(RuntimeError, match='Expected a strategy that has been run by an exper'):
        next(SPOS().list_models())


# Searches

def test_bound_results_and_weights(train, make_evaluator, tmp_path):
    first = train(SPOS())
    torch.save(first.supernet.state_dict(), tmp_path / 'weights.pt')
    second = train(SPOS([LandmarkRegularizer()]), make_evaluator(learning_rate=0.),
                   results=LANDMARKS, weights=str(tmp_path / 'weights.pt'))
    term, = second.module.terms
    assert term.results == LANDMARKS.in_mode('max')
    assert term.schedule.warmup == 0
    for a, b in zip(first.supernet.parameters(), second.supernet.parameters()):
        assert torch.equal(a, b)


@pytest.mark.parametrize('devices, expected', [(1, 3), (2, 1)])
def test_processes_that_score(devices, expected, train, monkeypatch):
    """One in a distributed training, which divides the scoring itself."""
    trained = train(SPOS(evolution=SMALL, scoring=Scoring(processes=3)))
    monkeypatch.setattr(type(trained.module.trainer), 'world_size', devices)
    assert trained.scorer().processes == expected


@pytest.mark.slow
def test_scores_are_averaged_with_evidence(train):
    """By rank: what is far better by the evidence comes first, whatever the super-net says."""
    def evidence(samples):
        return torch.tensor([float(sum('3x3' in str(one) for one in sample.values()))
                             for sample in samples])
    plain, averaged = (train(SPOS(evolution=SMALL, evidence=given, truth=TRUTH))
                       for given in ((), evidence))
    alone, both = plain.best(), averaged.best()
    assert {sample_key(one) for one in alone} & {sample_key(one) for one in both}
    scores = [one.score for one in both]
    assert scores == sorted(scores, reverse=True)
    assert kendalltau(scores, evidence(both)).statistic > kendalltau(
        [one.score for one in alone], evidence(alone)).statistic + .2
    assert torch.equal(averaged.scorer()(both[:3]), plain.scorer()(both[:3]))   # its own scores

    expected, _ = kendalltau(averaged.ranking(SAMPLES), TRUTH.metrics)
    assert averaged.metrics() == {**plain.metrics(), 'kendall_tau_with_evidence': expected}
    assert averaged.measured == {**plain.measured,
                                 'with_evidence': averaged.ranking(SAMPLES).tolist()}


@pytest.mark.slow
def test_a_teacher_learns_from_nothing_that_is_held_out(train, monkeypatch):
    learnt, fit = [], Ensemble.fit

    def spy(self, samples, metric):
        learnt.append(samples)
        return fit(self, samples, metric)
    monkeypatch.setattr(Ensemble, 'fit', spy)
    trained = train(SPOS(truth=.5, evidence=LearnedTeacher(reference=10)), results=TRUTH)
    assert 'kendall_tau_with_evidence' in trained.metrics()
    assert learnt and all(samples == SAMPLES[::2] for samples in learnt)


@pytest.mark.slow
def test_scores_are_averaged_with_what_learns_from_landmarks(train):
    """For which the super-net is evidence."""
    strategy = SPOS([LandmarkRegularizer(LANDMARKS)], evolution=SMALL,
                    evidence=LearnedTeacher(reference=10))
    first, second = (train(strategy) for _ in range(2))
    assert first.best() and [one.score for one in first.best()] == [
        one.score for one in second.best()]
    assert first.ranking.scorers[1].description.evidence.names == [
        'flops', 'params', 'given supernet']
    assert torch.equal(first.ranking.scorers[0](SAMPLES), first.scorer()(SAMPLES))
