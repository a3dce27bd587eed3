"""AceNAS with costs: its plan on a table, against enumeration, and its front in an experiment."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import yaml
from helpers.spaces import Tiny
from nni.mutable import Categorical
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.archive import Archive
from nni_rankreg.config import ConfigError, build_search, read_config
from nni_rankreg.constraint import AdditiveLatency, as_costs
from nni_rankreg.metric import hypervolume
from nni_rankreg.plan import Failure
from nni_rankreg.predictor import Evidence, GaussianProcess, Prediction
from nni_rankreg.search import Candidates, ParetoFront
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import SPOS, AceNAS, CandidatePool, LandmarkSearch, Rounds
from nni_rankreg.strategy.growth import FrontGrowth
from nni_rankreg.table import TableEvaluator, TabularBenchmark
from nni_rankreg.typing import Results, sample_key

WORTH = {'none': 0., 'skip': .5, 'pool': .6, 'conv_1x1': 1., 'conv_3x3': 2.}
COST = {'none': 0., 'skip': .1, 'pool': .5, 'conv_1x1': 1., 'conv_3x3': 3.}
SPACE = {f'op{i}': Categorical(list(WORTH), label=f'op{i}') for i in range(4)}
EVERY = [dict(zip(SPACE, names)) for names in itertools.product(WORTH, repeat=4)]
LATENCY = AdditiveLatency(dict.fromkeys(SPACE, COST), base=2.)


def metric_of(sample):
    values = [WORTH[name] * weight for name, weight in zip(sample.values(), (1, 2, 3, 4))]
    return sum(values) / 20 - 0.1 * (sample['op0'] == sample['op1'])


def make(folder, **arguments):
    return AceNAS(**{'archive': folder / 'x.sqlite', 'weak': None, 'budget': 30, 'costs': [LATENCY],
                     'rounds': Rounds(6, 4), 'predictor': lambda space, evidence: GaussianProcess(
                         space), **arguments})


def play(search, sign=1, fail=()):
    """Run a plan without any engine: return its answer and its jobs."""
    plan, stages, outcomes = search.plan(SPACE), [], None
    while True:
        try:
            jobs = plan.send(outcomes)
        except StopIteration as stop:
            return stop.value, stages
        stages.append(jobs)
        outcomes = [Failure('no') if job.sample in fail else sign * metric_of(job.sample)
                    for job in jobs]
        for job, outcome in zip(jobs, outcomes):
            if isinstance(outcome, float):
                search.archive.add(job.sample, outcome)


def is_beaten(one, others):
    """Return whether another is no worse in metric and cost, and better in one."""
    metric, cost = metric_of(one), float(LATENCY([one])[0])
    return any(m >= metric and c <= cost and (m > metric or c < cost) for m, c in others)


def points(samples):
    return list(zip(map(metric_of, samples), LATENCY(samples).tolist()))


def share(samples):
    """Return the hypervolume of architectures as a share of that of all."""
    found, every = (hypervolume([[-m, c] for m, c in points(one)], [0.1, 14.])
                    for one in (samples, EVERY))
    return found / every


def trained(stages):
    return [job.sample for jobs in stages for job in jobs]


@pytest.mark.parametrize('mode, sign', [('max', 1), ('min', -1)])
def test_the_answer_is_the_front_in_order(tmp_path, mode, sign):
    search = make(tmp_path, mode=mode)
    answer, stages = play(search, sign)
    samples = trained(stages)
    assert len(samples) == 30 == len(set(map(sample_key, samples)))
    wanted = [one for one in samples if not is_beaten(one, points(samples))]
    assert sorted(map(sample_key, answer.samples)) == sorted(map(sample_key, wanted))
    assert len(answer.samples) > 5 and answer.mode == mode
    metrics = [metric_of(one) for one in answer.samples]
    assert metrics == sorted(metrics, reverse=True)
    assert answer.metrics == [sign * metric for metric in metrics]


def test_trainings_go_where_the_front_grows(tmp_path):
    """After 30 of 625 trainings, without evidence, more is covered than by random ones."""
    shares, drawn = [], []
    for seed in range(3):
        _, stages = play(make(tmp_path / str(seed), seed=seed))
        shares.append(share(trained(stages)))
        rows = np.random.default_rng(seed).permutation(len(EVERY))[:30]
        drawn.append(share([EVERY[row] for row in rows]))
    assert np.mean(shares) > 0.92 > np.mean(drawn) + 0.03


def test_a_round_is_spread_over_the_front(tmp_path):
    """Its costs differ more than those of a search for the best metric."""
    ranges = []
    for number, costs in enumerate(([LATENCY], [])):
        _, stages = play(make(tmp_path / str(number), costs=costs, seed=1,
                              rounds=Rounds(6, 4, explore=0.)))
        ranges.append(np.mean([np.ptp(LATENCY([job.sample for job in jobs]).numpy())
                               for jobs in stages[1:]]))
    assert ranges[0] > 1.5 * ranges[1]


@pytest.mark.parametrize('spread', [1., 2e5])
def test_a_spread_out_of_proportion_does_not_make_the_cheapest_best(spread):
    """A predictor that takes all results for noise says so by its spread."""
    class Unsure:
        def predict(self, samples):
            mean = torch.tensor(list(map(metric_of, samples))).double()
            return Prediction(mean, torch.full_like(mean, spread * float(truth.std())))
    truth, results = np.array(list(map(metric_of, EVERY))), EVERY[::60]
    growth = FrontGrowth(as_costs([LATENCY]), EVERY)
    chosen = growth.best(Candidates(SPACE), Unsure(), Results(results, [0.] * len(results), 'max'),
                         4, results)
    assert LATENCY(chosen).max() > 4 > 2.2 > LATENCY(EVERY).min()
    assert max(map(metric_of, chosen)) > np.quantile(truth, .8)


def test_the_first_round_is_of_the_front_of_vote_and_costs(tmp_path):
    evidence = Evidence(SPACE, scorers={'worth': lambda samples: torch.tensor(
        [metric_of(one) for one in samples])}, progress=False)
    _, (first, *_) = play(make(tmp_path, evidence=evidence, rounds=Rounds(8, 22, share=0.05,
                                                                         explore=0.)))
    metric, cost = np.transpose(points(EVERY))
    beaten = ((metric[:, None] <= metric) & (cost[:, None] >= cost)
              & ((metric[:, None] < metric) | (cost[:, None] > cost))).sum(1)
    ranks = dict(zip(map(sample_key, EVERY), beaten))
    assert max(ranks[sample_key(job.sample)] for job in first) <= np.quantile(beaten, 0.1)
    costs = LATENCY([job.sample for job in first])
    assert costs.max() - costs.min() > 4


def test_costs_are_kept_and_shown(tmp_path):
    search = make(tmp_path, costs=[LATENCY, convolutions])
    _, stages = play(search)
    for job in [job for jobs in stages for job in jobs]:
        assert job.expected['latency'] == LATENCY([job.sample]).item()
        assert job.expected['convolutions'] == convolutions([job.sample]).item()
    frame = Archive(tmp_path / 'x.sqlite').to_frame()
    assert frame['cost_latency'].tolist() == LATENCY(trained(stages)).tolist()
    assert 'predicted' in stages[-1][0].expected


def convolutions(samples):
    return torch.tensor([sum('conv' in name for name in one.values()) for one in samples])


def test_three_objectives(tmp_path):
    search = make(tmp_path, costs=[LATENCY, convolutions], rounds=Rounds(6, 4, top=3))
    answer, stages = play(search)
    samples = trained(stages)
    assert len(samples) == 33
    full = [(-metric_of(one), *LATENCY([one]).tolist(), *convolutions([one]).tolist())
            for one in samples]
    wanted = {sample_key(one) for one, this in zip(samples, full) if not any(
        all(a <= b for a, b in zip(other, this)) and other != this for other in full)}
    assert set(map(sample_key, answer.samples)) == wanted


def test_failed_trainings_and_known_results(tmp_path):
    known = EVERY[::40]
    search = make(tmp_path, known=Results(known, list(map(metric_of, known))))
    answer, stages = play(search, fail=EVERY[5::9])
    samples = [one for one in trained(stages) if one not in EVERY[5::9]]
    assert len(samples) < 30
    assert set(map(sample_key, answer.samples)) == {
        sample_key(one) for one in [*known, *samples]
        if not is_beaten(one, points([*known, *samples]))}


@pytest.mark.parametrize('wrong', [math.nan, -1.])
def test_costs_that_are_none_are_told_before_the_first_training(tmp_path, wrong):
    def price(samples):
        return torch.full((len(samples),), wrong)

    search = make(tmp_path, costs=[price])
    for start in (lambda: search.check(SPACE, None), lambda: next(search.plan(SPACE))):
        with pytest.raises(ValueError, match=f'Expected price of at least 0, got {wrong:g} of'):
            start()


def test_a_cost_with_the_name_of_a_label(tmp_path):
    def op1(samples):
        return torch.ones(len(samples))

    with pytest.raises(ValueError, match='other names than the labels of the space, got op1'):
        make(tmp_path, costs=[op1]).check(SPACE, None)


@pytest.mark.parametrize('size, once', [(len(EVERY), True), (100, False)])
def test_costs_of_all_candidates_are_asked_once(tmp_path, size, once):
    """Those of a larger space are drawn anew each time, and not remembered."""
    asked = []

    def price(samples):
        asked.extend(map(sample_key, samples))
        return LATENCY(samples)

    _, stages = play(make(tmp_path, costs=[price], candidates=CandidatePool(size=size)))
    # Those of trainings are asked again for the archive, and for the answer.
    assert (len(asked) <= len(EVERY) + 2 * len(trained(stages))) is once


def test_what_is_no_cost(tmp_path):
    with pytest.raises(TypeError, match="Expected a cost, .* got 'latency'"):
        make(tmp_path, costs=['latency'])


def test_landmarks_and_the_front_of_a_super_net(tmp_path):
    """The costs are those of its evolution, for landmarks, too."""
    search = LandmarkSearch(SPOS(evolution=ParetoFront(['score', LATENCY])), None, landmarks=8,
                            archive=tmp_path / 'x.sqlite')
    jobs = next(search.plan(SPACE))
    assert [job.expected for job in jobs] == [
        {'latency': LATENCY([job.sample]).item()} for job in jobs]
    assert len(search.archive.costs()['latency']) == 8
    samples = [job.sample for job in jobs]
    found = search.best_of(Results(samples, list(map(metric_of, samples)), 'max'))
    assert set(map(sample_key, found.samples)) == {
        sample_key(one) for one in samples if not is_beaten(one, points(samples))}


# Search files and experiments

def recipe(name, **arguments):
    return {'class_path': f'nni_rankreg.{name}', 'init_args': arguments}


def described(folder, strategy):
    path = folder / 'search.yml'
    path.write_text(yaml.safe_dump({
        'space': recipe('space.NasBench201', stem_out_channels=4, num_modules_per_stack=1),
        'evaluator': recipe('evaluator.digits.digits_evaluator'), 'strategy': strategy}))
    return build_search(read_config(path)).strategy


def test_search_files(tmp_path):
    """Costs, several constraints and a front, without a class path where it can be told."""
    latency = recipe('constraint.AdditiveLatency', costs={'cell/0_1': {'none': 1., 'conv_3x3': 2.}})
    bounds = [recipe('constraint.LatencyConstraint', model=latency, maximum=high)
              for high in (9., 1.5)]
    search = described(tmp_path, recipe(
        'strategy.AceNAS', archive=str(tmp_path / 'x.sqlite'), costs=[latency],
        candidates={'accept': bounds}, supernet=recipe(
            'strategy.SPOS', filter=bounds, evolution={
                'objectives': ['score', latency], 'population': 7})))
    assert [one.name for one in search.costs] == ['latency']
    assert [one.maximum for one in search.candidates.accept] == [9., 1.5]
    assert search.supernet.evolution.population == 7
    assert not search.supernet.filter({'cell/0_1': 'conv_3x3'})
    with pytest.raises(ConfigError, match="^strategy.*: Expected 'score' and costs as objectives"):
        described(tmp_path, recipe('strategy.SPOS', evolution={'objectives': ['latency']}))


@pytest.fixture
def run(tmp_path, run_experiment):
    """Return a function that searches a table in an experiment, which has ended."""
    def run(space, samples, metrics, search):
        TabularBenchmark(samples, metrics).to_csv(tmp_path / 'table.csv')
        return run_experiment(space, TableEvaluator(str(tmp_path / 'table.csv')), search,
                              NasExperimentConfig('sequential', 'simplified'))
    return run


@pytest.mark.slow
@pytest.mark.parametrize('mode, sign', [('max', 1), ('min', -1)])
def test_all_of_a_small_space_in_an_experiment(tmp_path, run, mode, sign):
    """The models are the front by enumeration, of an accuracy or of a loss."""
    space = Tiny()
    names = {'conv_3x3': 3., 'conv_1x1': 2., 'pool': 1.1, 'skip': 0.}
    samples = [dict(zip(space.simplify(), ('skip', *one))) for one in itertools.product(
        names, repeat=3)]
    slow = AdditiveLatency(dict.fromkeys(samples[0], names), base=1.)
    luck = np.random.default_rng(4).normal(size=64)
    metrics = (sign * (slow(samples).sqrt().numpy() + 0.3 * luck)).round(2).tolist()
    search = make(tmp_path, costs=[slow], mode=mode, budget=64, rounds=Rounds(6, 58, top=0),
                  candidates=CandidatePool(size=64, accept=lambda one: one['layer0'] == 'skip'))
    models = run(space, samples, metrics, search).export_top_models(64)
    pairs = list(zip([sign * metric for metric in metrics], slow(samples).tolist()))
    front = [one for one in pairs if not any(
        m >= one[0] and c <= one[1] and (m, c) != one for m, c in pairs)]
    found = [(sign * one.objectives['metric'], one.objectives['latency']) for one in models]
    assert found == sorted(front, reverse=True) and 3 < len(found) < 20
    assert [sign * one.metric for one in models] == [metric for metric, _ in found]


@pytest.mark.slow
def test_experiment(run, tmp_path):
    space = NasBench201(2, 1, 10)
    labels = list(space.simplify())
    names = {'none': 0., 'skip_connect': 1., 'conv_1x1': 2., 'conv_3x3': 3., 'avg_pool_3x3': 1.}
    samples = [dict(zip(labels, one)) for one in itertools.product(names, repeat=6)]
    metrics = [sum(map(names.get, one.values())) / 18 for one in samples]
    slow = AdditiveLatency(dict.fromkeys(labels[:3], names), base=1.)
    search = AceNAS(archive=tmp_path / 'x.sqlite', weak=None, budget=10, costs=[slow],
                    rounds=Rounds(6, 2), candidates=CandidatePool(size=500),
                    predictor=lambda space, evidence: GaussianProcess(space))
    models = run(space, samples, metrics, search).export_top_models(99)
    found = [model.objectives for model in models]
    assert len(Archive(tmp_path / 'x.sqlite')) == 10 > len(found) > 1
    assert [one['metric'] for one in found] == [model.metric for model in models]
    assert [one['latency'] for one in found] == slow(
        [model.sample for model in models]).tolist()
    assert found == sorted(found, key=lambda one: one['metric'], reverse=True)
    assert len(list(search.list_models(sort=False))) == 10
