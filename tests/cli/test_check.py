"""Commands for searches under nnictl, without a manager."""

from __future__ import annotations

import re
import sys

import nni
import pytest
import yaml
from helpers.search_file import SEARCH
from nni.runtime.config import get_builtin_config_file
from nni.tools.package_utils import get_algo_meta, get_all_algo_meta

from nni_rankreg import tuner
from nni_rankreg.cli import main, register
from nni_rankreg.cli import trial as trial_command
from nni_rankreg.host.run.registry import register_algorithms
from nni_rankreg.host.run.tuner import PlanTuner

EXPERIMENT = {
    'searchSpace': {}, 'trialCommand': 'nni-rankreg trial', 'trialConcurrency': 1,
    'tuner': {'name': 'LandmarkSearch', 'classArgs': {'config': 'search.yml'}},
    'trainingService': {'platform': 'local'}}
NAMES = ['LandmarkSearch', 'AceNAS']


@pytest.fixture(autouse=True)
def own_list(tmp_path, monkeypatch):
    monkeypatch.setenv('NNI_CONFIG_DIR', str(tmp_path / 'config'))


def registered():
    return [one.name for one in get_all_algo_meta() if not one.is_builtin]


def test_register_and_unregister(tmp_path, capsys):
    before = get_builtin_config_file('registered_algorithms.yml').read_text()
    for _ in range(2):
        assert main(['register']) == 0
        assert str(tmp_path / 'config' / 'registered_algorithms.yml') in capsys.readouterr().out
        assert registered() == NAMES
    for name in NAMES:
        module, _, attribute = get_algo_meta(name).class_name.rpartition('.')
        assert issubclass(getattr(sys.modules[module], attribute), PlanTuner)
        assert getattr(tuner, name).strategy == name
    for _ in range(2):
        assert main(['register', '--unregister']) == 0
        assert registered() == []
    assert get_builtin_config_file('registered_algorithms.yml').read_text() == before


def test_names_of_others_are_left_alone(tmp_path):
    register_algorithms([{'algoType': 'tuner', 'builtinName': 'AceNAS',
                                 'className': 'their.Tuner'}])
    assert main(['register']) == 2 and registered() == ['AceNAS']
    assert main(['register', '--unregister']) == 0 and registered() == ['AceNAS']


def test_nnictl_knows_the_file():
    """Its own command reads the same file."""
    from nni.tools.nnictl.algo_management import read_reg_meta_list, verify_algo_import
    path = register.__file__.replace('register.py', 'algorithm.yml')
    metas = read_reg_meta_list(path)
    for meta in metas:
        verify_algo_import(meta)
    assert [meta.name for meta in metas] == NAMES and all(meta.is_advisor for meta in metas)


# Check

def landmark_search(tmp_path):
    config = yaml.safe_load(SEARCH)
    return {**config, 'strategy': {
        'class_path': 'nni_rankreg.strategy.LandmarkSearch',
        'init_args': {'oneshot': config['strategy'], 'supernet_evaluator': config['evaluator'],
                      'archive': str(tmp_path / 'a.sqlite')}}}


@pytest.fixture
def check(tmp_path, capsys):
    """Return a function: changes of the two files -> exit status and the message."""
    def check(search=None, words=(), **experiment):
        search = landmark_search(tmp_path) if search is None else search
        (tmp_path / 'search.yml').write_text(yaml.safe_dump(search))
        path = tmp_path / 'experiment.yml'
        path.write_text(yaml.safe_dump({**EXPERIMENT, **experiment}))
        status, output = main(['check', str(path), *words]), capsys.readouterr()
        return status, output.err or output.out
    return check


@pytest.fixture
def names():
    assert main(['register']) == 0


def test_what_is_fine(check, names):
    status, message = check()
    assert status == 0 and message.endswith('experiment.yml: fine\n')
    form = {'className': 'nni_rankreg.tuner.LandmarkSearch', 'codeDirectory': '.',
            'classArgs': {'config': 'search.yml'}}
    assert check(tuner=form)[0] == 0


def tuner_of(**arguments):
    return {'name': 'LandmarkSearch', 'classArgs': arguments}


@pytest.mark.parametrize('changes, key', [
    ({'tuner': {'name': 'LandmarkSerch'}}, 'tuner.name: .* got .LandmarkSerch.. .*nni-rankreg reg'),
    ({'tuner': {'className': 'nni_rankreg.tuner.X', 'codeDirectory': '.'}}, 'tuner.className: '),
    ({'tuner': tuner_of()}, "tuner.classArgs: .*missing a required argument: 'config'"),
    ({'tuner': tuner_of(config='search.yml', colour=1)}, "classArgs: .*keyword argument 'colour'"),
    ({'tuner': tuner_of(config=7)}, 'tuner.classArgs: Expected the path of a file'),
    ({'tuner': tuner_of(config='search.yml', trust='yes')}, 'tuner.classArgs: .*true or false'),
    ({'tuner': tuner_of(config='none.yml')}, 'tuner.classArgs.config: none.yml: .*No such file'),
    ({'tuner': {'name': 'AceNAS', 'classArgs': {'config': 'search.yml'}}},
     'strategy.class_path: Expected AceNAS, as the tuner is named, got .*LandmarkSearch'),
    ({'trialCommand': 'python trial.py'}, 'trialCommand: Expected nni-rankreg trial, got python'),
    ({'trialConcurrency': 'two'}, 'experiment.yml: .*trial_?concurrency'),
    ({'trialConcurency': 2}, 'experiment.yml: .*trial_?concurency'),
    ({'search': {'space': {}}}, 'tuner.classArgs.config: search.yml: .*Expected the keys space'),
])
def test_offending_key(check, names, changes, key):
    status, message = check(**changes)
    assert status == 2 and re.search(key, message, re.IGNORECASE), message
    assert message.startswith('nni-rankreg: ') and len(message.strip().splitlines()) == 1


def hyper(space, command='nni-rankreg trial --config search.yml'):
    return {'search': yaml.safe_load(SEARCH), 'searchSpace': space, 'trialCommand': command,
            'tuner': {'name': 'Random'}}


CHOICE = {'_type': 'choice', '_value': [1., 10.]}
SEEDS = {'_type': 'choice', '_value': [1, 2]}


def test_experiment_of_hyper_parameters(check):
    assert check(**hyper({'lambda': CHOICE, 'seed': SEEDS}))[0] == 0


@pytest.mark.parametrize('changes, key', [
    (hyper({'lambda': CHOICE}), 'searchSpace.seed: .*got seed in search.yml only'),
    (hyper({'lambda': CHOICE, 'seed': CHOICE, 'tau': CHOICE}), 'searchSpace.tau: .*space only'),
    (hyper([1]), r'searchSpace: Expected the parameters .*got \[1\]'),
    (hyper({'lambda': 3, 'seed': {'_type': 'choice'}}),
     'searchSpace: Expected .*a list as _value, got .*lambda'),
    (hyper({}, 'nni-rankreg trial'), 'trialCommand: Expected nni-rankreg trial --config FILE'),
    (hyper({}, 'nni-rankreg trial --config x.yml'), 'trialCommand: x.yml: .*No such file'),
])
def test_offending_hyper_parameter(check, changes, key):
    status, message = check(**changes)
    assert status == 2 and re.search(key, message)


def test_choices_fit_what_they_are_for(check):
    space = {'lambda': {'_type': 'choice', '_value': [1., '1e-3']}, 'seed': SEEDS}
    status, message = check(**hyper(space))
    assert status == 2 and re.search('searchSpace.lambda: .*weight: Expected float, got', message)


THEIRS = {'className': 'theirs.Tuner', 'codeDirectory': '.'}


@pytest.mark.parametrize('changes, key', [
    ({'tuner': THEIRS}, 'tuner.className: Expected one of nni_rankreg.tuner, got .*--trust'),
    ({'tuner': tuner_of(config='search.yml', trust=True)}, 'tuner.classArgs.trust: Expected --tru'),
    (hyper({'lambda': CHOICE, 'seed': SEEDS}, 'nni-rankreg trial --config search.yml --trust'),
     'trialCommand: Expected --trust of this command'),
])
def test_files_of_a_folder_are_imported_with_trust_only(check, names, tmp_path, monkeypatch,
                                                        changes, key):
    """Neither a file, nor a module that a library looks for and does not find, is imported."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.delitem(sys.modules, 'theirs', raising=False)
    for name in ('theirs', 'lmdb', 'tensorboardX'):
        (tmp_path / f'{name}.py').write_text(
            'from nni_rankreg.space import NasBench201\nclass Tuner: ...\n'
            f'class Space(NasBench201): ...\nopen({str(tmp_path / "mark")!r}, "w")')
    search = yaml.safe_load(SEARCH) if 'search' in changes else landmark_search(tmp_path)
    search['space'] = {'class_path': 'theirs.Space'}
    status, message = check(**{**changes, 'search': search})
    assert status == 2 and re.search(key, message) and not (tmp_path / 'mark').exists()
    check(**{**changes, 'search': search}, words=['--trust'])
    assert (tmp_path / 'mark').exists()


def test_search_file_alone(tmp_path, capsys):
    path = tmp_path / 'search.yml'
    path.write_text(SEARCH.replace('nni_rankreg.space.NasBench201', 'no_such_package.Space'))
    assert main(['check', str(path)]) == 2
    assert 'space.class_path: Expected a class of' in capsys.readouterr().err
    assert main(['check', str(path), '--trust']) == 2
    assert 'space.class_path: Expected the path of a class' in capsys.readouterr().err


# Trial

EVOLUTION = """
    scoring: {class_path: nni_rankreg.supernet.Scoring, init_args: {batches: 1}}
    evolution:
      class_path: nni_rankreg.search.Evolution
      init_args: {evaluations: 10, population: 5, tournament: 2, progress: false}
"""


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """Return a function: the parameters of the trial -> exit status and what it has reported."""
    def trial(parameters, text=SEARCH, *words):
        path = tmp_path / 'oneshot.yml'
        path.write_text(text)
        reports = []
        record = {'parameter_id': 7, 'parameters': parameters}
        monkeypatch.setattr(nni, 'get_next_parameter', lambda: parameters)
        monkeypatch.setattr(nni.trial, '_params', record)
        for kind in ('intermediate', 'final'):
            monkeypatch.setattr(nni, f'report_{kind}_result', lambda metric, kind=kind: (
                reports.append((kind, nni.trial._params['parameter_id'], metric))))
        return main(['trial', *(words or ('--config', str(path)))]), reports
    return trial


@pytest.mark.slow
def test_oneshot_search_as_a_trial(trial, capsys):
    """Every epoch is reported on the parameters of the trial, and the best architecture."""
    landmarks = 'landmarks: {class_path: nni_rankreg.evaluator.digits.digits_truth}'
    text = SEARCH.replace('landmarks: null', landmarks)
    status, reports = trial({'lambda': 1., 'seed': 5}, text + EVOLUTION)
    assert status == 0
    assert [(kind, key) for kind, key, _ in reports] == [('intermediate', 7)] * 2 + [('final', 7)]
    for _, _, metric in reports:
        assert metric['default'] == metric['kendall_tau_landmarks'] and 'val_acc' in metric
    assert [metric['epoch'] for _, _, metric in reports[:2]] == [0., 1.]
    assert 'cell/0_1' in reports[-1][2]['best']
    assert len(re.findall(r'^-?\d.*cell/0_1', capsys.readouterr().out, re.MULTILINE)) == 5


def test_trial_without_a_search(trial, capsys):
    status, reports = trial({'x': 1}, SEARCH, '--top', '3')
    assert status == 2 and not reports
    assert 'config: Expected a search file, as the parameters' in capsys.readouterr().err


def test_search_of_several_stages_is_no_trial(trial, tmp_path, capsys):
    text = yaml.safe_dump(landmark_search(tmp_path))
    assert trial({}, text)[0] == 2
    assert 'Expected a one-shot strategy for a single trial' in capsys.readouterr().err


def test_traceback_of_a_job_is_kept_for_the_search():
    class Failing:
        def execute(self):
            raise ValueError('There is no data.')

    with pytest.raises(SystemExit) as raised:
        trial_command._execute(Failing())
    assert raised.value.code == 1


@pytest.mark.parametrize('row, message', [
    ('none,none,none,none,none,conv_9x9,0.5', "in line 3 of landmarks.csv.*'conv_9x9'"),
    ('none,none,none,none,none,none,0.5', 'search.yml: fine')])
def test_landmarks_are_checked_against_the_space(row, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    labels = [f'cell/{start}_{end}' for end in (1, 2, 3) for start in range(end)]
    (tmp_path / 'landmarks.csv').write_text('\n'.join([
        ','.join([*labels, 'metric']), 'none,none,none,none,none,conv_1x1,0.4', row]))
    (tmp_path / 'search.yml').write_text(SEARCH.replace('landmarks: null',
                                                        'landmarks: landmarks.csv'))
    status = main(['check', 'search.yml'])
    said = capsys.readouterr()
    assert status == (2 if 'conv_9x9' in row else 0)
    assert re.search(message, said.err + said.out) and len(said.err.splitlines()) < 2


def test_evaluators_that_cannot_train_a_supernet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'table.csv').write_text('sample,metric\n"{""x"": 1}",0.5\n')
    before, after = SEARCH.split('evaluator:')[0], SEARCH[SEARCH.index('strategy:'):]
    (tmp_path / 'search.yml').write_text(f"""{before}evaluator:
  class_path: nni_rankreg.table.TableEvaluator
  init_args: {{path: table.csv}}
{after}""")
    assert main(['check', 'search.yml']) == 2
    assert re.search(r"strategy: Expected NNI's Lightning evaluator .* got TableEvaluator",
                     capsys.readouterr().err)
