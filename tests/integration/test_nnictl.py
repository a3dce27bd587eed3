"""A search under nnictl, with NNI's real manager: a trial killed, stopped, resumed, in a browser.

Everything happens in one experiment, as a manager takes a while to start.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
import requests
from helpers.experiments import PATIENCE, descendants, kill
from helpers.nnictl import EPOCHS, LANDMARKS, RANDOM, TOP, Search, parameters

from nni_rankreg.archive import Archive
from nni_rankreg.cli import main
from nni_rankreg.host.run.manager import node_options

pytestmark = pytest.mark.manager


@pytest.fixture(scope='module')
def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp('nnictl')
    search = Search(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('HOME', str(folder / 'home'))
        patch.setenv('NNI_CONFIG_DIR', str(folder / 'config'))
        patch.setenv('OMP_NUM_THREADS', '1')
        patch.setenv('PATH', os.pathsep.join([str(Path(sys.executable).parent),
                                              os.environ['PATH']]))
        (folder / 'home').mkdir()
        assert main(['register']) == 0
        try:
            yield search
        finally:
            kill(search.managers())


@pytest.fixture(scope='module')
def stopped(search):
    """Return what was finished when the search was stopped, after a user had killed a trial."""
    search.create()
    search.wait(lambda: len(search.trials('RUNNING')) == 2)
    search.wait(lambda: len(search.forks()) == 1 + 2 * 2)    # each trial has one that guards it
    forks = search.forks()
    search.killed = search.trials('RUNNING')[0]['trialJobId']
    requests.delete(f'http://localhost:{search.port}/api/v1/nni/trial-jobs/{search.killed}',
                    timeout=60).raise_for_status()
    search.wait(lambda: len(search.finished()) >= 3 and search.trials('RUNNING'))
    search.nnictl('stop', search.id)
    _, alive = psutil.wait_procs([*search.managers(), *forks], timeout=PATIENCE)
    assert not alive
    return search.finished()


@pytest.fixture(scope='module')
def done(search, stopped):
    """Return the search resumed and at its end, with the time stamps of before."""
    archive = Archive(search.folder / 'a.sqlite')
    search.stamps = archive.jobs().set_index('key')['finished'].to_dict()
    search.nnictl('resume', search.id, '--port', str(search.port))
    search.wait(lambda: search.status() == 'DONE')
    return search


def test_stop_and_resume(done, stopped):
    archive = Archive(done.folder / 'a.sqlite')
    jobs = archive.jobs().set_index('key')
    assert set(jobs['status']) == {'done'}
    assert dict(Counter(jobs['kind'])) == {'evaluation': 1, 'SuperNet': 1, 'Prediction': 1,
                                           'StandAlone': LANDMARKS + TOP + RANDOM}
    assert [jobs['finished'][key] for key in stopped] == [done.stamps[key] for key in stopped]
    assert len(archive.results().samples) == len(archive.to_frame()) == (
        LANDMARKS + TOP + RANDOM)


def test_no_finished_trial_is_repeated(done):
    """Only what was killed is; those that were stopped go on as the trials that they were.

    NNI hands parameters to whichever trial asks first, so the one that was killed may have had
    none yet, and then nothing has to be repeated.
    """
    trials = done.trials()
    states = Counter(trial['status'] for trial in trials)
    assert states.pop('USER_CANCELED') == 1 and set(states) == {'SUCCEEDED'}
    assert states['SUCCEEDED'] - (LANDMARKS + 1 + TOP + RANDOM) in (-1, 0)
    stages = Counter(parameters(trial)['mutation_summary']['stage'] for trial in trials)
    assert stages['landmark'] - LANDMARKS in (0, 1)
    assert (stages['supernet 1'], stages['best 1'], len(stages)) == (1, TOP + RANDOM, 3)


def test_experiment_ends_by_itself(done):
    assert done.get('experiment')['params']['maxTrialNumber'] == len(done.trials())
    assert not done.get('check-status')['errors']


def test_stages_and_choices_can_be_read(done):
    summaries = [parameters(trial)['mutation_summary'] for trial in done.trials()]
    space = done.get('experiment')['params']['searchSpace']
    assert all(set(one) - {'stage', 'predicted'} == set(space) for one in summaries
               if one['stage'] != 'supernet 1')


def test_what_was_predicted_is_beside_the_result(done):
    trials = [one for one in done.trials('SUCCEEDED')
              if parameters(one)['mutation_summary']['stage'] == 'best 1']
    assert len(trials) == TOP + RANDOM
    finals = [json.loads(json.loads(one['finalMetricData'][0]['data'])) for one in trials]
    assert all(one.keys() == {'default', 'predicted'} for one in finals)
    # Of trials that start together, NNI gives each the parameters that are next in its queue.
    assert {one['predicted'] for one in finals} == {
        parameters(one)['mutation_summary']['predicted'] for one in trials}
    assert all(0 < one['predicted'] < 1 for one in finals)


def test_ranking_of_each_epoch_belongs_to_the_supernet(done):
    key, = [json.loads(trial['hyperParameters'][0])['parameter_id'] for trial in done.trials()
            if parameters(trial)['mutation_summary']['stage'] == 'supernet 1']
    reports = [json.loads(json.loads(one['data'])) for one in done.get('metric-data')
               if one['type'] == 'PERIODICAL' and int(one['parameterId']) == key]
    assert [one['epoch'] for one in reports] == list(range(EPOCHS))
    assert all(one['default'] == one['kendall_tau'] for one in reports)


def test_check_accepts_what_runs(search, capsys):
    assert main(['check', str(search.folder / 'experiment.yml')]) == 0
    assert capsys.readouterr().out.endswith('experiment.yml: fine\n')


def test_manager_ends_with_a_tuner_that_is_killed(search, tmp_path, monkeypatch):
    """With the options that the documentation gives; without, it waits for its tuner for good."""
    monkeypatch.setenv('NODE_OPTIONS', node_options())
    other = Search(tmp_path, port=18400)
    try:
        other.create()
        other.wait(lambda: len(other.forks()) == 1 + 2 * 2)
        manager, = other.managers()
        processes = [manager, *descendants(manager)]
        min(other.forks(), key=psutil.Process.create_time).parent().kill()
        _, alive = psutil.wait_procs(processes, timeout=60)
        assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    finally:
        kill(other.managers())


# In a browser

def text(browser):
    return browser.find_element('tag name', 'body').text


def click(browser, name):
    browser.find_element('xpath', f'//*[text()="{name}"]').click()


def see(browser, words):
    deadline = time.monotonic() + 60
    while not all(word in text(browser) for word in words):
        assert time.monotonic() < deadline, (words, text(browser))
        time.sleep(0.5)


def keep(browser, name):
    """Keep a screenshot where RANKREG_SCREENSHOTS says, for the documentation."""
    folder = os.environ.get('RANKREG_SCREENSHOTS')
    if folder:
        time.sleep(1)                                        # the curves are animated
        browser.save_screenshot(str(Path(folder) / f'{name}.png'))


def test_overview(done, browser):
    browser.get(f'http://localhost:{done.port}/oview')
    see(browser, ['DONE', 'Top trials', 'LandmarkSearch', 'nni-rankreg trial'])
    keep(browser, 'ui_overview')


def test_hyper_parameter_graph(done, browser):
    browser.get(f'http://localhost:{done.port}/detail')
    click(browser, 'Hyper-parameter')
    see(browser, ['cell/0_1', 'cell/2_3', 'conv_3x3', 'stage', 'supernet 1', 'landmark',
                  'predicted'])
    lines = browser.execute_script('return document.querySelectorAll(".parcoords canvas").length')
    assert lines > 0
    keep(browser, 'ui_hyper_parameter')


def row_of(browser, done, stage):
    """Return the row of a trial of that stage in the table."""
    trial = next(one['trialJobId'] for one in done.trials('SUCCEEDED')
                 if parameters(one)['mutation_summary']['stage'] == stage)
    browser.get(f'http://localhost:{done.port}/detail')
    return browser.find_element(
        'xpath', f'//*[contains(@class, "ms-DetailsRow ")][.//*[contains(text(), "{trial}")]]')


def test_readable_architecture(done, browser):
    row_of(browser, done, 'best 1').find_element(
        'css selector', 'i[data-icon-name="ChevronRight"]').click()
    see(browser, ['Parameters', 'Log', 'cell/0_1', 'stage', 'best 1'])
    assert '__symbol__' not in text(browser)
    keep(browser, 'ui_trial')


def test_curves_of_the_supernet(done, browser):
    """The rank correlation of each epoch can be chosen in the dialog of its trial."""
    row = row_of(browser, done, 'supernet 1')
    row.find_element('css selector', 'button[title="Intermediate"]').click()
    dialog = browser.find_element('css selector', '.ms-Modal, .ms-Dialog-main')
    dialog.find_element('css selector', '.ms-Dropdown').click()
    see(browser, ['default', 'kendall_tau', 'val_acc'])
    click(browser, 'kendall_tau')
    keep(browser, 'ui_intermediate')
