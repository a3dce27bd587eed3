"""Search files: built as written, checked before anything is imported, errors that name the key."""

from __future__ import annotations

import copy
import subprocess
import sys

import nni
import pytest
import yaml
from helpers.search_file import SEARCH

from nni_rankreg.config import ConfigError, Search, build_search, placeholders, read_config, size
from nni_rankreg.evaluator import LearningRateSchedule, Speed
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import SPOS, Landmarks, LandmarkSearch, Rounds, WeakLabelling
from nni_rankreg.supernet import Scoring


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a changed search file: key with dots -> value."""
    def write(changes=(), text=SEARCH):
        config = yaml.safe_load(text)
        for key, value in dict(changes).items():
            *parents, last = [int(one) if one.isdigit() else one for one in key.split('.')]
            node = config
            for one in parents:
                node = node[one]
            node[last] = copy.deepcopy(value)
        path = tmp_path / 'search.yml'
        path.write_text(yaml.safe_dump(config))
        return path
    return write


def test_objects_are_those_of_the_file(write):
    search = build_search(read_config(write()))
    assert isinstance(search, Search) and isinstance(search.space, NasBench201)
    assert search.evaluator.trainer.max_epochs == 2
    assert search.evaluator.train_dataloaders.batch_size == 150
    assert isinstance(search.strategy, SPOS) and search.strategy.seed == 3
    regularizer, = search.strategy.regularizers
    assert regularizer.weight == 10. and regularizer.schedule.warmup == 0


EVALUATOR = {'class_path': 'nni_rankreg.evaluator.Classification', 'init_args': {
    'train_dataloaders': [], 'val_dataloaders': [], 'num_classes': 10,
    'schedule': {'minimum': 0., 'warmup_epochs': 2}, 'speed': {'fused': True}, 'max_epochs': 9}}


def test_recipes_need_no_class_path(write, tmp_path):
    scoring = {'batches': 2, 'processes': {'parameter': 'processes', 'default': 3}}
    changes = {'evaluator': EVALUATOR, 'strategy.init_args.scoring': scoring,
               'strategy.init_args.held_out': {'batch_size': 5}}
    search = build_search(read_config(write(changes)))
    assert search.evaluator.module.schedule == LearningRateSchedule(0., warmup_epochs=2)
    assert search.evaluator.module.speed == Speed(fused=True)
    assert search.strategy.scoring.batches == 2 and search.strategy.scoring.processes == 3
    assert search.strategy.held_out.batch_size == 5
    copy = nni.load(nni.dump(search.strategy.scoring))      # it travels to a trial
    assert isinstance(copy, Scoring) and copy.processes == 3
    oneshot = yaml.safe_load(SEARCH)['strategy']
    stages = {'AceNAS': {'supernet': oneshot, 'archive': str(tmp_path / 'a.sqlite'),
                         'rounds': {'first': 3}, 'weak': {'count': 7, 'scorers': {}}},
              'LandmarkSearch': {'oneshot': oneshot, 'landmarks': {'count': 4, 'pairwise': True},
                                 'archive': {'path': str(tmp_path / 'b.sqlite')}}}
    acenas, landmark_search = (build_search(read_config(write({'strategy': {
        'class_path': f'nni_rankreg.strategy.{name}',
        'init_args': {'supernet_evaluator': EVALUATOR, **arguments}}})
    )).strategy for name, arguments in stages.items())
    assert acenas.rounds == Rounds(first=3) and acenas.weak == WeakLabelling(7, {})
    assert landmark_search.landmarks == Landmarks(4, pairwise=True)
    assert landmark_search.archive.path == tmp_path / 'b.sqlite'


@pytest.mark.parametrize('name, oneshot', [('AceNAS', 'supernet'), ('LandmarkSearch', 'oneshot')])
def test_evidence_of_searches(write, tmp_path, name, oneshot):
    space, strategy = (yaml.safe_load(SEARCH)[key] for key in ('space', 'strategy'))
    images = {'class_path': 'nni_rankreg.data.image_loader', 'init_args': {
        'dataset': {'class_path': 'nni_rankreg.data.Digits', 'init_args': {'split': 'train'}},
        'batch_size': 8}}
    evidence = {'space': space, 'batch': images, 'scorers': ['params'], 'reference': 5}
    search = build_search(read_config(write({'strategy': {
        'class_path': f'nni_rankreg.strategy.{name}', 'init_args': {
            oneshot: strategy, 'supernet_evaluator': EVALUATOR, 'evidence': evidence,
            'archive': str(tmp_path / 'a.sqlite')}}})))
    found = search.strategy.evidence
    assert found.names == ['params'] and found.ranks(found.among).shape == (5, 1)


@pytest.mark.parametrize('changes, message', [
    ({'strategy.init_args.scoring': {'batch': 2}},
     r"strategy.init_args.scoring: Scoring: .*unexpected keyword argument 'batch'"),
    ({'strategy.init_args.scoring': {'batches': 'many'}},
     r'strategy.init_args.scoring.batches: .*many'),
    ({'evaluator': EVALUATOR, 'evaluator.init_args.schedule.decay': 'steep'},
     r"evaluator.init_args.schedule: Expected a decay 'cosine' or 'linear', got 'steep'"),
    ({'strategy.init_args.truth': {'file': 'a.sqlite'}},
     r'truth: Expected the class_path and init_args of a Results or Archive or Tab.*, got {.file'),
    ({'strategy.init_args.regularizers': {'weight': 2.}},
     r'regularizers: Expected Sequence\[Regularizer\].*, got {.weight'),
    ({'strategy.init_args.regularizers.0.init_args.schedule': {'shape': 'steep'}},
     r'strategy.init_args.regularizers.0.init_args.schedule: .*steep'),
    ({'strategy.init_args.scoring': {3: 2}}, r'strategy.init_args.scoring: .*string'),
])
def test_wrong_recipes(write, changes, message):
    with pytest.raises(ConfigError, match=message):
        build_search(read_config(write(changes)))


def test_parameters_of_a_trial(write):
    config = read_config(write())
    assert placeholders(config) == {'lambda': 10., 'seed': 3}
    search = build_search(config, {'lambda': 2, 'unused': 1})
    assert search.strategy.regularizers[0].weight == 2 and search.strategy.seed == 3
    with pytest.raises(ConfigError, match='init_args.weight: .*float.*heavy'):
        build_search(config, {'lambda': 'heavy'})


def test_strategy_as_a_parameter(write):
    choice = {'parameter': 'strategy', 'default': 'nni_rankreg.strategy.SPOS'}
    config = read_config(write({'strategy.class_path': choice}))
    found = build_search(config, {'strategy': 'nni_rankreg.strategy.FairNAS'}).strategy
    assert type(found).__name__ == 'FairNAS'
    with pytest.raises(ConfigError, match='strategy.class_path: Expected a class of .*subprocess'):
        build_search(config, {'strategy': 'subprocess.Popen'})


def test_a_value_of_a_trial_is_no_class_path(write):
    """What is in a value is handed on as it is, and nothing in it is imported."""
    value = {'class_path': 'no_such_package.Loss', 'init_args': {}}
    config = read_config(write())
    with pytest.raises(ConfigError, match='init_args.weight: .*float.*no_such_package'):
        build_search(config, {'lambda': value})


def test_nothing_is_built_if_an_argument_is_wrong(write, monkeypatch):
    monkeypatch.setattr(NasBench201, '__init__', lambda *_, **__: pytest.fail('built'))
    with pytest.raises(ConfigError, match='strategy.init_args.seed'):
        build_search(read_config(write()), {'seed': 'x'})


def test_search_of_several_stages(write, tmp_path):
    config = yaml.safe_load(SEARCH)
    strategy = {'class_path': 'nni_rankreg.strategy.LandmarkSearch', 'init_args': {
        'oneshot': config['strategy'], 'supernet_evaluator': config['evaluator'],
        'iterations': 1, 'archive': str(tmp_path / 'a.sqlite')}}
    search = build_search(read_config(write({'strategy': strategy})))
    assert isinstance(search.strategy, LandmarkSearch) and search.strategy.iterations == 1
    assert search.strategy.supernet_evaluator.trainer.max_epochs == 2


@pytest.mark.parametrize('name, oneshot', [('AceNAS', 'supernet'), ('LandmarkSearch', 'oneshot')])
@pytest.mark.parametrize('wrong', [5, 'digits', yaml.safe_load(SEARCH)['space']])
def test_evaluators_of_supernets_that_are_none(write, name, oneshot, wrong):
    """A number, a text, a space: named with its place, before anything is built."""
    strategy = {'class_path': f'nni_rankreg.strategy.{name}', 'init_args': {
        oneshot: yaml.safe_load(SEARCH)['strategy'], 'supernet_evaluator': wrong}}
    with pytest.raises(ConfigError, match='strategy.init_args.supernet_evaluator: .*Evaluator'):
        build_search(read_config(write({'strategy': strategy})))


REGULARIZER = 'strategy.init_args.regularizers.0'


@pytest.mark.parametrize('key, value, message', [
    ('space.class_path', 'NasBench201', r'space.class_path: Expected an import path, .*NasBench'),
    ('space.class_path', 7, 'space.class_path: Expected an import path, .* got 7'),
    ('space.class_path', {'a': 'b'}, "space.class_path: Expected an import path, .* got {'a'"),
    ('space.class_path', 'nni_rankreg.space.NasBench', 'space.class_path: .* got nni_rankreg.sp'),
    ('space', {'class_path': 'nni_rankreg.schedule.Schedule'}, 'space.class_path: .*ModelSpace, g'),
    ('space.extra', 1, r"space: Expected class_path and init_args only, got \['class_path', 'ex"),
    ('space.init_args', [1], r'space.init_args: Expected names with values, got \[1\]'),
    ('space.init_args.stem', 1, "space.init_args: Nas.*unexpected keyword argument 'stem'"),
    (f'{REGULARIZER}.init_args.wait', 1, "init_args: Landmark.*unexpected keyword argument 'wait'"),
    ('strategy.init_args.scoring', {'class_path': 'nni_rankreg.supernet.Scoring',
                                    'init_args': {'batches': 'ten'}},
     'strategy.init_args.scoring.init_args.batches: .*int.*ten'),
    ('strategy', {}, 'strategy: Expected class_path and init_args, got {}'),
    ('other', 1, 'Expected the keys space, evaluator, strategy, got .*other'),
    (f'{REGULARIZER}.init_args.weight', -1., f'{REGULARIZER}: Expected a weight of at least 0'),
    (f'{REGULARIZER}.init_args.weight', {'parameter': 'x'}, 'weight: Expected parameter, a name'),
    ('evaluator.init_args.max_epohcs', 2,
     'evaluator.init_args.max_epohcs: .*unexpected keyword argument .max_epohcs'),
    ('evaluator.init_args.train_dataloaders.init_args.dataset.init_args.split', 'test',
     'dataset: Expected split .train. or .validation., got .test.'),
])
def test_errors_name_the_key(write, key, value, message):
    path = write({key: value})
    with pytest.raises(ConfigError, match=message) as raised:
        build_search(read_config(path))
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize('text', ['', '[]', 'a: b', '{', 'a: !!python/object/apply:os.getcwd []',
                                  '\0', 'x: &x [*x]', 'space: {a: &a {b: *a}}'])
def test_files_of_another_form(tmp_path, text):
    path = tmp_path / 'search.yml'
    path.write_text(text)
    with pytest.raises(ConfigError, match='Expected'):
        read_config(path)


def test_file_that_contains_itself(write):
    path = write()
    text = path.read_text().replace('num_classes: 10', 'num_classes: &a [*a]')
    path.write_text(text)
    with pytest.raises(ConfigError, match='an alias within what it refers to in line'):
        read_config(path)


@pytest.mark.parametrize('path', [
    'subprocess.Popen', 'os.system', 'builtins.exec', 'torch.load', 'torch.hub.load', 'nni.load',
    'nni_rankregx.evil', 'my_package.Space'])
def test_other_packages_are_refused(write, path):
    with pytest.raises(ConfigError, match=f'space.class_path: Expected a class of .*{path}.. If'):
        read_config(write({'space.class_path': path}))
    assert read_config(write({'space.class_path': path}), trust=True)['space']['class_path'] == path


def test_trusted_file_of_the_user(write, tmp_path, monkeypatch):
    (tmp_path / 'their_space.py').write_text(
        'from nni_rankreg.space import NasBench201\n'
        'class Space(NasBench201):\n    """Theirs."""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    path = write({'space.class_path': 'their_space.Space'})
    assert type(build_search(read_config(path, trust=True), trust=True).space).__name__ == 'Space'
    broken = write({'space.class_path': 'their_space.Spice'})
    with pytest.raises(ConfigError, match='space.class_path: .* got their_space.Spice'):
        build_search(read_config(broken, trust=True), trust=True)


@pytest.mark.slow
def test_nothing_is_imported_before_it_is_needed(write):
    """NNI's manager waits ten seconds for a tuner; PyTorch alone may take them."""
    code = ('import sys; from nni_rankreg.config import read_config; '
            f'read_config({str(write())!r}); import nni_rankreg.tuner; '
            'print("torch" in sys.modules)')
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True,
                            text=True, check=True)
    assert result.stdout.strip() == 'False'


@pytest.mark.parametrize('bound, sizes, message', [
    ('_MODULES', {'num_modules_per_stack': 1000}, 'space: Expected at most 20 modules, got'),
    ('_WEIGHTS', {'num_labels': 10 ** 6}, 'space: Expected at most 20 weights, got more')])
def test_networks_are_bounded(write, monkeypatch, bound, sizes, message):
    monkeypatch.setattr(size, bound, 20)
    with pytest.raises(ConfigError, match=message):
        build_search(read_config(write({'space.init_args': sizes})))
