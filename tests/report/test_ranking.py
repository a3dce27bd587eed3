"""Tests of `nni_rankreg.report.ranking`."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from nni_rankreg.report import rank_scatter, tau_per_epoch
from nni_rankreg.report.ranking import _rank_figure, _tau_figure

HISTORY = [{'epoch': epoch, 'kendall_tau': 0.1 * epoch, 'default': 0.} for epoch in range(6)]


def arms(count=2, size=40, seed=0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 15, size=size) / 10  # with ties
    return {f'arm {number}': targets + generator.normal(size=size).round(1)
            for number in range(count)}, targets


def rank_figure(scores, targets, intervals=None, xlabel='accuracy (%)', ylabel='rank',
                mode='max'):
    return _rank_figure(scores, targets, xlabel, ylabel, intervals or {}, mode)


def tau_figure(histories, boundaries=(), metric='kendall_tau'):
    return _tau_figure(histories, boundaries, metric, 'Kendall τ')


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def naive_ranks(values):
    return [sum(other < value for other in values) + (sum(other == value for other in values) + 1)
            / 2 for value in values]


@pytest.mark.parametrize('count', [1, 2, 4, 5, 9])
def test_rank_panels_show_the_data(count):
    scores, targets = arms(count)
    figure = rank_figure(scores, targets)
    assert len(figure.axes) == count
    for ax, (arm, values) in zip(figure.axes, scores.items()):
        assert ax.get_title().split('\n')[0] == arm
        points, = ax.collections
        np.testing.assert_allclose(points.get_offsets(),
                                   np.stack([targets, naive_ranks(values)], axis=1))
        assert ax.get_xlim() == figure.axes[0].get_xlim()
        assert ax.get_ylim() == figure.axes[0].get_ylim()
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ('accuracy (%)', 'rank')
    assert legend_texts(figure) == ['perfect ranking']


def test_targets_to_minimise_keep_their_sign():
    scores, targets = arms(2)
    plain, figure = rank_figure(scores, targets), rank_figure(scores, -targets, mode='min')
    for ax, other in zip(figure.axes, plain.axes):
        assert ax.get_title() == other.get_title()
        points = ax.collections[0].get_offsets() * [-1, 1]
        np.testing.assert_allclose(points, other.collections[0].get_offsets())
        line, straight = (one.lines[0].get_xydata() for one in (ax, other))
        np.testing.assert_allclose(sorted(map(tuple, line * [-1, 1])),
                                   sorted(map(tuple, straight)))
        assert ax.xaxis_inverted() and not other.xaxis_inverted()


@pytest.mark.parametrize('count', range(1, 8))
def test_neighbouring_arms_differ_in_colour(count):
    rank = rank_figure(*arms(count, size=4))
    tau = tau_figure({str(arm): HISTORY for arm in range(count)})
    panels = [to_hex(ax.collections[0].get_facecolor()[0]) for ax in rank.axes]
    lines = [to_hex(line.get_color()) for line in tau.axes[0].lines]
    assert panels == lines and len(set(lines)) == count


@pytest.mark.parametrize('seed', range(4))
def test_title_tells_the_tau_of_scipy(seed):
    scores, targets = arms(3, seed=seed)
    for ax, values in zip(rank_figure(scores, targets).axes, scores.values()):
        shown = re.search(r'\nKendall τ = (\S+)$', ax.get_title())
        assert float(shown[1]) == pytest.approx(stats.kendalltau(values, targets)[0], abs=5.1e-4)


def test_title_without_an_order():
    figure = rank_figure({'spos': [1., 1., 1.]}, [1., 2., 3.])
    assert figure.axes[0].get_title() == 'spos\nKendall τ undefined'


@pytest.mark.parametrize('interval, title', [
    ((2 / 3, 0.51, 0.7004), 'Kendall τ = 0.667 [0.510, 0.700]'),
    ((0.5, -0.25, 0.75), 'Kendall τ = 0.500 [-0.250, 0.750]; points: 0.667'),
    ((2 / 3, math.nan, math.nan), 'Kendall τ = 0.667 [nan, nan]'),
])
def test_title_with_an_interval(interval, title):
    scores = {'with': [1., 2., 3., 4.], 'without': [1., 2., 3., 4.]}
    figure = rank_figure(scores, [1., 3., 2., 4.], {'with': interval})
    assert [ax.get_title() for ax in figure.axes] == [
        f'with\n{title}', 'without\nKendall τ = 0.667']


def test_points_of_a_perfect_ranking_lie_on_the_line():
    _, targets = arms()
    ax, = rank_figure({'oracle': 10 * targets - 3}, targets).axes
    line, = ax.lines
    points = sorted(map(tuple, ax.collections[0].get_offsets()))
    np.testing.assert_allclose(points, line.get_xydata())


@pytest.mark.parametrize('scores, targets, intervals, message', [
    ({}, [1., 2.], None, 'Expected at least one arm, got none'),
    ({'a': [1., 2.], 'b': [1., 2., 3.]}, [1., 2.], None,
     r"Expected a score of 'b' for each of the targets, shape \(2,\), got shape \(3,\)"),
    ({'a': [[1., 2.]]}, [[1., 2.]], None, r'Expected scores of shape \(N,\), got shape \(1, 2\)'),
    ({'a': [1., math.nan]}, [1., 2.], None, 'Expected finite scores, got 1 non-finite'),
    ({'a': [1.]}, [1.], None, 'Expected at least 2 architectures to compare, got 1'),
    ({'a': [1., 2.]}, [1., 2.], {'b': (1., 0., 1.)},
     r"Expected intervals of the arms \['a'\], got \['b'\]"),
    ({'a': [1., 2.]}, [1., 2.], {'a': (1., 1., 0.)},
     r"Expected \(tau, low, high\) of 'a' with low <= high, got \(1.0, 1.0, 0.0\)"),
    ({'a': [1., 2.]}, [1., 2.], {'a': (0., 1.)}, r'Expected \(tau, low, high\) of .*got \(0.0, 1'),
])
def test_rank_errors(scores, targets, intervals, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        rank_scatter(tmp_path / 'rank.png', scores, targets, intervals=intervals)
    assert not list(tmp_path.iterdir())


def test_tau_lines_show_the_data():
    longer = [{'epoch': 2 * epoch, 'kendall_tau': -0.1, 'default': 1.} for epoch in range(40)]
    figure = tau_figure({'spos': HISTORY, 'spos+landmark': longer})
    first, second = figure.axes[0].lines
    np.testing.assert_allclose(first.get_xydata(), [(n, 0.1 * n) for n in range(6)])
    np.testing.assert_allclose(second.get_xydata(), [(2 * n, -0.1) for n in range(40)])
    assert legend_texts(figure) == ['spos', 'spos+landmark']
    assert {first.get_marker(), second.get_marker()} == {'o', 's'}


def test_tau_of_one_epoch_is_visible():
    line, = tau_figure({'spos': HISTORY[:1]}).axes[0].lines
    assert line.get_marker() == 'o' and line.get_markevery() == 1


def test_tau_of_another_metric():
    line, = tau_figure({'spos': HISTORY}, metric='default').axes[0].lines
    assert list(line.get_ydata()) == [0.] * 6


def test_tau_gap():
    history = [HISTORY[0], {'epoch': 1, 'kendall_tau': math.nan}, HISTORY[2]]
    line, = tau_figure({'spos': history}).axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [0., math.nan, 0.2])


def test_boundaries():
    figure = tau_figure({'spos': HISTORY}, [1.5, 3.5])
    ax = figure.axes[0]
    dashed = [line for line in ax.lines[1:] if line.is_dashed()]
    assert [list(line.get_xdata()) for line in dashed] == [[1.5, 1.5], [3.5, 3.5]]
    assert legend_texts(figure) == ['spos', 'new iteration']


@pytest.mark.parametrize('histories, message', [
    ({}, 'Expected at least one arm, got none'),
    ({'a': HISTORY, 'b': []}, "Expected at least one epoch of 'b', got none"),
    ({'a': [{'epoch': 0, 'default': 1.}]},
     r"Expected 'epoch' and 'kendall_tau' in the history of 'a', got \['default', 'epoch'\]"),
    ({'a': [{'kendall_tau': 1.}]}, r"Expected 'epoch' and .*, got \['kendall_tau'\]"),
    ({'a': HISTORY + HISTORY}, "Expected increasing epochs of 'a', got 0 after 5; let the epochs"),
    ({'a': HISTORY[:1] * 2}, "Expected increasing epochs of 'a', got 0 after 0"),
])
def test_tau_errors(histories, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        tau_per_epoch(tmp_path / 'tau.png', histories)
