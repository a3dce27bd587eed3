"""The command that measures a space: its table, its last lines, and wrong input."""

from __future__ import annotations

import json
import logging
import re

import pytest
from helpers.counter import Counter

from nni_rankreg.cli import main
from nni_rankreg.constraint import MeasuredLatency
from nni_rankreg.constraint.measured import latency as module
from nni_rankreg.constraint.measured import turns
from nni_rankreg.space import NasBench201

SMALL = {'class_path': 'nni_rankreg.space.NasBench201',
         'init_args': {'stem_out_channels': 4, 'num_modules_per_stack': 1}}


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    monkeypatch.setattr(module, 'Stopwatch', Counter)
    monkeypatch.setattr(Counter, 'calls', 0)
    monkeypatch.setattr(Counter, 'last', 10 ** 9)


def run(out, *more):
    return main(['latency', '--space', json.dumps(SMALL), '--input', '3,8,8', '--out', str(out),
                 '--networks', '10', '--unseen', '5', '--repeats', '1', *more])


def test_table_and_error(tmp_path, capsys, caplog, monkeypatch):
    monkeypatch.setattr(turns, '_logger', logging.getLogger('heard'))  # ours goes where it began
    caplog.set_level(logging.INFO)
    assert run(tmp_path / 'pixel.csv') == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert re.search(r'Latency: 110 to time, up to 1 times each, in about \d+ s\.', caplog.text)
    assert re.fullmatch('Cross-validation: sum 0.0%, sum and ridge regression 0.0%, .*', lines[-3])
    assert lines[-2].startswith('On 5 networks that it has not seen: error 0.0%, Spearman 1.000')
    assert re.fullmatch(f'10 networks on .*, operations: {tmp_path}/pixel.csv', lines[-1])
    latency = MeasuredLatency.read(tmp_path / 'pixel.csv', NasBench201(4, 1))
    every = [dict.fromkeys(NasBench201(4, 1).simplify(), one) for one in ('none', 'conv_3x3')]
    # Six 3x3 convolutions in a cell of each stack, of 4, 8, 16 channels and 8, 4, 2 pixels.
    assert float(latency(every).diff()) == pytest.approx(
        6 * 9 * (4 * 4 * 8 * 8 + 8 * 8 * 4 * 4 + 16 * 16 * 2 * 2) / 1e3, rel=1e-3)


def test_the_same_command_goes_on(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Counter, 'last', 50)
    with pytest.raises(SystemExit) as raised:
        run(tmp_path / 'pixel.csv')
    assert raised.value.code == 130
    assert 'what was measured is in' in capsys.readouterr().err
    monkeypatch.setattr(Counter, 'last', 10 ** 9)
    assert run(tmp_path / 'pixel.csv') == 0
    assert Counter.calls == 51 + 60
    assert run(tmp_path / 'pixel.csv') == 0 and Counter.calls == 111


@pytest.mark.parametrize('arguments, message', [
    (('--input', '3,x'), "Expected an input such as 3,224,224, got '3,x'"),
    (('--input', '5,8,8'), 'Expected an example input that the networks of the space take, got one '
                           'of shape (1, 5, 8, 8)'),
    (('--device', 'cuda:77'), 'Expected a device that PyTorch can compute on'),
    (('--threads', '0'), 'Expected threads above 0, got 0'),
    (('--unseen', '-1'), 'Expected unseen of at least 0, got -1'),
    (('--networks', '3'), '10 networks and 1 repeat'), (('--backend', 'tvm'), 'backend'),
    (('--space', 'torch.nn.ReLU'), 'Expected an import path of a model space'),
    (('--space', 'nowhere.Space'), 'nowhere')])
def test_wrong_input(tmp_path, capsys, arguments, message):
    assert run(tmp_path / 'pixel.csv', *arguments) == 2
    line, = capsys.readouterr().err.strip().splitlines()
    assert line.startswith('nni-rankreg: ') and message in line
    assert not Counter.calls and not (tmp_path / 'pixel.csv').exists()


def test_a_table_of_another_space(tmp_path, capsys):
    run(tmp_path / 'pixel.csv', '--unseen', '0')
    capsys.readouterr()
    assert run(tmp_path / 'pixel.csv', '--space', 'nni_rankreg.space.NasBench201') == 2
    line, = capsys.readouterr().err.strip().splitlines()
    assert 'Expected a table of this space, NasBench201, in' in line
