"""LandmarkSearch: its plan by hand, on a table, on digits, and after a kill -9 at any stage."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import nni
import numpy as np
import pytest
import torch
from helpers.experiments import metric_of, space, write_table
from nni.common.serializer import PayloadTooLarge
from nni.mutable import Categorical
from nni.nas.experiment import NasExperiment
from nni.nas.experiment import experiment as nni_experiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.strategy import RandomOneShot
from nni.tools.nnictl.config_utils import Experiments
from scipy.stats import kendalltau
from torch import nn

from nni_rankreg.archive import Archive
from nni_rankreg.constraint import as_costs
from nni_rankreg.data import Digits, image_loader
from nni_rankreg.evaluator import Classification
from nni_rankreg.plan import Failure, SearchError, StandAlone, SuperNet, SuperNetOutcome
from nni_rankreg.predictor import Evidence
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.sampler import LandmarkSampler, UniformSampler, hamming_distance
from nni_rankreg.search import Evolution, ScoredSample
from nni_rankreg.space import NasBench201, canonical_form
from nni_rankreg.strategy import SPOS, Landmarks, LandmarkSearch
from nni_rankreg.strategy.judgement import Judgement, among_first
from nni_rankreg.table import TableEvaluator, TabularBenchmark
from nni_rankreg.typing import Results, sample_key

ARGUMENTS = dict(iterations=2, landmarks=Landmarks(3, random=0), top=2, seed=1)
JOBS = 3 + 1 + 2 + 1 + 2


@nni.trace
class Additive:
    """A one-shot strategy that trains nothing: each choice is worth its mean metric so far."""

    filter, costs = None, ()

    def __init__(self, seed=0, log=None):
        self.seed, self.log = seed, log

    def train(self, space, evaluator, results, *, weights=None, name=None, accept=None):
        write(self.log, 'super-net')
        history = [{'default': 0.5, 'epoch': 0.}]
        return SimpleNamespace(supernet=nn.Linear(1, 1), history=history, measured={},
                               metrics=lambda: history[-1],
                               best=functools.partial(self.best, space, results))

    def best(self, space, results, count, exclude):
        sampler = UniformSampler(space, seed=self.seed)
        drawn = {sample_key(sample): sample for sample in (sampler.sample() for _ in range(100))
                 if sample not in exclude}

        def score(sample):
            shared = [[metric for other, metric in results.pairs() if other[label] == choice]
                      for label, choice in sample.items()]
            return sum(float(np.mean(metrics)) for metrics in shared if metrics)

        ranked = sorted(drawn.values(), key=score, reverse=True)
        return [ScoredSample(sample, score(sample)) for sample in ranked[:count]]


@nni.trace
class LoggedTable(TableEvaluator):
    """Writes down what it evaluates."""

    def __init__(self, path, log=None, offset=0.):
        super().__init__(path)
        self.log = log

    def _execute(self, model):
        write(self.log, sample_key(model.sample))
        return super()._execute(model)


def write(log, line):
    if log is not None:
        with open(log, 'a') as file:
            file.write(line + '\n')


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp('table') / 'table.csv'
    write_table(path)
    return str(path)


def run(search, evaluator, folder, space=space, model_format='simplified'):
    """Run an experiment in this process; all its files are in `folder`."""
    config = NasExperimentConfig('sequential', model_format)
    config.experiment_working_directory = folder
    experiment = NasExperiment(space(), evaluator, search, config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nni_experiment, 'Experiments',
                      functools.partial(Experiments, str(folder)))
        try:
            experiment.run()
        finally:
            experiment.stop()
    return experiment


def search_table(folder, table, **arguments):
    """Search with the stub; what is run is in the file ``log``."""
    log = str(folder / 'log')
    search = LandmarkSearch(Additive(log=log), LoggedTable(table),
                            **{'archive': folder / 'a.sqlite', **ARGUMENTS, **arguments})
    return run(search, LoggedTable(table, log), folder)


def lines(folder):
    return (folder / 'log').read_text().splitlines() if (folder / 'log').exists() else []


# The plan, by hand

def play(search, fail=(), space=space, sign=1):
    """Run a plan without any engine: return its answer and its stages."""
    plan, stages, outcomes, error = search.plan(space()), [], None, None
    failed = {sample_key(sample) for sample in fail}
    while True:
        try:
            jobs = plan.throw(error) if error else plan.send(outcomes)
        except StopIteration as stop:
            return stop.value, stages
        stages.append(jobs)
        outcomes = [play_one(job, failed, space, sign) for job in jobs]
        lost = jobs and all(isinstance(one, Failure) for one in outcomes)
        error = SearchError('all fail') if lost else None


def play_one(job, failed, space, sign=1):
    if isinstance(job, SuperNet):
        trained = Additive().train(space(), None, job.results)
        best = trained.best(job.top, job.results.samples)
        return SuperNetOutcome([dict(one) for one in best], [one.score for one in best],
                               {'default': 0.5}, weights=job.save,
                               weak=weak_labels(job, space, best))
    return Failure('no') if sample_key(job.sample) in failed else sign * metric_of(job.sample)


def weak_labels(job, space, best):
    """The scores of a super-net that is always wrong."""
    samples = [] if job.weak is None else [*job.weak.samples(space()), *best]
    return {'supernet': [-metric_of(one) for one in samples]}


def stand_alone(jobs):
    assert all(isinstance(job, StandAlone) for job in jobs)
    return [job.sample for job in jobs]


def landmarks():
    return LandmarkSampler(space(), seed=1).sample(3)


def make(tmp_path, **arguments):
    return LandmarkSearch(Additive(), None,
                          **{'archive': tmp_path / 'x.sqlite', **ARGUMENTS, **arguments})


def test_stages_of_the_plan(tmp_path):
    search = make(tmp_path)
    answer, (first, (net1,), best1, (net2,), best2) = play(search)
    assert stand_alone(first) == landmarks()
    assert net1.results == Results(landmarks(), list(map(metric_of, landmarks())), 'max')
    assert net2.results.samples == landmarks() + stand_alone(best1)
    assert stand_alone(best1) == search.supernets[0].best and len(best1) == 2
    everything = net2.results.samples + stand_alone(best2)
    assert len(set(map(sample_key, everything))) == 7
    assert answer.samples == sorted(everything, key=metric_of, reverse=True)
    assert answer.metrics == sorted(map(metric_of, everything), reverse=True)
    assert net1.oneshot is net2.oneshot is search.oneshot and net1.top == net2.top == 2


def test_each_supernet_starts_from_the_one_before(tmp_path):
    _, (_, (net1,), _, (net2,), _) = play(make(tmp_path))
    assert net1.weights is None and net2.weights == net1.save != net2.save
    assert Path(net1.save).parent == tmp_path and Path(net1.save).is_absolute()


def test_control_is_trained_on_the_same_results_and_has_no_say(tmp_path):
    control = Additive(seed=5)
    plain, with_control = make(tmp_path), make(tmp_path, control=control)
    answer, stages = play(with_control)
    assert answer == play(plain)[0] and with_control.supernets == plain.supernets
    for net, other in (stages[1], stages[3]):
        assert other.oneshot is control and other.results == net.results and other.top == 0
        assert other.save != net.save and other.title != net.title
    assert stages[3][1].weights == stages[1][1].save
    assert len(with_control.controls) == 2


def test_failed_landmarks_are_replaced_once(tmp_path, caplog):
    failed = landmarks()[1:]
    answer, stages = play(make(tmp_path), fail=failed)
    others = stand_alone(stages[1])
    assert len(others) == 2 and not any(other in landmarks() for other in others)
    assert all(hamming_distance(other, landmarks()[0]) == 6 for other in others)
    assert stages[2][0].results.samples == [landmarks()[0], *others]
    assert len(answer.samples) == 7 and 'Replacing 2 landmarks that failed by 2' in caplog.text


def test_search_goes_on_if_no_replacement_succeeds(tmp_path, caplog):
    others = stand_alone(play(make(tmp_path), fail=landmarks()[1:])[1][1])
    _, stages = play(make(tmp_path), fail=landmarks()[1:] + others)
    assert stages[2][0].results.samples == landmarks()[:1] and len(stages) == 6
    assert 'Going on with fewer landmarks: all fail' in caplog.text


def test_search_goes_on_if_the_space_has_no_other_landmarks(tmp_path, caplog):
    small = {name: Categorical([0, 1, 2], label=name) for name in 'xy'}
    few = LandmarkSampler(small, seed=1).sample(5)           # the root and all that differ twice
    _, stages = play(make(tmp_path, landmarks=Landmarks(5, random=0), iterations=1),
                     few[1:2], lambda: small)
    assert stand_alone(stages[0]) == few and len(stages[1][0].results.samples) == 4
    assert 'Going on with fewer landmarks: Expected a space with' in caplog.text


def test_failed_best_architecture_is_dropped(tmp_path):
    failed = stand_alone(play(make(tmp_path))[1][2])[:1]
    answer, stages = play(make(tmp_path), fail=failed)
    assert failed[0] not in answer.samples and len(answer.samples) == 6
    assert len(stages[3][0].results.samples) == 4
    assert failed[0] not in stand_alone(stages[4]) and len(stages[4]) == 2    # not once more


@pytest.mark.slow
def test_random_landmarks_tell_how_far_the_supernet_can_be_trusted(tmp_path):
    search = make(tmp_path, landmarks=Landmarks(3, random=4), iterations=3)
    answer, stages = play(search)
    assert [len(stage) for stage in stages] == [3, 1, 6, 1, 6, 1, 6]
    random = [one for stage in stages[2::2] for one in stand_alone(stage)[2:]]
    assert not any(one in net.best for net in search.supernets for one in random)
    assert len(answer.samples) == 21 == len(set(map(sample_key, answer.samples)))
    for number, job in enumerate([stages[1][0], stages[3][0], stages[5][0]]):
        assert set(map(sample_key, random[4 * number:4 * number + 4])) <= set(
            map(sample_key, job.weak.samples(space())))

    drawn = [metric_of(one) for one in stages[1][0].weak.samples(space())]
    for job in stages[2]:    # and the web UI shows what the super-net expects
        better = sum(metric > metric_of(job.sample) for metric in drawn)
        assert job.expected['predicted'] == pytest.approx(better / len(drawn), abs=0.02)
    search.archive.add_many(answer)
    reliability = search.reliability()
    assert reliability.sources == ['supernet'] and reliability.count('supernet') == 12
    # Each iteration's scores are ranks among other random architectures: -1 but for these.
    assert reliability.over_all('supernet').tau < -0.9


def test_random_ones_are_no_twins(tmp_path):
    """What is known by a twin tells nothing of predictions."""
    _, (first, _, last) = play(make(tmp_path, landmarks=Landmarks(3, random=70), iterations=1))
    forms = list(map(canonical_form(space()), stand_alone([*first, *last])))
    random = forms[3 + ARGUMENTS['top']:]
    assert len(set(random)) == len(random) > 30 and set(random).isdisjoint(forms[:-len(random)])


# Evidence

def evidence(asked=None):
    """The truth as evidence; ``asked`` gets the keys of all that it is asked for."""
    def truth(samples):
        if asked is not None:
            asked.extend(map(sample_key, samples))
        return torch.tensor([metric_of(one) for one in samples])

    return Evidence(space(), scorers={'truth': truth}, reference=100)


def test_first_landmarks_are_promising_and_still_far_from_the_root(tmp_path):
    recipe = Landmarks(20, share=.25, random=0)
    _, (first, *_) = play(make(tmp_path, landmarks=recipe, evidence=evidence()))
    root, *others = stand_alone(first)
    typical = [metric_of(one) for one in UniformSampler(space(), seed=9).distinct(1000)]
    better = [np.mean([one > metric_of(landmark) for one in typical])
              for landmark in [root, *others]]
    assert max(better) < .4 and len(set(map(sample_key, [root, *others]))) == 20
    assert all(hamming_distance(root, other) == 6 for other in others)


def test_all_are_promising_with_a_share_of_1(tmp_path):
    recipe = Landmarks(3, share=1, random=0)
    _, (first, *_) = play(make(tmp_path, landmarks=recipe, evidence=evidence()))
    assert stand_alone(first) == landmarks()


@pytest.mark.slow
def test_best_are_those_of_supernet_and_predictor_together(tmp_path):
    """The super-net of the plan is always wrong about all; what it finds best is ranked anew."""
    search = make(tmp_path, landmarks=Landmarks(10, random=2), evidence=evidence(), top=3)
    _, stages = play(search)
    (job,), trained = stages[1], stand_alone(stages[2])
    assert job.top == 3 + 100 and len(trained) == 3 + 2
    best, drawn = search.supernets[0].best, job.weak.samples(space())
    said = Judgement(space(), search.evidence, search.seed).of(
        [*drawn, *best], among_first(search.supernets[0].weak['supernet'], len(drawn)),
        len(drawn), job.results)
    average = said['average'][len(drawn):]
    assert trained[:3] == [best[row] for row in np.argsort(average)[::-1][:3]] != best[:3]


@pytest.mark.slow
def test_evidence_is_asked_once_and_each_piece_is_compared(tmp_path):
    asked = []
    search = make(tmp_path, landmarks=Landmarks(10, random=3), evidence=evidence(asked))
    answer, stages = play(search)
    assert len(asked) == len(set(asked))
    search.archive.add_many(answer)
    reliability = search.reliability()
    assert set(reliability.sources) == {'truth', 'vote', 'supernet', 'predictor', 'average'}
    assert reliability.count('vote') == 6
    assert reliability.over_all('truth').tau == pytest.approx(1)
    assert reliability.among_trained('truth').tau > .9        # normal scores have ties at the ends
    assert all('predicted' in job.expected for job in stages[0])


def test_proxies_are_kept_in_the_archive(tmp_path):
    batch = torch.zeros(2, 3, 8, 8), torch.zeros(2)
    given = Evidence(space(), batch, ['params'], reference=20, progress=False)
    search = make(tmp_path, evidence=given, iterations=1)
    play(search)
    kept = given.kept_in(search.archive)
    scorer, = kept._scorers.values()
    assert len(search.archive.scores(scorer.key)) > 20


def test_front_keeps_its_members_whatever_evidence_says(tmp_path):
    search = make(tmp_path, evidence=evidence(), iterations=1)
    search.costs = as_costs([lambda samples: torch.zeros(len(samples))])
    _, stages = play(search)
    assert stages[1][0].top == 2 and stand_alone(stages[2]) == search.supernets[0].best[:2]


@pytest.mark.parametrize('share', [0., 1.1])
def test_unknown_shares(share):
    with pytest.raises(ValueError, match=f'Expected a share above 0, up to 1, got {share}'):
        Landmarks(3, share=share)


@pytest.mark.parametrize('count, random, wrong', [
    (0, 1, 0), (3, -1, -1), (2.5, 1, 2.5), ('3', 1, "'3'"), (3, 1.5, 1.5)])
def test_unknown_numbers_of_landmarks(count, random, wrong):
    with pytest.raises(ValueError, match=f'whole number of .* as .*landmarks, got {wrong}'):
        Landmarks(count, random=random)


def test_control_that_fails_ends_the_search(tmp_path):
    plan = make(tmp_path, control=Additive(seed=5)).plan(space())
    next(plan)
    plan.send([0.1, 0.2, 0.3])
    with pytest.raises(SearchError, match='(?s)the control of iteration 1 to be trained, got:.no'):
        plan.send([SuperNetOutcome([], [], {}), Failure('no')])


@pytest.mark.parametrize('kind', ['results', 'archive', 'csv', 'table'])
def test_known_results_are_landmarks_that_are_not_trained(tmp_path, kind):
    samples = [landmarks()[1], *UniformSampler(space(), seed=7).distinct(2)]
    known = {'results': Results(samples, [0.9, 0.8, 0.7]), 'csv': tmp_path / 'known.csv',
             'table': TabularBenchmark(samples, [0.9, 0.8, 0.7]),
             'archive': Archive(tmp_path / 'known.sqlite')}
    known['archive'].add_many(known['results'])
    known['table'].to_csv(known['csv'])
    answer, stages = play(make(tmp_path, known=known[kind]))
    assert stand_alone(stages[0]) == [landmarks()[0], landmarks()[2]]
    assert stages[1][0].results.samples == [*samples, landmarks()[0], landmarks()[2]]
    assert stages[1][0].results.metrics[:3] == [0.9, 0.8, 0.7]
    assert not any(sample in samples for stage in (2, 4) for sample in stand_alone(stages[stage]))
    assert set(map(sample_key, samples)) <= set(map(sample_key, answer.samples))
    assert known['results'] == Results(samples, [0.9, 0.8, 0.7])        # not added to


def test_losses_are_searched_as_their_negative_would_be(tmp_path):
    """The same architectures, and inside the same numbers; the answer has the user's sign."""
    known = UniformSampler(space(), seed=7).distinct(2)
    arguments = dict(control=Additive(seed=5))
    answer, stages = play(make(tmp_path, known=Results(known, [0.9, 0.8]), **arguments))
    losses, other = play(make(tmp_path, known=Results(known, [-0.9, -0.8]), mode='min',
                              **arguments), sign=-1)
    assert losses == Results(answer.samples, [-metric for metric in answer.metrics], 'min')
    assert losses.metrics == sorted(losses.metrics)
    for stage, same in zip(stages, other):
        assert [vars(job) | {'oneshot': None} for job in stage] == [
            vars(job) | {'oneshot': None} for job in same]


def test_unknown_mode(tmp_path):
    with pytest.raises(ValueError, match="Expected mode 'max' or 'min', got 'minimize'"):
        make(tmp_path, mode='minimize')


@pytest.mark.parametrize('name', ['oneshot', 'control'])
def test_strategies_of_nni_are_refused(tmp_path, name):
    with pytest.raises(TypeError, match=f'Expected {name} to be a one-shot strategy of nni_rankreg'
                                        '.*SPOS.*RandomOneShot'):
        LandmarkSearch(**{'oneshot': SPOS(), name: RandomOneShot()}, supernet_evaluator=None,
                       archive=tmp_path / 'a.sqlite')


@pytest.mark.parametrize('wrong', [0, 2.5, '3', True])
@pytest.mark.parametrize('name', ['iterations', 'landmarks', 'top'])
def test_counts_must_be_positive(tmp_path, name, wrong):
    with pytest.raises(ValueError, match=f'whole number of at least 1 as {name}, got {wrong!r}'):
        make(tmp_path, **{name: wrong})


@pytest.mark.parametrize('wrong', [['synflow'], [], 'synflow', metric_of])
def test_evidence_is_one_of_a_space(tmp_path, wrong):
    with pytest.raises(TypeError, match=r'Expected evidence of type Evidence, or None, got .*; '
                                        r'make Evidence\(space, batch, scorers\)'):
        make(tmp_path, evidence=wrong)


@pytest.mark.parametrize('strategy, message', [
    (SPOS([LandmarkRegularizer()], truth=.3), 'least 2 landmarks, got 0.3, which holds out 1'),
    (SPOS(truth=.2), 'at least 2 landmarks, got 0.2, which holds out 1'),
    (SPOS([LandmarkRegularizer()], truth=.9), r'at least 2 landmarks for .*, got 1\. Raise')])
@pytest.mark.parametrize('name', ['oneshot', 'control'])
def test_too_few_landmarks_are_told_of_at_once(tmp_path, make_evaluator, name, strategy, message):
    """With enough known ones, the search may begin."""
    def search(**known):
        return LandmarkSearch(**{'oneshot': SPOS(), name: strategy}, landmarks=Landmarks(5),
                              supernet_evaluator=make_evaluator(), archive=tmp_path / 'a.sqlite',
                              **known)
    with pytest.raises(ValueError, match=message):
        search().check(space(), make_evaluator())
    samples = UniformSampler(space(), seed=7).distinct(20)
    search(known=Results(samples, [.1] * 20)).check(space(), make_evaluator())


# An experiment on a table

def test_experiment_exports_the_best_with_their_metrics(tmp_path, table):
    experiment = search_table(tmp_path, table)
    answer, stages = play(make(tmp_path))
    models = experiment.export_top_models(7)
    assert [model.sample for model in models] == answer.samples
    assert [model.metric for model in models] == pytest.approx(answer.metrics, abs=1e-15)
    assert experiment.export_top_models(3, formatter='dict') == answer.samples[:3]
    network, = experiment.export_top_models(1, formatter='instance')
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    trained = [model.sample for model in experiment.strategy.list_models(sort=False)]
    assert trained == [sample for stage in (0, 2, 4) for sample in stand_alone(stages[stage])]
    assert lines(tmp_path) == [line for stage in stages for line in (
        ['super-net'] if isinstance(stage[0], SuperNet)
        else map(sample_key, stand_alone(stage)))]
    assert [one.best for one in experiment.strategy.supernets] == [
        stand_alone(stages[2]), stand_alone(stages[4])]


def test_finished_search_is_only_read(tmp_path, table):
    first = search_table(tmp_path, table)
    before = lines(tmp_path)
    again = search_table(tmp_path, table)
    assert lines(tmp_path) == before
    assert again.export_top_models(9, formatter='dict') == first.export_top_models(
        9, formatter='dict')
    assert again.strategy.supernets == first.strategy.supernets


@pytest.mark.slow
def test_finished_search_goes_on_for_more_iterations(tmp_path, table):
    search_table(tmp_path, table)
    search_table(tmp_path, table, iterations=3)
    assert len(lines(tmp_path)) == JOBS + 3
    other = tmp_path / 'other'
    other.mkdir()
    assert (search_table(other, table, iterations=3).export_top_models(20, formatter='dict')
            == search_table(tmp_path, table, iterations=3).export_top_models(20, formatter='dict'))


def test_archive_may_be_opened_before(tmp_path, table):
    archive = Archive(tmp_path / 'mine.sqlite')
    experiment = search_table(tmp_path, table, archive=archive)
    assert experiment.strategy.archive is archive and len(archive) == 7


def test_experiment_that_minimises(tmp_path, table):
    """On the table of before with the other sign."""
    losses = tmp_path / 'losses.csv'
    known = TabularBenchmark.from_csv(table)
    TabularBenchmark(known.samples, -known.values).to_csv(losses)
    experiment = search_table(tmp_path, str(losses), mode='min')
    answer, stages = play(make(tmp_path))
    assert experiment.export_top_models(7, formatter='dict') == answer.samples
    found = [model.metric for model in experiment.export_top_models(7)]
    assert found == pytest.approx([-metric for metric in answer.metrics]) == sorted(found)
    archive = experiment.strategy.archive
    assert archive.results().metrics == pytest.approx([
        -metric_of(sample) for stage in (0, 2, 4) for sample in stand_alone(stages[stage])])
    with pytest.raises(ValueError, match='Expected an archive of this space, evaluator and mode'):
        search_table(tmp_path, str(losses))


def test_known_results_are_not_among_the_models(tmp_path, table):
    known = UniformSampler(space(), seed=7).distinct(2)
    experiment = search_table(tmp_path, table, known=Results(known, [0.9, 1.]))
    models = experiment.export_top_models(20, formatter='dict')
    assert len(models) == 7 and not any(sample in models for sample in known)
    assert len(experiment.strategy.supernets) == 2


@pytest.mark.parametrize('change', ['evaluator', 'space'])
def test_archive_of_another_evaluation_is_refused(tmp_path, table, change):
    search_table(tmp_path, table)
    archive = Archive(tmp_path / 'a.sqlite')
    results, jobs = archive.results(), archive.jobs()
    search = LandmarkSearch(Additive(), LoggedTable(table), archive=archive, **ARGUMENTS)
    log = str(tmp_path / 'log')
    with pytest.raises(ValueError, match='Expected an archive of this space, evaluator and mode, '
                                         'got .*a.sqlite of another. Give another file .*`known`'):
        if change == 'evaluator':
            run(search, LoggedTable(table, log, offset=1.), tmp_path)
        else:
            run(search, LoggedTable(table, log), tmp_path, space=lambda: NasBench201(4, 1, 10))
    assert archive.results() == results and archive.jobs().equals(jobs)


def test_what_cannot_be_sent_to_a_trial_is_refused_before_any_training(tmp_path, table,
                                                                       make_evaluator):
    truth = TabularBenchmark(UniformSampler(space()).distinct(2000), [0.5] * 2000)
    log = str(tmp_path / 'log')
    large = SPOS(truth=truth)
    for arms in (dict(oneshot=large), dict(oneshot=Additive(), control=large)):
        search = LandmarkSearch(supernet_evaluator=make_evaluator(), **arms,
                                archive=tmp_path / 'a.sqlite', **ARGUMENTS)
        with pytest.raises(PayloadTooLarge):
            run(search, LoggedTable(table, log), tmp_path)
    assert not lines(tmp_path)


def test_other_model_formats_are_refused(tmp_path, table):
    with pytest.raises(TypeError, match="'simplified' .*got a RawFormatModelSpace"):
        run(make(tmp_path), LoggedTable(table), tmp_path, model_format='raw')


def test_architecture_that_cannot_be_evaluated(tmp_path, table, caplog):
    """The table lacks a landmark: it is tried twice, named, and another takes its place."""
    failed = landmarks()[1]
    write_table(tmp_path / 'part.csv', without=[failed])
    experiment = search_table(tmp_path, str(tmp_path / 'part.csv'))
    expected, _ = play(make(tmp_path), fail=[failed])
    assert experiment.export_top_models(20, formatter='dict') == expected.samples
    assert lines(tmp_path).count(sample_key(failed)) == 2 and len(lines(tmp_path)) == JOBS + 2
    warning, = [record.message for record in caplog.records if 'Failed twice' in record.message]
    assert sample_key(failed) in warning and 'Expected an architecture of the table' in warning


def test_nothing_can_be_evaluated(tmp_path, table):
    TabularBenchmark([{'op': 'none'}], [1.]).to_csv(tmp_path / 'wrong.csv')
    with pytest.raises(SearchError, match='(?s)at least one of 3 jobs to succeed.*Traceback.*'
                                          'Expected an architecture of the table'):
        search_table(tmp_path, str(tmp_path / 'wrong.csv'))


# Super-nets on digits

def search_digits(folder, table):
    data = (image_loader(Digits('train'), 150, shuffle=True),
            image_loader(Digits('validation'), 450))
    evaluator = Classification(*data, num_classes=10, max_epochs=2, enable_progress_bar=False,
                               accelerator='cpu')
    oneshot = SPOS(regularizers=[LandmarkRegularizer(weight=10.)],
                   evolution=Evolution(5, 10, 2, progress=False))
    search = LandmarkSearch(oneshot, evaluator, archive=folder / 'a.sqlite', **ARGUMENTS)
    return run(search, TableEvaluator(table), folder)


@pytest.mark.slow
def test_supernets_on_digits(tmp_path, table, caplog):
    torch.set_num_threads(1)
    first = search_digits(tmp_path, table)
    one, two = first.strategy.supernets
    results = first.strategy.archive.results()
    assert len(results.samples) == 7 and results.samples[:3] == landmarks()
    assert results.samples[3:5] == one.best and results.samples[5:] == two.best
    for outcome, count in ((one, 3), (two, 5)):
        assert [epoch['epoch'] for epoch in outcome.history] == [0., 1.]
        assert outcome.measured['metrics'] == results.metrics[:count]
        tau = kendalltau(outcome.measured['scores'], outcome.measured['metrics'])[0]
        assert outcome.metrics['default'] == pytest.approx(tau, abs=1e-9)
        assert outcome.history[-1] == outcome.metrics
        assert outcome.scores == sorted(outcome.scores, reverse=True)
    assert 'starts anew' not in caplog.text
    first_weights, second_weights = (torch.load(outcome.weights) for outcome in (one, two))
    assert first_weights.keys() == second_weights.keys()

    again = tmp_path / 'again'
    again.mkdir()
    assert search_digits(again, table).export_top_models(9, formatter='dict') == (
        first.export_top_models(9, formatter='dict'))


# Kill -9

def search_and_die(folder, table, number, before):
    """Search in a process that kills itself at a result, before or after it is written."""
    record, seen = Archive.record_result, []

    def dying(self, *arguments):
        seen.append(arguments)
        if len(seen) == number and before:
            os.kill(os.getpid(), signal.SIGKILL)
        record(self, *arguments)
        if len(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    Archive.record_result = dying
    torch.set_num_threads(1)
    search_table(folder, table)


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp('uninterrupted')
    experiment = search_table(folder, table)
    return experiment.export_top_models(20, formatter='dict'), lines(folder)


# The first record is that of the evaluation; then 3 landmarks, a super-net, its 2 best, twice.
@pytest.mark.parametrize('number, before, stage', [
    (3, False, 'landmarks'), (5, True, 'super-net'),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        (1, True, 'start'), (3, True, 'landmarks'), (5, False, 'super-net'), (6, False, 'best'),
        (8, True, 'second super-net'), (10, False, 'end')))])
def test_killed_search_is_resumed(tmp_path, table, uninterrupted, number, before, stage):
    child = multiprocessing.get_context('fork').Process(
        target=search_and_die, args=(tmp_path, table, number, before))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL, stage
    killed, kept = lines(tmp_path), Archive(tmp_path / 'a.sqlite')
    assert (len(killed) == number - 1 and len(kept) < 7) or stage == 'end'

    experiment = search_table(tmp_path, table)
    answer, everything = uninterrupted
    assert experiment.export_top_models(20, formatter='dict') == answer
    # A stand-alone result is written before the record of its job, a super-net only there.
    lost = killed[-1:] if before and 'super-net' in stage else []
    assert sorted(lines(tmp_path)) == sorted(everything + lost)
    assert lines(tmp_path)[:number - 1] == killed
    frame, jobs = kept.to_frame(), kept.jobs()
    assert len(frame) == frame['sample'].nunique() == 7
    assert set(jobs['status']) == {'done'} and len(jobs) == 1 + JOBS
    assert [json.loads(text) for text in frame['sample']] == [
        json.loads(line) for line in everything if line != 'super-net']
