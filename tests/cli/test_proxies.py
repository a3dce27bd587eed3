"""The command that scores a space by proxies: its files, its table, and wrong input."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from nni_rankreg.archive import Archive
from nni_rankreg.cli import main
from nni_rankreg.cli.proxies import proxies
from nni_rankreg.data import Digits
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.space import NasBench201
from nni_rankreg.table import digits
from nni_rankreg.typing import sample_key

SMALL = {'class_path': 'nni.nas.hub.pytorch.NasBench201',
         'init_args': {'stem_out_channels': 4, 'num_modules_per_stack': 1}}
NONE = {f'cell/{a}_{b}': 'none' for a, b in ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))}


def rows(folder):
    with open(folder / 'proxies.csv', newline='') as file:
        return list(csv.DictReader(file))


def cells(text):
    """Return the rows of a Markdown table without its header."""
    lines = [line for line in text.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines[2:]]


def loader():
    """Return the user's own loader, as --data may name it."""
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    return DataLoader(TensorDataset(images, torch.arange(8) % 3), batch_size=5)


def test_uniform_architectures(tmp_path, capsys):
    proxies('params, synflow', SMALL, count=6, out=tmp_path, seed=3)
    found, printed = rows(tmp_path), capsys.readouterr().out
    assert list(found[0]) == ['sample', 'params', 'synflow']
    samples = [json.loads(row['sample']) for row in found]
    assert len({row['sample'] for row in found}) == 6
    assert all(leaf.contains(one) for one in samples
               for leaf in NasBench201(4, 1).simplify().values())
    batch = torch.zeros(2, 3, 8, 8), torch.zeros(2)
    assert [float(row['params']) for row in found] == ProxyScorer(
        'params', NasBench201(4, 1), batch)(samples).tolist()
    assert [row[0] for row in cells(printed)] == ['params', 'synflow']
    assert not (tmp_path / 'proxies.png').exists()


@pytest.mark.slow
def test_truth_gives_the_architectures_a_table_and_a_picture(tmp_path, capsys):
    proxies('l2_norm,flops', SMALL, truth='digits', count=12, out=tmp_path)
    found, table = rows(tmp_path), digits().subset(12, 0)
    assert [row['sample'] for row in found] == [sample_key(one) for one in table.samples]
    assert [float(row['metric']) for row in found] == pytest.approx(table.metrics)
    for name, tau, _, rho, bad in cells(capsys.readouterr().out):
        scores = [float(row[name]) for row in found]
        assert float(tau) == pytest.approx(stats.kendalltau(scores, table.metrics)[0], abs=1e-3)
        assert float(rho) == pytest.approx(stats.spearmanr(scores, table.metrics)[0], abs=1e-3)
        assert bad == '0'
    assert (tmp_path / 'proxies.png').stat().st_size > 10_000


def test_scores_that_are_not_finite_are_empty_and_counted(tmp_path, capsys):
    truth = tmp_path / 'truth.csv'
    others = digits().samples[:4]
    with open(truth, 'w', newline='') as file:
        csv.writer(file).writerows([['sample', 'accuracy'],
                                    *([sample_key(one), rank] for rank, one
                                      in enumerate([NONE, *others]))])
    with pytest.warns(UserWarning, match='synflow is not finite for 1 of 5'):
        proxies('synflow', SMALL, truth=str(truth), column='accuracy', out=tmp_path)
    assert [row['synflow'] == '' for row in rows(tmp_path)] == [True] + [False] * 4
    assert cells(capsys.readouterr().out)[0][-1] == '1'


def tokens():
    """Return a loader of sequences of integers."""
    return DataLoader(TensorDataset(torch.arange(24).view(6, 4) % 5, torch.arange(6) % 3), 6)


class Reader(ModelSpace):
    """Reads tokens."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(5, 8)
        self.layer = LayerChoice([nn.Linear(8, 3), nn.Linear(8, 3, bias=False)], label='layer')

    def forward(self, x):
        return self.layer(self.words(x).mean(1))


def test_proxies_that_are_not_defined_are_left_out(tmp_path, capsys):
    arguments = ['proxies', '--space', f'{__name__}.Reader', '--data', f'{__name__}.tokens',
                 '--count', '2', '--out', str(tmp_path)]
    assert main([*arguments, '--names', 'synflow,params,jacov,snip']) == 0
    assert list(rows(tmp_path)[0]) == ['sample', 'params', 'snip']
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if 'is left out' in line]
    assert [line.split()[0] for line in told] == ['synflow', 'jacov']
    assert main([*arguments, '--names', 'synflow,jacov']) == 2
    assert 'got synflow, jacov, which are not' in capsys.readouterr().err


def test_data_of_the_user(tmp_path):
    images = torch.randn(8, 3, 8, 8).numpy()
    np.savez(tmp_path / 'data.npz', images=images, labels=np.arange(8) % 3)
    found = {}
    for name, data in (('digits', {'class_path': 'nni_rankreg.data.Digits',
                                   'init_args': {'split': 'train'}}),
                       ('own', f'{__name__}.loader'), ('file', str(tmp_path / 'data.npz'))):
        proxies('jacov', SMALL, data, batch_size=8, count=2, out=tmp_path / name)
        found[name] = [row['jacov'] for row in rows(tmp_path / name)]
    assert len({tuple(one) for one in found.values()}) == 3
    samples = [json.loads(row['sample']) for row in rows(tmp_path / 'own')]
    scores = ProxyScorer('jacov', NasBench201(4, 1), next(iter(loader())))(samples)
    assert [float(one) for one in found['own']] == pytest.approx(scores.tolist())


def test_continues(tmp_path, monkeypatch):
    original, calls = ProxyScorer.score, []

    def score(self, sample):
        calls.append(sample)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, sample)

    monkeypatch.setattr(ProxyScorer, 'score', score)
    with pytest.raises(KeyboardInterrupt):
        proxies('l2_norm', SMALL, count=6, out=tmp_path)
    assert not (tmp_path / 'proxies.csv').exists()
    for _ in range(2):
        proxies('l2_norm', SMALL, count=6, out=tmp_path)
    assert len(calls) == 7 and len(rows(tmp_path)) == 6
    assert Archive(tmp_path / 'scores.sqlite').to_frame().empty


@pytest.mark.parametrize('arguments, message', [
    (['--names', 'snip,dance'], "Expected a proxy among .* got 'dance'"),
    (['--space', 'nni.nas.hub.pytorch.Dance'], 'import path of a model space, got nni.nas.hub'),
    (['--space', 'no_such_package.Space'], "No module named 'no_such_package'"),
    (['--space', 'Space'], 'import path of a model space, package.name'),
    (['--space', 'torch.nn.ReLU'], 'import path of a model space, got .torch.nn.ReLU., a ReLU'),
    (['--space', '{"class_path": "nni.nas.hub.pytorch.NasBench201", "init_args": {"stem": 3}}'],
     "Expected arguments of nni.nas.hub.pytorch.NasBench201, got {'stem': 3}: .*unexpected"),
    (['--data', 'nni_rankreg.data.Digits'], 'Expected arguments of nni_rankreg.data.Digits'),
    (['--data', 'torch.nn.ReLU'], r'Expected data of \(images, labels\) from torch.nn.ReLU'),
    (['--data', 'missing.npz'], 'missing.npz'),
    (['--truth', 'missing.csv'], 'missing.csv'),
    (['--truth', 'digits', '--count', '1000'], 'Expected a count from 1 to 300'),
    (['--batch_size', '0'], 'Expected batch_size above 0, got 0'),
    (['--count', 'many'], 'count'), (['--count', '0'], 'Expected count above 0, got 0'),
    (['--column', 'metric'], "Expected truth, which has the column 'metric', got none"),
    (['--truth', 'digits', '--column', 'x'], "column of CSV files only, got 'x' of digits"),
    (['--data', '{"class_path": {"a": 1}}'], "import path of a data set, .*got {'a': 1}"),
    (['--data', '{"class_path": "nni_rankreg.data.Digits", "init_args": [1]}'],
     'Expected class_path and init_args of a data set, got'),
    (['--data', 'sys.exit'], 'Expected arguments of sys.exit, got {}'), (['--data', '..a'], 'got'),
    (['--data', 'torch.zeros'], 'Expected arguments of torch.zeros'),
    *((['--device', name], f"device that PyTorch can compute on, such as cpu or cuda, got '{name}'")
      for name in ('meta', 'gpu', 'cuda:99', '', '0')),
])
def test_wrong_input_is_one_line(arguments, message, tmp_path, capsys):
    assert main(['proxies', '--out', str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith('nni-rankreg: ') and len(error.splitlines()) == 1
    assert re.search(message, error)


IMAGES, LABELS = np.ones((4, 3, 8, 8), 'f4'), np.array([0, 1, 2, 0])


@pytest.mark.parametrize('changes, message', [
    *(({'images': images}, r'Expected finite numbers, images \(N, C, H, W\), in .*data.npz, got')
      for images in (np.array(['a', 'b']), IMAGES * np.nan, IMAGES[:0], IMAGES.astype(complex),
                     IMAGES.astype('i8').astype('M8[s]'))),
    *(({'labels': labels}, r'Expected class indices from 0 on, labels \(N,\), in .*data.npz, got')
      for labels in (np.array(['a'] * 4), LABELS - 1, LABELS + .5, LABELS[:, None])),
    ({'labels': LABELS[:2]}, 'Expected images .* with N labels'), ({'images': IMAGES[0]}, 'images'),
    ({'images': np.ones((4, 5, 8, 8))}, 'data that the networks of the space take, got by naswot'),
    ({'images': IMAGES[..., :1, :1]}, 'that the networks of the space take, got by naswot'),
])
def test_arrays_that_are_no_images(tmp_path, capsys, changes, message):
    np.savez(tmp_path / 'data.npz', **{'images': IMAGES, 'labels': LABELS, **changes})
    assert main(['proxies', '--names', 'naswot', '--space', json.dumps(SMALL), '--count', '1',
                 '--data', str(tmp_path / 'data.npz'), '--out', str(tmp_path / 'out')]) == 2
    *progress, line = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, line) and len(line) < 600 and 'Traceback' not in str(progress)


def test_defaults_need_nothing_but_the_package(tmp_path, capsys):
    assert main(['proxies', '--names', 'naswot', '--count', '2', '--out', str(tmp_path)]) == 0
    assert len(rows(tmp_path)) == 2 and 'naswot' in capsys.readouterr().out
    assert len(Digits('train')) == 897
