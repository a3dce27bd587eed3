"""``~`` and ``$HOME`` lead to the home folder wherever a user gives a path."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.spaces import Tiny
from PIL import Image

from nni_rankreg.archive import Archive
from nni_rankreg.cli import main
from nni_rankreg.config import load_yaml
from nni_rankreg.constraint import TableLatency
from nni_rankreg.data import DepthImages, FolderImages
from nni_rankreg.predictor import WeakLabels, read_weak
from nni_rankreg.report import draw_cell
from nni_rankreg.strategy import SPOS, LandmarkSearch
from nni_rankreg.table import TableEvaluator, TabularBenchmark, read_results

HOMES = ['~', '$HOME', '${HOME}']


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, beside the current one."""
    folder = tmp_path / 'home'
    folder.mkdir()
    (tmp_path / 'work').mkdir()
    monkeypatch.setenv('HOME', str(folder))
    monkeypatch.chdir(tmp_path / 'work')
    return folder


@pytest.mark.parametrize('at', HOMES)
def test_results(at, home):
    Archive(f'{at}/new/results.sqlite').add({'op': 'conv'}, 0.5)
    assert len(Archive(home / 'new/results.sqlite')) == 1
    assert read_results(f'{at}/new/results.sqlite').metrics == [0.5]

    TabularBenchmark([{'op': 'conv'}], [0.5]).to_csv(f'{at}/table.csv')
    assert read_results(f'{at}/table.csv').metrics == [0.5]
    assert TabularBenchmark.from_csv(f'{at}/table.csv').metrics == [0.5]
    assert TableEvaluator(f'{at}/table.csv').lookup({'op': 'conv'}) == 0.5

    np.savez(home / 'table.npz', arch=np.array(['conv']), value=np.array([0.5]))
    assert TabularBenchmark.from_npz(f'{at}/table.npz', 'value', lambda op: {'op': op}
                                     ).metrics == [0.5]

    WeakLabels([{'op': 'conv'}], {'flops': [1.]}).to_csv(f'{at}/weak.csv')
    assert read_weak(f'{at}/weak.csv').labels == {'flops': [1.]}


@pytest.mark.parametrize('at', HOMES)
def test_data_and_pictures(at, home):
    (home / 'images/cat').mkdir(parents=True)
    Image.new('RGB', (8, 8)).save(home / 'images/cat/1.png')
    assert len(FolderImages(f'{at}/images', pixels=8)) == 1
    np.savez(home / 'scene.npz', val_rgb=np.zeros((1, 8, 8, 3), np.uint8),
             val_depth_mm=np.full((1, 8, 8), 2000, np.uint16))
    assert len(DepthImages(f'{at}/scene.npz', 'val')) == 1

    (home / 'latency.yaml').write_text('some-block: 1.0')
    with pytest.raises(ValueError, match='Expected the latency of Conv-'):  # it has been read
        TableLatency(f'{at}/latency.yaml')
    (home / 'search.yml').write_text('space: 1')
    assert load_yaml(f'{at}/search.yml') == {'space': 1}

    draw_cell(f'{at}/pictures/cell.png', {(0, 1): 'conv'})
    assert (home / 'pictures/cell.png').exists()


@pytest.mark.parametrize('at', HOMES)
def test_folders_of_a_search(at, home):
    search = LandmarkSearch(SPOS(), None, archive=f'{at}/a.sqlite', work_dir=f'{at}/weights')
    assert search.shared_file('x.pt') == str(home / 'weights/a-x.pt')


def test_commands(home, capsys):
    (home / 'results.csv').write_text('op,metric\n' + ''.join(
        f'{"ab"[row % 2]}{row},{row}\n' for row in range(10)))
    assert main(['rank', '--table', '~/results.csv', '--out', '$HOME/ranked']) == 0
    assert (home / 'ranked/ranking.csv').exists()
    assert main(['report', '~/none.sqlite']) == 2
    assert f'{home}/none.sqlite' in capsys.readouterr().err


def test_weights_and_checkpoints(home, make_evaluator):
    first = SPOS(checkpoint_folder='~/kept').train(Tiny(), make_evaluator())
    assert (home / 'kept/last.ckpt').exists()
    torch.save(first.supernet.state_dict(), home / 'weights.pt')
    again = SPOS().train(Tiny(), make_evaluator(max_epochs=0), weights='$HOME/weights.pt')
    assert torch.equal(again.supernet.head.weight, first.supernet.head.weight)
