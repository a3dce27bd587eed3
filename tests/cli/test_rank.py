"""The command that ranks a space from a CSV of results: any space, any form of the file."""

from __future__ import annotations

import csv
import json
import re

import pytest
from nni.mutable import Categorical
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from scipy.stats import kendalltau
from torch import nn

from nni_rankreg.cli import main
from nni_rankreg.cli.rank import rank
from nni_rankreg.predictor import WeakLabels
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.typing import Results, sample_key

SPACE = {'kernel': Categorical([1, 3, 5], label='kernel'),
         'width': Categorical([8, 16, 24, 32], label='width'),
         'norm': Categorical(['batch', 'none', 'layer'], label='norm'),
         'drop': Categorical([0.0, 0.5], label='drop'), 'skip': Categorical([True, False],
                                                                            label='skip')}
HEADER = list(SPACE)


class Tiny(ModelSpace):
    """A user's own space."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(
            LayerChoice({name: nn.Identity() for name in 'abc'}, label=f'layer{i}')
            for i in range(3)))


def metric_of(sample):
    return (sample['kernel'] + sample['width'] / 8 - 2 * (sample['norm'] == 'none')
            - sample['drop'] + sample['skip'])


def draw(count, seed=0):
    samples = UniformSampler(SPACE, seed).distinct(count)
    return Results(samples, [float(metric_of(sample)) for sample in samples])


def write(path, header, rows):
    with open(path, 'w', newline='') as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_choices(path):
    path.write_text(json.dumps({label: leaf.values for label, leaf in SPACE.items()}))
    return str(path)


def rows(folder):
    with open(folder / 'ranking.csv', newline='') as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_own_space_by_its_columns(tmp_path, capsys):
    """No NNI class at all: a column for each label, and one of results."""
    results = draw(50)
    table = write(tmp_path / 't.csv', ['id', *HEADER, 'acc'], [
        [i, *(sample[label] for label in HEADER), metric]
        for i, (sample, metric) in enumerate(results.pairs())])
    space = write_choices(tmp_path / 'space.json')
    rank(table, space=space, column='acc', out=tmp_path, count=144)
    found, printed = rows(tmp_path), capsys.readouterr().out
    samples = [json.loads(row['sample']) for row in found]
    assert len({row['sample'] for row in found}) == 144
    scores = [float(row['score']) for row in found]
    assert scores == sorted(scores, reverse=True)
    known = dict(zip(map(sample_key, results.samples), results.metrics))
    assert {row['sample']: float(row['metric']) for row in found if row['metric']} == known
    assert kendalltau(scores, list(map(metric_of, samples)))[0] > .6
    assert 'Held out 10 of 50: Kendall tau-b' in printed
    assert '144 architectures by 50 results, seed 0' in printed
    assert sum(line.startswith('|') for line in printed.splitlines()) == 12


@pytest.mark.slow
def test_command_line_of_a_space_of_nni(tmp_path, capsys):
    samples = UniformSampler(Tiny(), seed=1).distinct(12)
    metrics = [sum('abc'.index(choice) for choice in sample.values()) for sample in samples]
    table = write(tmp_path / 't.csv', ['sample', 'metric'],
                  zip(map(sample_key, samples), metrics))
    assert main(['rank', '--table', str(table), '--space', f'{__name__}.Tiny',
                 '--out', str(tmp_path), '--top', '3']) == 0
    found = rows(tmp_path)
    assert len(found) == 27 and sum(bool(row['metric']) for row in found) == 12
    assert '12 results are too few to hold some out' in capsys.readouterr().out


@pytest.mark.slow
def test_losses_are_ranked_the_other_way(tmp_path):
    samples, metrics, _ = draw(30)
    found = {}
    for mode, sign in (('max', 1), ('min', -1)):
        write(tmp_path / 't.csv', ['sample', 'metric'],
              [(sample_key(sample), sign * metric) for sample, metric in zip(samples, metrics)])
        assert main(['rank', '--table', str(tmp_path / 't.csv'), '--mode', mode, '--count', '40',
                     '--out', str(tmp_path)]) == 0
        found[mode] = [(row['sample'], row['score'], row['metric'] and sign * float(row['metric']))
                       for row in rows(tmp_path)]
    assert found['min'] == found['max'] and any(metric for *_, metric in found['min'])


@pytest.mark.slow
def test_choices_of_the_table_if_there_is_no_space(tmp_path, capsys):
    results = Results([{'cell/a': 'x', 'b': 1}, {'cell/a': 'y', 'b': 1}, {'cell/a': 'x', 'b': 2}],
                      [3., 1., 2.])
    table = write(tmp_path / 't.csv', ['sample', 'metric'],
                  zip(map(sample_key, results.samples), results.metrics))
    rank(table, out=tmp_path)
    assert {row['sample'] for row in rows(tmp_path)} == {
        sample_key({'cell/a': a, 'b': b}) for a in 'xy' for b in (1, 2)}


@pytest.mark.slow
def test_weak_labels_pretrain(tmp_path, capsys):
    table = write(tmp_path / 't.csv', ['sample', 'metric'],
                  [(sample_key(sample), metric) for sample, metric in draw(8).pairs()])
    weak = draw(100, seed=1)
    WeakLabels(weak.samples, {'cheap': weak.metrics}).to_csv(tmp_path / 'weak.csv')
    space = write_choices(tmp_path / 'space.json')
    taus = []
    for pretraining in (None, tmp_path / 'weak.csv'):
        rank(table, space=space, weak=pretraining, out=tmp_path)
        found = rows(tmp_path)
        taus.append(kendalltau([float(row['score']) for row in found],
                               [metric_of(json.loads(row['sample'])) for row in found])[0])
    assert taus[1] > max(.7, taus[0] + .1)


@pytest.mark.parametrize('header, row, arguments, message', [
    (['kernel', 'acc'], (1, 2), [], "column that begins with metric in .*got .'kernel', 'acc'"),
    (['kernel', 'metric'], (1, 2), ['--space', 'SPACE'], "Expected a column 'width'"),
    ([*HEADER, 'metric'], (7, 8, 'none', 0, 'true', 1), ['--space', 'SPACE'],
     "in line 2 of .*'7', which is no choice of 'kernel'"),
    ([*HEADER, 'metric'], (5, 8, 'none', 0, 'true', 'good'), ['--space', 'SPACE'], 'good'),
    (['sample', 'metric'], ('{"a": [1]}', 1), [], "Expected --space, as the choices of 'a'"),
    (['sample', 'metric'], ('{"a": 1}', 1), ['--space', 'BAD'], 'list of different choices'),
    (['sample', 'metric'], ('{"a": 1}', 1), ['--space', 'nothing.Here'], 'import path of a model'),
])
def test_wrong_input_is_told_in_one_line(tmp_path, capsys, header, row, arguments, message):
    table = write(tmp_path / 't.csv', header, [row])
    (tmp_path / 'bad.json').write_text('{"a": 1}')
    files = {'SPACE': write_choices(tmp_path / 'space.json'), 'BAD': str(tmp_path / 'bad.json')}
    words = ['rank', '--table', str(table), '--out', str(tmp_path),
             *(files.get(word, word) for word in arguments)]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and re.search(message, error)


TEXT = 'width,norm,metric\n8,a,1\n16,a,2\n8,b,3\n'


@pytest.mark.parametrize('space', [
    '{"width": [], "norm": ["a"]}', '{"width": [8, 8.0]}', '{"width": [1, true]}', '[8]', '{}', '{',
    '{"width": "8"}', '{"width": [[[8]]]}', '{"width": [{"a": 8}]}', '{"width": [NaN]}', 'null',
    '{"width": [8], "width": [16]}', '{"": [8]}', '{"width": ' + '[' * 10 ** 5,
    '{"width": ' + str(list(range(10_001))) + '}', b'{"width": ["\xe4"]}'])
def test_no_space(tmp_path, capsys, space):
    (tmp_path / 't.csv').write_text(TEXT)
    (tmp_path / 'space.json').write_bytes(space if isinstance(space, bytes) else space.encode())
    assert main(['rank', '--table', str(tmp_path / 't.csv'), '--out', str(tmp_path / 'out'),
                 '--space', str(tmp_path / 'space.json')]) == 2
    line, = capsys.readouterr().err.strip().splitlines()
    assert re.search(r'Expected label -> list of (different )?choices.* in .*space.json, got', line)
    assert len(line) < 600


@pytest.mark.parametrize('words, message', [
    (['--space', '..a'], 'import path of a model space'),
    (['--count', '0'], 'count above 0, got 0'),
    (['--top', '-1'], 'top above 0, got -1'), (['--pool', '0'], 'pool above 0, got 0'),
    (['--out', 'FILE'], 'File exists'),
    (['--column', 'constant'], 'different metrics to learn from'),
])
def test_wrong_words(tmp_path, capsys, words, message):
    (tmp_path / 't.csv').write_text(TEXT.replace('\n', ',1\n').replace('c,1', 'c,constant'))
    words = [str(tmp_path / 't.csv') if word == 'FILE' else word for word in words]
    assert main(['rank', '--table', str(tmp_path / 't.csv'), '--out', str(tmp_path), *words]) == 2
    line, = capsys.readouterr().err.strip().splitlines()
    assert message in line
