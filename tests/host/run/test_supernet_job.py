"""Super-nets as jobs, with a strategy that trains a single number."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import nni
import pytest
import torch
from helpers.jobs import OneShot, Scripted, job, run, sequential, simplified, supernet
from torch import nn

from nni_rankreg.host.run.parameters import dump_model
from nni_rankreg.host.run.results_file import ResultsFile, read_results_file
from nni_rankreg.host.run.supernet_job import SuperNetModelSpace, save_weights
from nni_rankreg.plan import SuperNet, SuperNetOutcome
from nni_rankreg.typing import Results


def test_supernet_outcome(tmp_path):
    path = tmp_path / 'first.pt'
    (outcome, again), _ = run(sequential(), [supernet(save=str(path))] * 2)
    score = outcome.scores[0]
    assert 1 < score < 2
    assert again == outcome == SuperNetOutcome(              # seeded by the strategy's seed
        best=[job(6).sample, job(4).sample], scores=[score, score], metrics={'default': 0.5},
        history=[{'default': 0.25}, {'default': 0.5}], weights=str(path),
        measured={'scores': [0.5]})
    assert os.listdir(path.parent) == ['first.pt']
    assert torch.load(path)['weight'].item() == 1


def test_supernet_starts_from_weights(tmp_path, caplog):
    first, second = str(tmp_path / '1.pt'), str(tmp_path / '2.pt')
    run(sequential(), [supernet(save=first)])
    run(sequential(), [supernet(save=second, weights=first)])
    assert torch.load(second)['weight'].item() == 2 and not caplog.records
    os.remove(first)
    run(sequential(), [supernet(save=second, weights=first)])
    assert torch.load(second)['weight'].item() == 1
    assert [record.message for record in caplog.records] == [
        f'Weights {first} are not on this machine; the super-net starts anew.']


def test_machine_without_the_folder_of_the_weights(tmp_path):
    """Is told of before the training."""
    job = supernet(save=str(tmp_path / 'shared' / 'first.pt'))
    outcome, = run(sequential(), [job])[0]
    assert re.search(rf'Expected the folder {tmp_path}/shared of the weights on .*, got none. '
                     'Let it .* as work_dir.', outcome.error)
    assert not hasattr(job.oneshot, 'level')


def test_weights_are_replaced_at_once(tmp_path, monkeypatch):
    path = tmp_path / 'w.pt'
    save_weights(nn.Linear(1, 1), str(path))
    before = path.read_bytes()

    def killed(state, name):
        Path(name).write_bytes(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, 'save', killed)
    with pytest.raises(KeyboardInterrupt):
        save_weights(nn.Linear(1, 1), str(path))
    assert path.read_bytes() == before


def test_supernet_job_survives_serialisation(tmp_path):
    one = supernet(weights='a.pt', save='b.pt', title='control 3')
    model = SuperNetModelSpace(simplified().model, Scripted({'1': 'raise'}), one,
                               ResultsFile(one.results).write(tmp_path))
    copy = nni.load(nni.dump(model))
    assert copy.job.results == one.results and copy.job.oneshot.seed == 0
    assert (copy.job.top, copy.job.weights, copy.job.save, copy.job.title) == (
        2, 'a.pt', 'b.pt', 'control 3')
    assert copy.evaluator.finals == {'1': 'raise'}
    assert nni.dump(copy) == nni.dump(model)


def test_many_results_are_no_part_of_what_nni_sends(tmp_path):
    def sent(count):
        results = Results([{'x': f'{number:06}'} for number in range(count)], [0.5] * count, 'max')
        one = SuperNet(OneShot(), results, 2)
        file = ResultsFile(results).write(tmp_path)
        return dump_model(SuperNetModelSpace(simplified().model, Scripted(), one, file))
    assert len(sent(5000)) == len(sent(2))
    assert nni.load(sent(5000)).job.results.samples[-1] == {'x': '004999'}


def test_machine_without_the_file_of_results(tmp_path):
    """The tuner, which loads the parameters of each trial that has ended, needs no file."""
    runner = sequential()
    text = dump_model(runner._model(supernet()))
    shutil.rmtree(runner.folder)
    try:
        model = nni.load(text)
        with pytest.raises(FileNotFoundError, match='Expected the stand-alone results of the '
                           rf'search at {runner.folder}.* on .*, got no file. .* as work_dir.'):
            model.execute()
    finally:
        runner.folder.mkdir()


def test_a_file_of_results_is_written_once(tmp_path):
    """Whatever process asks for it, under a name that only these results have."""
    first, again, other = (ResultsFile(supernet(numbers).results) for numbers in (
        (7, 5), (7, 5), (5, 7)))
    path = first.write(tmp_path)
    before = os.stat(path)
    assert again.write(tmp_path) == path and os.stat(path) == before
    assert read_results_file(other.write(tmp_path)) == supernet((5, 7)).results
    assert len(os.listdir(tmp_path)) == 2


def test_a_file_of_results_has_the_name_of_before(tmp_path):
    """So that a search goes on that an earlier release has begun; some lack a label."""
    given = Results([{'a': 1, 'b': [0]}, {'a': True, 'b': [0, 'x']}, {'a': 1.0}, {'b': [0]}],
                    [0.1, 0.2, 0.3, 0.4], 'max')
    file = ResultsFile(given)
    found = read_results_file(file.write(tmp_path))
    assert file.name == 'results-694081a553fece3f.npz' and found == given
    assert [type(one['a']) for one in found.samples[:3]] == [int, bool, float]
