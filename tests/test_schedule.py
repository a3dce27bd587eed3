"""Tests of `nni_rankreg.schedule`."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_rankreg.schedule import Schedule

SHAPES = ('constant', 'cosine_increase', 'cosine_decrease', 'linear_increase', 'linear_decrease')
HORIZONS = ('remaining', 'total')

# Last-epoch factors of the published runs: epochs, warm-up, epochs added after the schedule's own.
PUBLISHED = [
    pytest.param(400, 150, 0, 0.691, id='SPOS-NB201'),
    pytest.param(200, 100, 0, 0.500, id='SPOS-NB101'),
    pytest.param(400, 100, 0, 0.854, id='NAO-NB201'),
    pytest.param(410, 100, 50, 0.964, id='GDAS-NB201'),
    pytest.param(410, 250, 50, 0.519, id='GDAS-DARTS'),
    pytest.param(200, 140, 0, 0.206, id='ImageNet'),
    pytest.param(200, 150, 0, 0.146, id='Hamming'),
]


def curve(schedule: Schedule, epochs: int) -> list[float]:
    return [schedule(epoch, epochs) for epoch in range(epochs)]


@st.composite
def runs(draw):
    """Return the epochs of a run and a warm-up that leaves at least one active epoch."""
    epochs = draw(st.integers(1, 60))
    return epochs, draw(st.integers(0, epochs - 1))


@pytest.mark.parametrize('epochs, warmup, extra, expected', PUBLISHED)
def test_published_last_epoch_factors(epochs, warmup, extra, expected):
    last, total = epochs + extra - 1, epochs + extra
    factor = Schedule('cosine_increase', warmup=warmup, horizon=epochs)(last, total)
    assert factor == pytest.approx(expected, abs=5e-4)
    as_total = Schedule('cosine_increase', warmup=warmup, horizon='total')(last, total)
    assert (as_total == factor) == (extra == 0)


@pytest.mark.parametrize('epochs, warmup, extra, _', PUBLISHED)
def test_published_mean_factors_stay_small(epochs, warmup, extra, _):
    factors = curve(Schedule(warmup=warmup, horizon=epochs), epochs + extra)[warmup:]
    assert 0.045 < sum(factors) / len(factors) < 0.435


def test_default_is_the_warmup_of_the_published_spos_run_and_reaches_one():
    schedule = Schedule()
    assert schedule.warmup_epochs(400) == 150
    assert schedule(149, 400) == 0. < schedule(150, 400)
    assert schedule(399, 400) == 1.


@pytest.mark.parametrize('shape, expected', [
    ('constant', [0, 0, 1, 1, 1, 1]),
    ('cosine_increase', [0, 0, .5 - math.sqrt(.125), .5, .5 + math.sqrt(.125), 1]),
    ('cosine_decrease', [0, 0, .5 + math.sqrt(.125), .5, .5 - math.sqrt(.125), 0]),
    ('linear_increase', [0, 0, .25, .5, .75, 1]),
    ('linear_decrease', [0, 0, .75, .5, .25, 0]),
])
def test_values_with_remaining_horizon(shape, expected):
    assert curve(Schedule(shape, warmup=2), 6) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize('shape, expected', [
    ('constant', 1.), ('cosine_increase', .75), ('cosine_decrease', .25),
    ('linear_increase', 2 / 3), ('linear_decrease', 1 / 3),
])
def test_total_horizon_stops_short_of_the_end(shape, expected):
    assert Schedule(shape, warmup=2, horizon='total')(5, 6) == pytest.approx(expected)


@pytest.mark.parametrize('horizon', HORIZONS)
@pytest.mark.parametrize('shape, end', [
    ('constant', 1.), ('cosine_increase', 1.), ('cosine_decrease', 0.),
    ('linear_increase', 1.), ('linear_decrease', 0.),
])
@pytest.mark.parametrize('epochs', [1, 7, 100])
def test_end_value_without_warmup(shape, end, horizon, epochs):
    assert Schedule(shape, warmup=0, horizon=horizon)(epochs - 1, epochs) == end


def test_schedules_of_ranking_distillation():
    """2 sin(0.8 pi e / E) and min(2, e / 10), e counted from 1."""
    sine, ramp = Schedule('sine', warmup=0), Schedule('linear_increase', warmup=0, horizon=20)
    for epoch in range(70):
        e = epoch + 1
        assert 2 * sine(epoch, 70) == pytest.approx(2 * math.sin(0.8 * math.pi * e / 70))
        assert 2 * ramp(epoch, 70) == pytest.approx(min(2, e / 10))
    assert max(curve(sine, 80)) == curve(sine, 80)[49] == pytest.approx(1.)  # at 62.5 %


def test_integer_horizon_holds_the_end_value_once_reached():
    factors = curve(Schedule('linear_increase', warmup=1, horizon=2), 6)
    assert factors == [0., .5, 1., 1., 1., 1.]


@settings(deadline=None)
@given(runs(), st.sampled_from(SHAPES), st.sampled_from(HORIZONS))
def test_monotone_and_bounded(run, shape, horizon):
    epochs, warmup = run
    factors = curve(Schedule(shape, warmup=warmup, horizon=horizon), epochs)
    assert factors[:warmup] == [0.] * warmup
    active = factors[warmup:]
    assert all(0 <= factor <= 1 for factor in active)
    sign = -1 if shape.endswith('decrease') else 1
    steps = [sign * (after - before) for before, after in itertools.pairwise(active)]
    assert all(step == 0 if shape == 'constant' else step > 0 for step in steps)
    if shape.startswith('linear'):
        assert steps == pytest.approx([steps[0]] * len(steps) if steps else [])


@settings(deadline=None)
@given(runs(), st.sampled_from(['cosine', 'linear']), st.sampled_from(HORIZONS))
def test_increase_and_decrease_are_complements(run, kind, horizon):
    epochs, warmup = run
    up = curve(Schedule(f'{kind}_increase', warmup=warmup, horizon=horizon), epochs)
    down = curve(Schedule(f'{kind}_decrease', warmup=warmup, horizon=horizon), epochs)
    assert [a + b for a, b in zip(up, down)][warmup:] == pytest.approx([1.] * (epochs - warmup))


def test_ramp_values():
    assert curve(Schedule('constant', warmup=2, ramp=4), 8) == [0, 0, .25, .5, .75, 1, 1, 1]


@pytest.mark.parametrize('shape', ['cosine_decrease', 'linear_decrease'])
def test_ramp_multiplies_the_decrease(shape):
    plain = curve(Schedule(shape, warmup=1), 6)
    ramped = curve(Schedule(shape, warmup=1, ramp=2), 6)
    assert ramped == [0., plain[1] / 2, *plain[2:]]


def test_ramp_longer_than_the_active_part_is_cut_off():
    assert curve(Schedule('constant', warmup=0, ramp=10), 3) == pytest.approx([.1, .2, .3])


@pytest.mark.parametrize('warmup, epochs, expected', [
    (0, 1, 0), (3, 4, 3), (0., 1, 0), (0.375, 400, 150), (0.5, 5, 2), (0.6, 4, 2), (0.7, 4, 3),
    (0.375, 1, 0), (1, 10, 1),
])
def test_warmup_epochs(warmup, epochs, expected):
    count = Schedule(warmup=warmup).warmup_epochs(epochs)
    assert count == expected and isinstance(count, int)


def test_without_warmup_changes_nothing_else():
    schedule = Schedule('linear_decrease', warmup=0.5, ramp=3, horizon='total')
    changed = schedule.without_warmup()
    assert changed == Schedule('linear_decrease', warmup=0, ramp=3, horizon='total')
    assert schedule.warmup == 0.5
    assert changed(0, 2) > 0 == schedule(0, 2)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Schedule().warmup = 3  # type: ignore[misc]


@pytest.mark.parametrize('arguments, message', [
    ({'shape': 'cosine'},
     'Expected shape to be one of ' + ', '.join(SHAPES) + ", sine, got 'cosine'"),
    ({'warmup': -1}, r'Expected warmup .* got -1'),
    ({'warmup': 1.}, r'Expected warmup .* a float in \[0, 1\) .* got 1.0'),
    ({'warmup': -.1}, r'Expected warmup .* got -0.1'),
    ({'warmup': float('nan')}, 'Expected warmup .* got nan'),
    ({'warmup': True}, 'Expected warmup .* got True'),
    ({'warmup': '10'}, "Expected warmup .* got '10'"),
    ({'shape': 'constant', 'ramp': -1}, 'Expected ramp to be an integer >= 0, got -1'),
    ({'shape': 'constant', 'ramp': 2.5}, 'Expected ramp to be an integer >= 0, got 2.5'),
    ({'shape': 'cosine_increase', 'ramp': 3}, 'Expected ramp=0 .* got ramp=3'),
    ({'shape': 'linear_increase', 'ramp': 3}, 'Expected ramp=0 .* got ramp=3'),
    ({'horizon': 'all'}, "Expected horizon to be one of remaining, total, .* got 'all'"),
    ({'horizon': 0}, 'Expected horizon .* got 0'),
])
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**arguments)


@pytest.mark.parametrize('epoch', [-1, 10, 11])
def test_epoch_out_of_range(epoch):
    with pytest.raises(ValueError, match=rf'Expected epoch in 0\.\.9 .* got {epoch}\.'):
        Schedule()(epoch, 10)


@pytest.mark.parametrize('warmup, epochs', [(10, 10), (11, 10), (0.9, 1), (0.96, 10)])
def test_no_active_epoch(warmup, epochs):
    message = f'Expected a warm-up shorter than the training of {epochs} epochs, got 1[01]? epochs'
    with pytest.raises(ValueError, match=message):
        Schedule(warmup=warmup).warmup_epochs(epochs)
    with pytest.raises(ValueError, match=message):
        Schedule(warmup=warmup)(0, epochs)


def test_no_epochs():
    with pytest.raises(ValueError, match='Expected epochs >= 1, got 0'):
        Schedule()(0, 0)
