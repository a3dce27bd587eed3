"""AceNAS: its plan by hand, on a table, with a super-net on digits, and resumed."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from nni.mutable import Categorical
from nni.nas.experiment import NasExperiment
from nni.nas.experiment import experiment as nni_experiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.tools.nnictl.config_utils import Experiments
from scipy.stats import expon

from nni_rankreg.archive import Archive
from nni_rankreg.config import ConfigError, build_search, read_config
from nni_rankreg.constraint import Between
from nni_rankreg.data import Digits, image_loader
from nni_rankreg.evaluator import Classification
from nni_rankreg.plan import Failure, SearchError, SuperNet, SuperNetOutcome, drive
from nni_rankreg.predictor import (
    Ensemble,
    GaussianProcess,
    LearnedTeacher,
    Prediction,
    Ranker,
    Training,
    WeakLabels,
    read_weak,
)
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.regularizer import (
    EqualCostControl,
    LandmarkRegularizer,
    RankingDistillation,
)
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import UniformDraw
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import SPOS, AceNAS, CandidatePool, Rounds, WeakLabelling
from nni_rankreg.table import TableEvaluator, TabularBenchmark
from nni_rankreg.typing import Results, sample_key

WORTH = {'none': -1., 'skip_connect': .5, 'conv_1x1': 1., 'conv_3x3': 2., 'avg_pool_3x3': 0.}
QUICK = functools.partial(
    Ranker, progress=False, hidden=16, embedding=32, fitting=Training(20, 20, learning_rate=.005),
    pretraining=Training(8, 50, learning_rate=.005, weight_decay=0.))
ROUNDS = Rounds(6, 6, explore=0.5, spread=0., top=4)
ARGUMENTS = dict(rounds=ROUNDS, budget=18, predictor=lambda space, evidence: QUICK(space),
                 weak=WeakLabelling(200))


SPACE = {f'op{i}': Categorical(list(WORTH), label=f'op{i}') for i in range(4)}
EVERY = [dict(zip(SPACE, names)) for names in itertools.product(WORTH, repeat=4)]


def cells():
    return NasBench201(2, 1, 10)


def metric_of(sample):
    return sum(map(WORTH.get, sample.values())) / 12


def convolutions(samples):
    return torch.tensor([float(sum('conv' in name for name in sample.values()))
                         for sample in samples])


def make(tmp_path, **arguments):
    return AceNAS(**{'archive': tmp_path / 'x.sqlite', **ARGUMENTS, **arguments})


def answer_of(job, weak=None):
    if isinstance(job, SuperNet):
        samples = job.weak.samples(SPACE)
        return SuperNetOutcome([], [], {'default': 0.}, weak=weak or {
            'supernet': [metric_of(sample) for sample in samples]})
    return metric_of(job.sample)


def play(search, answer=answer_of, space=SPACE):
    """Run a plan without any engine: return its answer and its stages."""
    plan, stages, outcomes = search.plan(space), [], None
    while True:
        try:
            jobs = plan.send(outcomes)
        except StopIteration as stop:
            return stop.value, stages
        stages.append(jobs)
        outcomes = [answer(job) for job in jobs]


def samples_of(jobs):
    return [job.sample for job in jobs]


# The plan, by hand

def test_stages_of_the_plan(tmp_path):
    search = make(tmp_path, supernet=SPOS(), seed=2)
    answer, ((net,), *rounds, top) = play(search)
    assert net.oneshot is search.supernet and net.top == 0 and net.results == Results([], [], 'max')
    assert net.weak == UniformDraw(200, 2) and net.save == str(tmp_path / 'x-supernet.pt')
    assert [len(jobs) for jobs in rounds] == [6, 6, 6] and len(top) == 4
    trained = [sample for jobs in [*rounds, top] for sample in samples_of(jobs)]
    assert len(set(map(sample_key, trained))) == 22 == len(answer.samples)
    assert answer.metrics == sorted(map(metric_of, trained), reverse=True)
    assert list(map(metric_of, answer.samples)) == answer.metrics
    assert search.supernet_outcome.weak['supernet'] == [
        metric_of(sample) for sample in net.weak.samples(SPACE)]


def test_half_of_a_round_is_what_the_predictor_ranks_best(tmp_path):
    search = make(tmp_path, supernet=SPOS())
    _, (_, first, second, third, top) = play(search)
    ranker = QUICK(SPACE)
    weak = read_weak(tmp_path / 'x-weak.csv')
    assert weak.samples == UniformDraw(200, 0).samples(SPACE)
    ranker.pretrain(*weak)
    for before, after, count in (([first], second, 3), ([first, second], third, 3),
                                 ([first, second, third], top, 4)):
        tried = [sample for jobs in before for sample in samples_of(jobs)]
        rest = [sample for sample in EVERY if sample not in tried]
        scores = ranker.fit(tried, list(map(metric_of, tried))).score(rest)
        best = {sample_key(rest[row]) for row in scores.topk(count).indices}
        assert set(map(sample_key, samples_of(after)[:count])) == best
    assert np.mean(list(map(metric_of, samples_of(top)))) > .4


class Wavering:
    """A predictor that is sure of some architectures only."""

    def fit(self, samples, metric):
        return self

    def predict(self, samples):
        numbers = [np.random.default_rng(list(map(ord, sample_key(one)))) for one in samples]
        mean, spread = np.array([one.exponential(size=2) for one in numbers]).T
        return Prediction(torch.from_numpy(mean), torch.from_numpy(spread))


@pytest.mark.parametrize('spread', [0., 1.5])
def test_each_of_a_round_has_its_multiple_of_the_spread(tmp_path, spread):
    rounds, wavering = Rounds(6, 5, explore=0., spread=spread), Wavering()
    search = make(tmp_path, rounds=rounds, budget=16, weak=None,
                  predictor=lambda space, evidence: wavering)
    _, trained = play(search)
    tried = samples_of(trained[0])
    for jobs in trained[1:]:
        for number, chosen in enumerate(samples_of(jobs)):
            multiple = expon.ppf((number + .5) / 5, scale=spread) if spread else 0.
            mean, deviation = wavering.predict([one for one in EVERY if one not in tried])
            (best, own), = zip(*wavering.predict([chosen]))
            assert best + multiple * own == pytest.approx(max(mean + multiple * deviation))
            tried.append(chosen)
    assert len(tried) == 16


@pytest.mark.parametrize('explore, shared', [(0., 0), (1., 6)])
def test_share_of_random_architectures(tmp_path, explore, shared):
    """What is drawn at random does not depend on the metrics; what is predicted best does."""
    def reverse(job):
        return -answer_of(job)
    stages = [play(make(tmp_path, rounds=replace(ROUNDS, explore=explore)), answer)[1]
              for answer in (answer_of, reverse)]
    first, second = (set(map(sample_key, samples_of(one[1]))) for one in stages)
    assert stages[0][0] == stages[1][0] and len(first & second) == shared


def test_only_feasible_architectures(tmp_path):
    def constraint(sample):
        return convolutions([sample]) <= 2
    search = make(tmp_path, supernet=SPOS(), candidates=CandidatePool(accept=constraint),
                  rounds=replace(ROUNDS, landmarks=2))
    answer, stages = play(search)
    assert len(stages[0]) == 2 and stages[1][0].results.samples == samples_of(stages[0])
    assert len(stages[2]) == 4 and len(answer.samples) == 22
    assert all(map(constraint, [*answer.samples, *stages[1][0].weak.samples(SPACE)]))
    assert stages[1][0].accept is constraint  # of the paths of the super-net


@pytest.mark.parametrize('given', [None, UniformSampler(SPACE, seed=3).distinct(25)])
def test_a_bound_that_nothing_meets_is_told_at_once(tmp_path, given):
    bound = Between(convolutions, minimum=5)
    search = make(tmp_path, candidates=CandidatePool(given, [bound, bound]))
    with pytest.raises(ValueError, match=r'accepted by Between\(5, inf\), numbers found from 0 to '
                                         r'[34] and by .* got none (in 10000 draws|of 25)'):
        search.check(SPACE, None)


def test_candidates_of_a_table(tmp_path):
    given = UniformSampler(SPACE, seed=3).distinct(25)
    pool = CandidatePool(given)
    answer, _ = play(make(tmp_path, candidates=pool))
    assert all(sample in given for sample in answer.samples) and len(answer.samples) == 22
    search = make(tmp_path, candidates=pool, rounds=replace(ROUNDS, top=99))
    assert len(play(search)[0].samples) == 25


def test_known_results_are_learnt_from_and_cost_nothing(tmp_path):
    known = UniformSampler(SPACE, seed=7).distinct(10)
    results = Results(known, list(map(metric_of, known)))
    answer, stages = play(make(tmp_path, known=results))
    assert [len(jobs) for jobs in stages] == [6, 6, 6, 4] and len(answer.samples) == 32
    assert not any(sample in known for jobs in stages for sample in samples_of(jobs))
    assert len(results.samples) == 10


def test_failures_are_left_out_and_not_proposed_again(tmp_path):
    failed = samples_of(play(make(tmp_path))[1][0])[:5]

    def answer(job):
        return Failure('no') if job.sample in failed else metric_of(job.sample)
    found, stages = play(make(tmp_path), answer)
    assert len(found.samples) == 17 and not any(sample in failed for sample in found.samples)
    assert sum(sample in failed for jobs in stages for sample in samples_of(jobs)) == 5


class Trainings:
    """A runner whose trainings fail where it is told."""

    def __init__(self, fails):
        self.fails, self.tried = fails, []

    def run(self, jobs, done):
        for index, job in enumerate(jobs):
            if job.sample not in self.tried:
                self.tried.append(job.sample)
            fails = self.fails(self.tried.index(job.sample))
            done(index, Failure('no') if fails else metric_of(job.sample))

    def describe(self, job):
        return ''


def test_rounds_of_one_may_fail(tmp_path):
    """As many in a row as the first round has are too many: something else is wrong."""
    def search(fails):
        strategy = make(tmp_path, weak=None, rounds=Rounds(4, 1), budget=12,
                        archive=tmp_path / f'{len(list(tmp_path.iterdir()))}.sqlite')
        runner = Trainings(fails)
        return drive(strategy.plan(SPACE), runner, strategy.archive), runner.tried
    found, tried = search(lambda number: number in (4, 5, 6, 9, 11))
    assert len(tried) == 12 and len(found.samples) == 7
    for fails, trained in ((lambda number: number > 5, 10), (lambda number: True, 4)):
        runs = []
        with pytest.raises(SearchError, match='at least one of'):
            search(lambda number: runs.append(number) or fails(number))
        assert len(set(runs)) == trained


def test_weak_labels_of_a_file_need_no_supernet(tmp_path):
    samples = UniformSampler(SPACE, seed=1).distinct(200)
    WeakLabels(samples, {'truth': list(map(metric_of, samples))}).to_csv(tmp_path / 'weak.csv')
    search = make(tmp_path, supernet=SPOS(), weak=tmp_path / 'weak.csv')
    _, stages = play(search)
    assert not any(isinstance(job, SuperNet) for jobs in stages for job in jobs)
    expected = QUICK(SPACE).pretrain(samples, {'truth': list(map(metric_of, samples))})
    trained = [sample for jobs in stages[:-1] for sample in samples_of(jobs)]
    expected.fit(trained, list(map(metric_of, trained)))
    assert torch.equal(search.predictor(samples), expected(samples))
    assert search.supernet_jobs() == []


def test_further_labels_by_any_scorer(tmp_path, caplog):
    def holes(samples):
        return convolutions(samples).masked_fill(torch.arange(len(samples)) % 4 == 0, math.nan)
    scorers = {'convs': convolutions, 'holes': holes}
    search = make(tmp_path, supernet=SPOS(), weak=WeakLabelling(200, scorers))
    play(search)
    weak = read_weak(tmp_path / 'x-weak.csv')
    assert list(weak.labels) == ['supernet', 'convs', 'holes'] and len(weak.samples) == 150
    assert weak.labels['convs'] == convolutions(weak.samples).tolist()
    assert 'Leaving out 50 of 200 architectures' in caplog.text


@pytest.mark.parametrize('arguments, message', [
    (lambda: {'rounds': Rounds(1)}, 'whole number of at least 2 as first, got 1'),
    (lambda: {'rounds': Rounds(first=5.)}, 'as first, got 5.0'),
    (lambda: {'rounds': Rounds(size=0)}, 'at least 1 as size, got 0'),
    (lambda: {'rounds': Rounds(size=5.)}, 'as size, got 5.0'),
    (lambda: {'rounds': Rounds(top=-1)}, 'at least 0 as top, got -1'),
    (lambda: {'rounds': Rounds(top=1.5)}, 'as top, got 1.5'),
    (lambda: {'rounds': Rounds(spread=-1.)}, 'spread of at least 0, got -1'),
    (lambda: {'rounds': Rounds(spread=math.inf)}, 'finite spread of at least 0, got inf'),
    (lambda: {'rounds': Rounds(spread=math.nan)}, 'finite spread of at least 0, got nan'),
    (lambda: {'rounds': Rounds(share=0.)}, 'a share above 0, up to 1, got 0'),
    (lambda: {'budget': 12.5}, 'at least 1 as budget, got 12.5'),
    (lambda: {'budget': '20'}, "as budget, got '20'"),
    (lambda: {'budget': 5}, 'at least the first round and the landmarks, got 5 for 6 and 0'),
    (lambda: {'rounds': Rounds(landmarks=19)}, 'landmarks, got 18 for 10 and 19'),
    (lambda: {'rounds': Rounds(landmarks=-1)}, 'at least 0 as landmarks, got -1'),
    (lambda: {'rounds': Rounds(landmarks=1.5)}, 'as landmarks, got 1.5'),
    (lambda: {'rounds': Rounds(explore=1.5)}, 'explore from 0 to 1, got 1.5'),
    (lambda: {'weak': WeakLabelling(0)}, r'weak labels \(weak=None is for none\), got 0'),
    (lambda: {'weak': WeakLabelling(2.5)}, 'weak labels .*, got 2.5'),
    (lambda: {'candidates': CandidatePool(size=0)}, 'at least 1 as size, got 0'),
    (lambda: {'candidates': CandidatePool(size=1.5)}, 'as size, got 1.5'),
    (lambda: {'candidates': CandidatePool(scored=math.nan)}, 'as scored, got nan'),
    (lambda: {'candidates': CandidatePool(generations=0)}, 'as generations, got 0'),
    (lambda: {'candidates': CandidatePool(generations='3')}, "as generations, got '3'"),
    (lambda: {'candidates': CandidatePool([])}, 'at least 1 architecture .* given=None takes the'),
])
def test_wrong_numbers(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, **arguments())


@pytest.mark.parametrize('arguments, message', [
    ({'rounds': 5}, 'Expected rounds of type Rounds, got 5'),
    ({'weak': 200}, 'or NoneType, got 200'),
    ({'candidates': [{}]}, 'Expected candidates of type CandidatePool'),
    ({'supernet': 'SPOS'}, 'Expected supernet to be a one-shot strategy of nni_rankreg'),
    *(({'evidence': wrong}, r'Expected evidence of type Evidence, or None, got .*; make '
       r'Evidence\(space, batch, scorers\)') for wrong in (['synflow'], [], convolutions)),
    *(({'predictor': wrong}, 'Expected a function of space and evidence as predictor, got .*; such '
       r'as lambda space, evidence: Ensemble\(space, evidence=evidence\)')
      for wrong in (Ensemble, Ensemble(SPACE), GaussianProcess, 'trees', lambda space: None))])
def test_wrong_types(tmp_path, arguments, message):
    with pytest.raises(TypeError, match=message):
        make(tmp_path, **arguments)


def test_counts_of_numpy_and_classes_that_take_evidence(tmp_path):
    class Own:
        def __init__(self, space, evidence):
            self.space, self.evidence = space, evidence

    search = make(tmp_path, budget=np.int64(18), predictor=Own)
    assert search.budget == 18 and search.make_predictor is Own
    assert Rounds(np.int32(6), np.int64(6)).ends(18) == [6, 12, 18]


@pytest.mark.parametrize('budget', [*range(10, 31), 100, 128, 999])
def test_rounds_of_the_paper_are_five(budget):
    first, *others = np.diff([0, *Rounds.as_published(budget).ends(budget)]).tolist()
    assert others == [budget // 5] * 4 and 0 <= first - budget // 5 < 5


@pytest.mark.parametrize('budget', [1, 3, 5, 9, 12.5])
def test_a_budget_of_less_than_five_rounds(tmp_path, budget):
    with pytest.raises(ValueError, match='a whole number of at least 10 as budget of five rounds, '
                                         f'got {budget}'):
        AceNAS.as_published(budget=budget, archive=tmp_path / 'x.sqlite')


# Landmarks of the super-net

TAUGHT = [LandmarkRegularizer(), RankingDistillation(teacher=LearnedTeacher())]


@pytest.mark.parametrize('regularizers, landmarks, before', [
    (TAUGHT, None, 6), (TAUGHT[1:], None, 6), (TAUGHT, 4, 4), ([], None, 0), ([], 2, 2),
    ([RankingDistillation('flops', landmark_pairs=1)], None, 6),
    ([RankingDistillation('flops'), EqualCostControl()], None, 0)])
def test_first_round_is_trained_before_a_supernet_that_needs_it(
        tmp_path, regularizers, landmarks, before):
    search = make(tmp_path, supernet=SPOS(regularizers), rounds=replace(
        ROUNDS, landmarks=landmarks))
    _, stages = play(search)
    at = next(row for row, (job, *_) in enumerate(stages) if isinstance(job, SuperNet))
    known = stages[at][0].results.samples
    assert known == [job.sample for jobs in stages[:at] for job in jobs] and len(known) == before
    trained = [len(jobs) for row, jobs in enumerate(stages) if row != at]
    assert sum(trained) == 22 and (landmarks or trained == [6, 6, 6, 4])


def test_no_landmarks_are_needed_where_some_are_given(tmp_path):
    given = Results(EVERY[:3], [.1, .2, .3])
    for arguments in (dict(supernet=SPOS([LandmarkRegularizer(given)])),
                      dict(supernet=SPOS(TAUGHT), known=given),
                      dict(supernet=SPOS(TAUGHT), weak=None), {}):
        assert make(tmp_path, **arguments).trained_before_supernet == 0


@pytest.mark.parametrize('supernet, landmarks, message', [
    (SPOS(TAUGHT), 1, r'at least 2 landmarks .*, got 1\. Raise .* Rounds\(landmarks=10\)'),
    (SPOS(TAUGHT, truth=.3), None, 'at least 2 landmarks, got 0.3, which holds out 1'),
    (SPOS(TAUGHT, truth=.9), None, r'at least 2 landmarks .*, got 1\. Raise the landmarks'),
    (SPOS(evidence=LearnedTeacher()), 1, 'at least 2 results for the LearnedTeacher')])
def test_too_few_landmarks_are_told_of_at_once(tmp_path, supernet, landmarks, message):
    search = make(tmp_path, supernet=supernet, supernet_evaluator=evaluator(),
                  rounds=replace(ROUNDS, landmarks=landmarks))
    with pytest.raises(ValueError, match=message):
        search.check(cells(), evaluator())


def test_evidence_of_the_supernet_is_worth_a_warning(tmp_path, caplog):
    make(tmp_path, supernet=SPOS())
    assert not caplog.text
    make(tmp_path, supernet=SPOS(evidence=convolutions))
    assert 'The evidence of the strategy of the super-net is not used by AceNAS' in caplog.text


def recipe(name, **arguments):
    return {'class_path': f'nni_rankreg.{name}', 'init_args': arguments}


@pytest.fixture
def described(tmp_path):
    """Return a function that builds the search of a file with these arguments of AceNAS."""
    def build(**arguments):
        digits = recipe('evaluator.digits.digits_evaluator')
        path = tmp_path / 'search.yml'
        path.write_text(yaml.safe_dump({
            'space': recipe('space.NasBench201', stem_out_channels=4, num_modules_per_stack=1,
                            num_labels=10), 'evaluator': digits,
            'strategy': recipe('strategy.AceNAS', archive=str(tmp_path / 'x.sqlite'), budget=18,
                               **arguments)}))
        return build_search(read_config(path)).strategy
    return build


def test_recipes_of_a_search_file(described):
    search = described(
        weak=recipe('strategy.WeakLabelling', count=200), rounds=recipe(
            'strategy.Rounds', first=6, explore=0.), candidates=recipe(
            'strategy.CandidatePool', size=50, accept=recipe('evaluator.digits.digits_space')))
    assert (search.weak, search.rounds) == (WeakLabelling(200), Rounds(6, explore=0.))
    assert search.candidates.size == 50 and callable(search.candidates.accept)
    assert described(weak='labels.csv').weak == 'labels.csv' and described(weak=None).weak is None
    for wrong in (5, {'number': 5}):
        with pytest.raises(ConfigError, match='^strategy.*: .*Rounds'):
            described(rounds=wrong)


# Experiments

@pytest.fixture(scope='module')
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp('table') / 'table.csv'
    samples = UniformSampler(cells()).distinct(5 ** 6)
    TabularBenchmark(samples, list(map(metric_of, samples))).to_csv(path)
    return str(path)


def run(search, evaluator, folder):
    config = NasExperimentConfig('sequential', 'simplified')
    config.experiment_working_directory = folder
    experiment = NasExperiment(cells(), evaluator, search, config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nni_experiment, 'Experiments', functools.partial(Experiments, str(folder)))
        try:
            experiment.run()
        finally:
            experiment.stop()
    return experiment


@pytest.mark.slow
def test_experiment_on_a_table(tmp_path, table):
    samples = UniformSampler(cells(), seed=1).distinct(200)
    weak = WeakLabels(samples, {'convs': convolutions(samples).tolist()})
    experiment = run(make(tmp_path, weak=weak), TableEvaluator(table), tmp_path)
    expected, _ = play(make(tmp_path, weak=weak), space=cells())
    models = experiment.export_top_models(30)
    assert [model.sample for model in models] == expected.samples
    assert [model.metric for model in models] == expected.metrics
    archive = Archive(tmp_path / 'x.sqlite')
    assert len(archive) == 22
    again = run(make(tmp_path, weak=weak), TableEvaluator(table), tmp_path)      # resumed
    assert again.export_top_models(1, formatter='dict') == expected.samples[:1]
    assert len(Archive(tmp_path / 'x.sqlite').to_frame()) == 22


def evaluator():
    return Classification(image_loader(Digits('train'), 150, shuffle=True),
                          image_loader(Digits('validation'), 450), num_classes=10, max_epochs=1,
                          enable_progress_bar=False, accelerator='cpu')


@pytest.mark.slow
def test_supernet_is_a_trial_that_gives_weak_labels(tmp_path, table):
    supernet = SPOS(regularizers=[LandmarkRegularizer(weight=1.)], metric='val_acc')
    search = make(tmp_path, supernet=supernet, supernet_evaluator=evaluator(),
                  weak=WeakLabelling(12), budget=9,
                  rounds=replace(ROUNDS, first=3, size=3, top=1))
    experiment = run(search, TableEvaluator(table), tmp_path)
    strategy = experiment.strategy
    weak = read_weak(tmp_path / 'x-weak.csv')
    assert list(weak.labels) == ['supernet', 'flops', 'params']
    assert weak.samples == UniformDraw(12, 0).samples(cells())
    batch = torch.zeros(1, 1, 8, 8).expand(1, 3, 8, 8), torch.zeros(1)
    params = ProxyScorer('params', cells(), batch)(weak.samples).tolist()
    assert weak.labels['params'] == pytest.approx(params, rel=1e-6)
    more = [sum(name == 'conv_3x3' for name in sample.values()) for sample in weak.samples]
    assert np.corrcoef(more, weak.labels['flops'])[0, 1] > .8
    assert all(0 <= value <= 1 for value in weak.labels['supernet'])
    assert len(set(weak.labels['supernet'])) > 3
    assert (tmp_path / 'x-supernet.pt').exists()
    assert strategy.supernet_outcome.weak == weak.labels
    jobs = Archive(tmp_path / 'x.sqlite').jobs()['key']
    names = [name for name in jobs if not name.startswith('prediction')]
    assert [name.startswith('super-net') for name in names[1:5]] == [False] * 3 + [True]
    assert len(Archive(tmp_path / 'x.sqlite')) == 10
