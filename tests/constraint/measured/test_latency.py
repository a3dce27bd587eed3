"""Latency from measured networks; times are counted operations here, which are known exactly."""

from __future__ import annotations

import importlib.util
import pickle
import sys

import nni
import pytest
import torch
from helpers.counter import Counter
from helpers.places import ROOT
from nni.nas.nn.pytorch import ModelSpace, MutableConv2d
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nni_rankreg.constraint import LatencyConstraint, MeasuredLatency, as_costs
from nni_rankreg.constraint.measured import latency as module
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import ParetoFront
from nni_rankreg.space import NasBench201, ProxylessNAS, ResNet48

sys.path.append(str(ROOT / 'examples'))
from own_space import ConvNet


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    monkeypatch.setattr(module, 'Stopwatch', Counter)
    monkeypatch.setattr(Counter, 'calls', 0)
    monkeypatch.setattr(Counter, 'last', 10 ** 9)


def measured(space, pixels=8, **options):
    options = {'networks': 20, 'repeats': 1, 'progress': False, **options}
    return MeasuredLatency(space, (3, pixels, pixels), **options)


def operations(space, samples, pixels=8):
    """Return what PyTorch counts in the networks that NNI freezes."""
    found = []
    for sample in samples:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            space.freeze(sample).eval()(torch.zeros(1, 3, pixels, pixels))
        found.append(counter.get_total_flops() / 2e3 + 1)
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize('space, pixels, error', [
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        (NasBench201(4, 1), 8, 1e-4), (ProxylessNAS(10, (8,) * 9, (1, 1, 2, 1, 1, 1)), 32, 0.01),
        (ResNet48(10, (16, 16, 24, 24), ((1, 2), (1, 2), (1, 3), (1, 1))), 32, 0.01))),
    (ConvNet(), 8, 0.05)])               # of which NNI's profiler counts biases and activations
def test_unseen_networks(space, pixels, error):
    """A sum over layers, widths, depths: what it says is what the frozen network takes."""
    latency = measured(space, pixels)
    samples = UniformSampler(space, seed=9).distinct(5)
    expected = operations(space, samples, pixels)
    found = latency(samples)
    assert found.shape == (5,) and found.dtype == torch.float64
    assert ((found - expected).abs() / expected).mean() < error
    assert min(latency.errors.values()) < error


class Strange(ModelSpace):
    """A width, and a layer that NNI's profiler has no formula for."""

    def __init__(self):
        super().__init__()
        width = nni.choice('width', [4, 8, 16])
        self.layers = nn.Sequential(MutableConv2d(3, width, 3), Doubled())

    def forward(self, x):
        return self.layers(x)


class Doubled(nn.Module):
    def forward(self, x):
        return torch.cat([x, x]) * 2.


def test_networks_are_counted_where_nothing_else_is_known():
    latency = measured(Strange(), networks=10)
    samples = [{'width': width} for width in (4, 8, 16)]
    torch.testing.assert_close(latency(samples), operations(Strange(), samples), rtol=1e-3, atol=0)
    with pytest.raises(ValueError, match='that are not learned from, got 0 beside 3. Learn from f'):
        latency.agreement()
    with pytest.raises(ValueError, match='Expected at least 2 networks to compare, got 1'):
        latency.agreement(1)


def test_interrupted_measurement_goes_on(tmp_path, monkeypatch):
    """Each of the 20 networks and 9 layers is timed once in a round, whoever stops in between."""
    file = tmp_path / 'latency.csv'
    monkeypatch.setattr(Counter, 'last', 33)
    with pytest.raises(KeyboardInterrupt):
        measured(ConvNet(), file=file, repeats=3).measure()
    lines = file.read_text().splitlines()
    assert sum(len(line.rsplit(',', 1)[1].split()) for line in lines[1:]) == 33
    with pytest.raises(ValueError, match=f'Expected a finished table of MeasuredLatency, got '
                                         f'{file} without finished'):
        MeasuredLatency.read(file, ConvNet())
    monkeypatch.setattr(Counter, 'last', 10 ** 9)
    latency = measured(ConvNet(), file=file, repeats=3).measure()
    assert Counter.calls == 34 + 3 * 23 - 33
    again = measured(ConvNet(), file=file, repeats=3)
    samples = UniformSampler(ConvNet()).distinct(5)
    assert again(samples).tolist() == latency(samples).tolist() and Counter.calls == 70


def test_two_objects_of_a_file_measure_once(tmp_path):
    """As a search file names them: one as a cost, one in a constraint."""
    first, second = (measured(ConvNet(), file=tmp_path / 'a.csv') for _ in range(2))
    first.measure()
    calls, samples = Counter.calls, UniformSampler(ConvNet()).distinct(3)
    assert second(samples).tolist() == pytest.approx(first(samples).tolist(), rel=1e-3)
    assert Counter.calls == calls


def test_time_is_limited_but_for_three_rounds():
    latency = measured(NasBench201(4, 1), seconds=1e-3, repeats=9, networks=10).measure()
    names = latency.table.names('network')
    assert {latency.table.repeats('network', name) for name in names} == {3}


def test_agreement_with_a_measurement():
    """Counted twice, networks take the same; the second measurement is not asked for again."""
    latency = measured(NasBench201(4, 1), networks=10)
    agreement = latency.agreement(6)
    calls = Counter.calls
    assert agreement == latency.agreement(6) and Counter.calls == calls
    assert (agreement.networks, agreement.again_error, agreement.again_correlation) == (6, 0., 1.)
    assert agreement.error < 1e-4 and agreement.correlation > 0.99
    assert str(agreement).startswith('On 6 networks that it has not seen: error 0.0%, Spearman 1')
    seen = set(map(str, latency.table.names('network')))
    assert not seen & set(map(str, latency.table.names('unseen')))


@pytest.mark.parametrize('kept', [False, True])
def test_it_travels(tmp_path, kept):
    """To a trial by its file, or with its table; nothing is measured there."""
    latency = measured(ConvNet(), file=tmp_path / 'a.csv' if kept else None).measure()
    calls, samples = Counter.calls, UniformSampler(ConvNet()).distinct(4)
    found = [pickle.loads(pickle.dumps(latency))(samples), latency(samples)]
    latency.write(tmp_path / 'new' / 'b.csv')
    found.append(MeasuredLatency.read(tmp_path / 'new' / 'b.csv', ConvNet())(samples))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[2], found[1], rtol=1e-4, atol=0)
    assert Counter.calls == calls


def test_searches_within_it_and_against_it(tmp_path):
    """A constraint travels to trials with it, a front has it as an objective."""
    latency = measured(ConvNet(), file=tmp_path / 'a.csv').measure()
    every = UniformSampler(ConvNet(), seed=2).distinct(60)
    milliseconds = latency(every)
    limit = float(milliseconds.median())
    accept = nni.load(nni.dump(LatencyConstraint(latency, maximum=limit)))
    assert [accept(one) for one in every] == (milliseconds <= limit).tolist()
    drawn = UniformSampler(ConvNet(), accept=[accept]).distinct(10)
    assert float(latency(drawn).max()) <= limit
    assert [one.name for one in as_costs([latency])] == ['latency']
    front = ParetoFront(['score', latency], 10, 50, progress=False).search(latency, ConvNet())
    assert len(front) > 3
    assert all(one.objectives == {'score': one.score, 'latency': one.score} for one in front)


@pytest.fixture
def file(tmp_path):
    """Return a finished table of a small space."""
    measured(ConvNet(), networks=10, file=tmp_path / 'table.csv').measure()
    return tmp_path / 'table.csv'


@pytest.mark.parametrize('space, message', [
    (NasBench201(4, 1), 'Expected a table of this space, NasBench201, in .*got that of ConvNet'),
    (torch.nn.ReLU(), 'Expected a model space of NNI, got ReLU')])
def test_tables_of_another_space(file, space, message):
    with pytest.raises(ValueError, match=message):
        MeasuredLatency.read(file, space)


def test_a_table_of_a_space_of_other_sizes(tmp_path):
    """What differs is named: the arguments, the choices where arguments are the same."""
    file = tmp_path / 'table.csv'
    measured(NasBench201(4, 1), networks=10, file=file).measure()
    other = NasBench201(8, num_modules_per_stack=1, none=False)
    with pytest.raises(ValueError, match='got that of NasBench201 with the arguments '
                                         'stem_out_channels 4 in place of 8, none True in place of '
                                         r'False\.'):
        MeasuredLatency.read(file, other)
    lines = file.read_text().splitlines()
    file.write_text('\n'.join(line for line in lines if not line.startswith('about,arguments')))
    with pytest.raises(ValueError, match=r'with the choices cell/0_1 .*none.* in place of .*skip'):
        MeasuredLatency.read(file, other)
    with pytest.raises(ValueError, match='got that of NasBench201 with other choices or sizes'):
        MeasuredLatency.read(file, NasBench201(8, 1))


@pytest.mark.parametrize('old, new, message', [
    ('about,input,float32 1x3x8x8', 'about,input,nonsense', 'Expected an input such as float32'),
    ('about,threads,1', 'about,threads,many', 'Expected a number of threads in .*, got .many'),
    ('about,fingerprint,', 'about,other,', 'got .*table.csv without fingerprint'),
    ('network,', 'net,', r"Expected a kind among .* in line \d+ of .*, got 'net'"),
    ('kind,', 'sort,', "Expected a column 'kind' in")])
def test_tables_of_something_else(file, old, new, message):
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        MeasuredLatency.read(file, ConvNet())


@pytest.mark.parametrize('example, message', [
    ((3, 2, 8, 8), r'Expected an example input that the networks of the space take, got one of '
                   r'shape \(1, 3, 2, 8, 8\)'),
    (torch.zeros(1, 5, 8, 8), 'got one of shape .1, 5, 8, 8.: .*channels'),
    ('3,8,8', 'Expected an example input: a tensor, a tuple'), ((3, -8), 'got .3, -8.'),
    ((), 'Expected an example input')])
def test_examples_that_do_not_fit(example, message):
    with pytest.raises(ValueError, match=message):
        MeasuredLatency(ConvNet(), example)


@pytest.mark.parametrize('options, message', [
    (dict(device='cuda:99'), 'Expected a device that PyTorch can compute on'),
    (dict(device='nonsense'), "Expected a device such as cpu or cuda, got 'nonsense'"),
    (dict(device=None), 'Expected a device such as cpu or cuda, got None'),
    (dict(backend='tvm'), "Expected a back-end among .'onnxruntime', 'torch'., got 'tvm'"),
    (dict(networks=9), 'at least 1 thread, 10 networks'), (dict(threads=0), 'got 0, 20'),
    (dict(seconds=0), 'seconds above 0')])
def test_wrong_settings(options, message):
    with pytest.raises(ValueError, match=message):
        measured(ConvNet(), **options)


def test_architectures_of_another_space(file):
    with pytest.raises(ValueError, match='with the labels .*, got no .depth'):
        MeasuredLatency.read(file, ConvNet())([{'width': 8}])


def test_a_table_of_another_setting(file):
    with pytest.raises(ValueError, match='Expected a table of threads 2 in .*table.csv, got 1'):
        measured(ConvNet(), networks=10, file=file, threads=2)


def test_a_measurement_goes_on_where_it_began(file):
    file.write_text(file.read_text().replace('about,torch,', 'about,torch,0.').replace(
        'about,finished,', 'about,begun,'))
    with pytest.raises(ValueError, match='Expected a measurement to go on where it began, got '
                                         'torch .* in place of 0'):
        measured(ConvNet(), networks=10, file=file)


@pytest.mark.skipif(importlib.util.find_spec('onnxruntime') is not None, reason='It is installed.')
def test_a_backend_that_is_not_installed():
    with pytest.raises(ValueError, match=r"for the back-end onnxruntime, got none: pip install "
                                         r"'nni_rankreg\[onnx\]'"):
        measured(ConvNet(), backend='onnxruntime')
