"""Latency by published models and tables, against published numbers."""

from __future__ import annotations

import json
import math

import nni
import numpy as np
import pytest

from nni_rankreg.constraint import (
    AdditiveLatency,
    CostScorer,
    LatencyConstraint,
    TableLatency,
    TunasLatency,
)
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import Evolution
from nni_rankreg.space import ProxylessNAS, decode_proxyless
from nni_rankreg.space.proxyless import block_positions

# The published networks: TuNAS' codes (in the code of AceNAS, 46c8895), latencies of Table 8 and of
# ProxylessNAS-mobile, and the same without rounding, computed elsewhere.
NETWORKS = {
    'AceNAS-M1': (
        '0:0:0:0:1:0:0:0:0:0:1:1:1:1:1:0:1:0:0:0:0:0:1:1:1:1:0:0:0:0:1:0:0:0:1:1:0:0:2:0:1:0:'
        '2:1:0:0:1:0:0:1:0:2:0:0:0:2:1:0:2:1:0:2:0:0:2:0:0:0:2:1:0:0:0', 84.60, 84.596),
    'AceNAS-M2': (
        '0:0:0:1:0:0:2:0:1:0:0:1:2:1:1:0:0:1:0:0:0:0:2:0:1:1:0:0:0:2:1:0:2:1:1:1:1:0:2:0:1:0:'
        '1:1:0:1:0:0:1:1:0:0:1:0:0:2:1:0:1:1:0:1:0:0:1:1:0:0:2:1:0:0:0', 84.59, 84.591),
    'AceNAS-M3': (
        '0:0:0:0:0:0:0:1:0:1:1:1:0:0:1:0:1:0:0:0:0:1:1:0:1:0:0:0:0:1:1:0:2:1:0:0:1:0:2:1:1:0:'
        '2:1:0:2:0:0:2:0:0:1:0:0:0:2:1:0:2:0:0:2:1:0:0:0:0:0:1:1:0:0:0', 84.92, 84.922),
    'ProxylessNAS-mobile': ((0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1, 4, 1, 1, 1, 5, 5, 2, 2, 5),
                            84.42, 84.416),
    "TuNAS' own test": ((0, 1, 6, 6, 6, 4, 1, 1, 0, 5, 4, 5, 5, 4, 0, 1, 1, 4, 2, 0, 1, 5),
                        84.02, 84.017)}
SPACE = ProxylessNAS(10, (8,) * 9)


@pytest.fixture(scope='session')
def tables(shared_data):
    return shared_data / 'latency_tables'


@pytest.fixture
def tunas(tables):
    return TunasLatency(tables / 'tunas' / 'proxylessnas_search.npz')


@pytest.fixture
def toy():
    return AdditiveLatency({label: {name: 0. if name == 'skip' else 1. + index
                                    for index, name in enumerate(leaf.values)}
                            for label, leaf in SPACE.simplify().items()}, base=10.)


@pytest.mark.parametrize('name', NETWORKS)
def test_published_latencies(name, tunas):
    code, published, exact = NETWORKS[name]
    latency = tunas([decode_proxyless(code)]).item()
    assert latency == pytest.approx(published, abs=0.005)
    assert latency == pytest.approx(exact, abs=5e-4)


def test_the_model_is_the_sum_of_its_coefficients(tunas, tables):
    """Against the formula of the README of the data, for random architectures."""
    with np.load(tables / 'tunas' / 'proxylessnas_search.npz', allow_pickle=False) as model:
        kernel, bias, choices = model['kernel'], model['bias'], model['choices']
    starts = np.concatenate([[0], np.cumsum(choices)[:-1]])
    names = ['k3e3', 'k5e3', 'k7e3', 'k3e6', 'k5e6', 'k7e6', 'skip']
    samples = UniformSampler(SPACE, seed=2).distinct(50)
    expected = []
    for sample in samples:
        ops = [0, *(names.index(choice) for choice in sample.values())]
        expected.append(float(bias[0]) + sum(
            float(kernel[start + (op if place == 0 or op == 6 else 2 * (op % 3) + op // 3)])
            for place, (op, start) in enumerate(zip(ops, starts))))
    assert tunas(samples).tolist() == pytest.approx(expected)


def test_table_of_proxylessnas(tables):
    """Against a sum of its entries by hand, read from the file of means instead."""
    widths = (32, 16, 24, 40, 80, 96, 192, 320, 1280)
    folder = tables / 'proxylessnas_mobile'
    model = TableLatency(folder / 'mobile_trim.yaml')
    table = json.loads((folder / 'mobile_trim_mean_ms.json').read_text())
    block = 'expanded_conv-input:{}-output:{}-expand:{}-kernel:{}-stride:{}-idskip:{}'.format
    keys = ['Conv-input:224x224x3-output:112x112x32', 'Conv_1-input:7x7x320-output:7x7x1280',
            'Logits-input:7x7x1280-output:1000',
            block('112x112x32', '112x112x16', 1, 3, 1, 0),
            block('112x112x16', '56x56x24', 6, 3, 2, 0), block('56x56x24', '56x56x24', 3, 5, 1, 1),
            block('56x56x24', '28x28x40', 3, 7, 2, 0), block('28x28x40', '14x14x80', 3, 3, 2, 0),
            block('14x14x80', '14x14x96', 3, 3, 1, 0), block('14x14x96', '14x14x96', 6, 7, 1, 1),
            block('14x14x96', '7x7x192', 3, 3, 2, 0), block('7x7x192', '7x7x320', 6, 5, 1, 0)]
    sample = decode_proxyless([0, 3, 1, 6, 6, 2, 6, 6, 6, 0, 6, 6, 6, 0, 6, 6, 5, 0, 6, 6, 6, 4])
    assert model([sample]).item() == pytest.approx(sum(table[key] for key in keys))
    again = TableLatency(folder / 'mobile_trim_mean_ms.json', widths)
    assert model.bounds == pytest.approx(again.bounds)


def test_the_table_lacks_the_widths_of_acenas(tables):
    with pytest.raises(ValueError, match='Expected the latency of expanded_conv-input:112x112x16-'
                                         'output:56x56x32-.*got none: the widths'):
        TableLatency(tables / 'proxylessnas_mobile' / 'mobile_trim.yaml',
                     (32, 16, 32, 40, 80, 96, 192, 320, 1280))


CONV = 'Conv-input:224x224x3-output:112x112x32'


@pytest.mark.parametrize('text, message', [
    *((f'{{"{CONV}": {value}}}', rf'Expected milliseconds, at least 0, of {CONV} in .*, got')
      for value in ('fast', '-1', '.inf', '[1]', '{mean: x}', '{}', 'true', 'null', 'NaN')),
    ('[1]', r'Expected a table of latencies in .*got \[1\]'),
    ('a: [', 'Expected a YAML or JSON file'),
    (f'{{"{CONV}": .nan}}', 'which is no number'), ('[' * 10 ** 5, 'more than 50 levels'),
    ('{}', f'Expected the latency of {CONV} in .*got none: the widths'), ('', 'got None'),
])
def test_tables_of_something_else(tmp_path, text, message):
    (tmp_path / 'table.yaml').write_text(text)
    with pytest.raises(ValueError, match=message):
        TableLatency(tmp_path / 'table.yaml')


MODEL = {'kernel': np.zeros(144, 'f4'), 'bias': np.zeros(1, 'f4'), 'choices': np.array(
    [3, *(6 + one.skippable for one in block_positions())])}


@pytest.mark.parametrize('changes, message', [
    ({'kernel': np.zeros(9), 'choices': np.array([3, 6])}, r'22 blocks .*got \[3, 6\], \(9,\)'),
    ({'bias': np.zeros(2)}, r'22 blocks .*\(2,\) in'),
    ({'kernel': np.zeros((144, 1))}, '22 blocks'),
    ({'kernel': np.full(144, 'a')}, 'Expected finite numbers as kernel in'),
    ({'kernel': np.full(144, np.nan)}, 'numbers as kernel'),
    ({'bias': np.array(-np.inf)}, 'as bias'),
    ({'choices': np.array(3)}, '22 blocks'),
])
def test_files_of_other_models(tmp_path, changes, message):
    np.savez(tmp_path / 'model.npz', **MODEL)
    assert TunasLatency(tmp_path / 'model.npz').bounds == (0., 0.)
    np.savez(tmp_path / 'model.npz', **{**MODEL, **changes})
    with pytest.raises(ValueError, match=message):
        TunasLatency(tmp_path / 'model.npz')


def test_a_model_of_other_labels(toy):
    with pytest.raises(ValueError, match='Expected architectures of the space of the latency'):
        toy([{'op': 'conv'}])


@pytest.mark.parametrize('costs, base, message', [
    ({'op': {'conv': math.nan}}, 0., "finite milliseconds of 'conv' of 'op', got nan"),
    ({'op': {'conv': math.inf}}, 0., "finite milliseconds of 'conv' of 'op', got inf"),
    ({'op': {'conv': '1'}}, 0., "finite milliseconds of 'conv' of 'op', got '1'"),
    ({'op': {'conv': 1.}}, None, 'finite milliseconds of base, got None'),
    ({'op': [1.]}, 0., "label -> choice -> milliseconds as costs, got {'op'"),
    ({'op': {}}, 0., 'label -> choice -> milliseconds as costs, got {'),
    ([1], 0., r'label -> choice -> milliseconds as costs, got \[1\]')])
def test_costs_that_are_no_table_of_numbers(costs, base, message):
    with pytest.raises(ValueError, match=f'Expected {message}'):
        AdditiveLatency(costs, base)


def test_bounds_are_those_of_all_architectures():
    model = AdditiveLatency({'a': {0: 3., 1: 1.}, 'b': {0: 0., 1: 5., 2: 2.}}, base=2.)
    latencies = model([{'a': a, 'b': b} for a in range(2) for b in range(3)])
    assert model.bounds == (latencies.min(), latencies.max()) == (3., 10.)


@pytest.mark.parametrize('bounds, message', [
    (dict(maximum=15.), 'a maximum of at least 16.000 ms, the fastest architecture, got 15'),
    (dict(minimum=500.), 'a minimum of at most 136.000 ms, the slowest architecture, got 500')])
def test_impossible_bounds_tell_how_far_they_go(toy, bounds, message):
    with pytest.raises(ValueError, match=f'Expected {message}'):
        LatencyConstraint(toy, **bounds)


def test_bounds_that_no_draw_meets_tell_what_was_found(toy):
    sampler = UniformSampler(SPACE, accept=LatencyConstraint(toy, maximum=17.))
    with pytest.raises(ValueError, match=r'accepted by LatencyConstraint\(-inf, 17\), numbers '
                                         r'found from [23]\d(\.\d+)? to \d+'):
        sampler.sample()


def test_evolution_within_bounds_finds_what_is_best_there(toy):
    """The score is the latency itself, so that the optimum is the upper bound."""
    accept = LatencyConstraint(toy, minimum=40., maximum=47.)
    found = Evolution(20, 150, 5, progress=False).search(toy, SPACE, accept=accept)
    assert found[0].score == 47. and all(40. <= one.score <= 47. for one in found)
    fastest = Evolution(20, 150, 5, progress=False).search(CostScorer(toy), SPACE, accept=accept)
    assert fastest[0].score == -40.


def test_constraint_travels_to_trials(tunas):
    accept = LatencyConstraint(tunas, maximum=85., minimum=83.)
    copy = nni.load(nni.dump(accept))
    assert type(copy.model) is type(tunas) and (copy.minimum, copy.maximum) == (83., 85.)
    samples = UniformSampler(SPACE, seed=5).distinct(200)
    assert [copy(one) for one in samples] == [accept(one) for one in samples]
    assert 0 < sum(map(accept, samples)) < 100


def test_the_band_of_acenas_is_met_by_draws_and_mutants(tunas):
    accept = LatencyConstraint(tunas, minimum=83., maximum=85.)
    sampler = UniformSampler(SPACE, seed=6, accept=accept)
    samples = [sampler.sample() for _ in range(20)]
    samples += [sampler.mutate(one) for one in samples]
    assert all(83. <= value <= 85. for value in tunas(samples))
