"""The examples run through their command lines, with tiny settings."""

from __future__ import annotations

import ast
import csv
import importlib
import itertools
import math
import os
import pickle
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
from helpers.places import EXAMPLES
from PIL import Image
from scipy.stats import kendalltau
from torchvision.datasets import CIFAR10

from nni_rankreg.archive import Archive
from nni_rankreg.constraint import TunasLatency
from nni_rankreg.predictor import read_weak
from nni_rankreg.space import ProxylessNAS, decode_depth, decode_nasbench201, decode_proxyless
from nni_rankreg.strategy import Landmarks
from nni_rankreg.table import digits

SCRIPTS = sorted(path.name for path in EXAMPLES.glob('*.py'))
RANDOM = Landmarks().random  # architectures that are trained beside the best of an iteration


@pytest.fixture
def run(tmp_path):
    """Return a function that runs an example; all files stay in a temporary folder."""
    def program(name, *arguments, before=None):
        script = str(EXAMPLES / name)
        start = [script] if before is None else [
            '-c', f'{before}\nimport runpy\nrunpy.run_path({script!r}, run_name="__main__")']
        environment = {**os.environ, 'HOME': str(tmp_path), 'OMP_NUM_THREADS': '1'}
        result = subprocess.run([sys.executable, '-W', 'ignore', *start, *arguments],
                                cwd=tmp_path, env=environment, capture_output=True, text=True,
                                timeout=900)
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout
    return program


def check_models(output, archive, decode, best=max):
    """Check that the output lists the five best results of the archive, the best first."""
    lines = re.findall(r'^(\d+\.\d{4}) (.+)$', output, re.MULTILINE)
    metrics = [float(metric) for metric, _ in lines]
    ranked = sorted(archive.results().metrics, reverse=best is max)
    assert metrics == pytest.approx(ranked[:5], abs=1e-4)
    assert [archive.metric(decode(text)) for _, text in lines] == pytest.approx(metrics, abs=1e-4)


def draw_images(count):
    """Return random images (N, 32, 32, 3) and labels in the form of CIFAR-10's."""
    generator = np.random.default_rng(0)
    return (generator.integers(256, size=(count, 32, 32, 3), dtype=np.uint8),
            generator.integers(10, size=count))


def supernets(archive):
    """Return what the super-net trainings of a search have left."""
    jobs = archive.jobs()
    return [archive.job_result(key) for key in jobs['key'][jobs['kind'] == 'SuperNet']]


def number(output, text):
    """Return the number after a text at the begin of a line."""
    return float(re.search(rf'^{re.escape(text)}([-+.\d]+)', output, re.MULTILINE).group(1))


@pytest.mark.parametrize('name', SCRIPTS)
def test_form(name):
    """Short, with public names only, described in docs/tasks.md, and run by a test here."""
    text = (EXAMPLES / name).read_text()
    assert len(text.splitlines()) <= 80
    assert f'examples/{name}' in (EXAMPLES.parent / 'docs' / 'tasks.md').read_text()
    assert callable(globals()[f'test_{name.removesuffix(".py")}'])
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)
               and (node.module or '').startswith('nni_rankreg')]
    for node in imports:
        names = [alias.name for alias in node.names]
        assert not any(part.startswith('_') or part == 'host'
                       for part in [*node.module.split('.'), *names])
        if node.module != 'nni_rankreg':
            assert set(names) <= set(importlib.import_module(node.module).__all__)


@pytest.mark.slow
def test_digits_search(run, tmp_path):
    output = run('digits_search.py', '--epochs', '1', '--supernet_epochs', '2', '--landmarks', '3',
                 '--top', '1', '--iterations', '1', '--evaluations', '4', '--ranked', '20')
    archive = Archive(tmp_path / 'runs' / 'digits' / 'results.sqlite')
    assert len(archive) == 3 + 1 + RANDOM
    check_models(output, archive, decode_nasbench201)
    measured, landmarks = supernets(archive)[0]['measured'], archive.results().samples[:3]
    table = digits().subset(20, seed=0)
    truth = [table.metrics[row] for row in range(20) if table.samples[row] not in landmarks]
    assert measured['metrics'] == pytest.approx(truth)
    tau = number(output, 'Kendall tau with the table: ')
    assert tau == pytest.approx(kendalltau(measured['scores'], truth)[0], abs=1e-3)


@pytest.mark.slow
def test_depth_search(run, tmp_path):
    generator = np.random.default_rng(0)
    arrays = {}
    for split in ('train', 'val'):
        depth = generator.integers(500, 4000, (8, 24, 32), dtype=np.uint16)
        arrays |= {f'{split}_depth_mm': depth,
                   f'{split}_rgb': np.repeat((depth // 16).astype(np.uint8)[..., None], 3, 3)}
    np.savez(tmp_path / 'rgbd.npz', **arrays)
    output = run('depth_search.py', '--data', 'rgbd.npz', '--backbone', 'shufflenet_v2_x0_5',
                 '--channels', '8', '--pixels', '32', '--batch_size', '4', '--epochs', '1',
                 '--supernet_epochs', '2', '--landmarks', '3', '--top', '1', '--iterations', '1',
                 '--evaluations', '4')
    archive = Archive(tmp_path / 'runs' / 'depth' / 'results.sqlite')
    assert len(archive) == 3 + 1 + RANDOM
    check_models(output, archive, decode_depth, best=min)


@pytest.mark.slow
def test_own_space(run, tmp_path):
    """Both methods share one archive, though each process pickles the space of the script anew."""
    counts, arguments = [], ['--epochs', '1', '--supernet_epochs', '2', '--trainings', '4']
    archive = Archive(tmp_path / 'runs' / 'own.sqlite')
    for method in ('false', 'true'):
        known = archive.results()
        output = run('own_space.py', '--acenas', method, *arguments)
        counts.append(len(archive))
        assert archive.results().samples[:len(known.samples)] == known.samples
        check_models(output, archive, ast.literal_eval)
        predicted = [ast.literal_eval(one) for one in re.findall(r'^{.*}$', output, re.MULTILINE)]
        assert len(predicted) == 3 and all(one['width'] in (8, 16, 24) for one in predicted)
    assert counts[0] == 4 + 3 + RANDOM < counts[1] <= 14 + RANDOM
    landmarks, weak = supernets(archive)
    assert len(landmarks['best']) == 3
    assert {len(one) for one in landmarks['weak'].values()} == {100 + 3}    # by which it is judged
    assert not weak['best'] and {len(one) for one in weak['weak'].values()} == {200}


@pytest.mark.slow
def test_rank_csv(run, tmp_path):
    """The results are a known function of the choices, so that all others have a true rank."""
    script = runpy.run_path(str(EXAMPLES / 'rank_csv.py'))
    worth = {'relu': 0., 'gelu': 1., 'silu': .7, 'before': 2., 'after': 0.}

    def truth(sample):
        return (math.log(sample['layers']) * 4 + sample['width'] / 128 - sample['expansion'] / 4
                + worth[sample['activation']] + worth[sample['norm']])
    every = [dict(zip(script['CHOICES'], choices))
             for choices in itertools.product(*script['CHOICES'].values())]
    np.random.default_rng(0).shuffle(every)
    with open(tmp_path / 'results.csv', 'w', newline='') as file:
        writer = csv.DictWriter(file, [*script['CHOICES'], 'metric'])
        writer.writeheader()
        writer.writerows({**sample, 'metric': truth(sample)} for sample in every[:100])
    output = run('rank_csv.py', '--table', 'results.csv', '--top', '5')
    assert number(output, 'Held out 20 of 100: Kendall tau-b ') > .5
    lines = re.findall(r'^(-?\d+\.\d{4}) ({.*})$', output, re.MULTILINE)
    scores, found = [float(score) for score, _ in lines], [ast.literal_eval(x) for _, x in lines]
    assert len(found) == 5 and scores == sorted(scores, reverse=True)
    rest = [sample for sample in every[100:] if sample['width'] >= 32 * sample['heads']]
    assert all(sample in rest for sample in found)
    assert np.mean(list(map(truth, found))) > np.quantile(list(map(truth, rest)), .95)


def search_imagenet(run, folder, bounds, *arguments):
    """Return all that was scored or trained."""
    for index, (image, label) in enumerate(zip(*draw_images(50))):
        (folder / 'train' / f'n{label:08}').mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / 'train' / f'n{label:08}' / f'{index}.png')
    output = run('imagenet_search.py', '--data', 'train', '--bounds', str(list(bounds)),
                 '--pixels', '32', '--batch_size', '24', '--workers', '0', '--epochs', '1',
                 '--supernet_epochs', '1', '--weak', '20', '--rounds', '2', '--budget', '4',
                 '--top', '1', '--pool', '30', *arguments)
    archive = Archive(folder / 'runs' / 'imagenet' / 'results.sqlite')
    weak = read_weak(archive.path.with_name('results-weak.csv'))
    assert len(archive) == 5 and len(weak.samples) == 20
    check_models(output, archive, lambda line: decode_proxyless(
        ast.literal_eval(line[line.index('('):])))
    return [*archive.results().samples, *weak.samples]


@pytest.mark.slow
def test_imagenet_search(run, tmp_path):
    """All is within the bounds of the multiply-adds, which most of the space is not."""
    samples = search_imagenet(run, tmp_path, (4., 6.))
    assert all(4. <= ProxylessNAS(10).cost(sample, 32).macs / 1e6 <= 6. for sample in samples)


@pytest.mark.slow
def test_imagenet_search_within_a_latency(run, tmp_path, shared_data):
    path = shared_data / 'latency_tables' / 'tunas' / 'proxylessnas_search.npz'
    samples = search_imagenet(run, tmp_path, (70., 85.), '--latency', str(path))
    assert all(70. <= latency <= 85. for latency in TunasLatency(path)(samples).tolist())


ANY_CONTENT = """
from torchvision.datasets import CIFAR10
CIFAR10.train_list = [[name, None] for name, _ in CIFAR10.train_list]
CIFAR10.test_list = [[name, None] for name, _ in CIFAR10.test_list]
CIFAR10.meta = {**CIFAR10.meta, 'md5': None}
"""


def write_cifar10(folder, count):
    """Write `count` images into each of CIFAR-10's files, in their own format."""
    (folder / CIFAR10.base_folder).mkdir(parents=True)
    images, labels = draw_images(count)
    contents = {'data': images.transpose(0, 3, 1, 2).reshape(count, -1), 'labels': labels.tolist()}
    for name, _ in [*CIFAR10.train_list, *CIFAR10.test_list]:
        (folder / CIFAR10.base_folder / name).write_bytes(pickle.dumps(contents))
    (folder / CIFAR10.base_folder / CIFAR10.meta['filename']).write_bytes(
        pickle.dumps({'label_names': list('0123456789')}))


@pytest.mark.slow
@pytest.mark.parametrize('arguments', [
    ['--channels', '2', '--cells', '1', '--strategy', 'FairNAS', '--proxy', 'naswot'],
    ['--space', 'DARTSSpace', '--channels', '4', '--cells', '3', '--strategy', 'GDAS', '--options',
     '{"candidates": 5}']])
def test_cifar10_search(run, tmp_path, arguments):
    """Torchvision reads its own files, whose contents it must not compare with the real ones."""
    write_cifar10(tmp_path / 'data', 16)
    output = run('cifar10_search.py', '--batch_size', '24', '--workers', '0', '--epochs', '1',
                 '--supernet_epochs', '2', '--landmarks', '2', '--iterations', '1', *arguments,
                 before=ANY_CONTENT)
    archive = Archive(tmp_path / 'runs' / 'cifar10' / 'results.sqlite')
    assert len(archive) == 2 + 2 + RANDOM
    check_models(output, archive, ast.literal_eval)
    eighths = 8 * np.array(archive.results().metrics)       # a tenth of 80 images is validation
    assert eighths == pytest.approx(eighths.round(), abs=1e-4)
    outcome, = supernets(archive)
    assert outcome['best'] == archive.results().samples[2:4]
    assert 'kendall_tau_landmarks' in outcome['metrics']
