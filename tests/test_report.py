"""Tests of `nni_rankreg.report`."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from PIL import Image
from scipy import stats

from nni_rankreg.report import (
    _cell_figure,
    _rank_figure,
    _tau_figure,
    best_table,
    draw_cell,
    markdown_table,
    rank_scatter,
    tau_per_epoch,
)

EDGES = list(itertools.combinations(range(4), 2))
OPERATIONS = ['none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3']
HISTORY = [{'epoch': epoch, 'kendall_tau': 0.1 * epoch, 'default': 0.} for epoch in range(6)]


def arms(count=2, size=40, seed=0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 15, size=size) / 10  # with ties
    return {f'arm {number}': targets + generator.normal(size=size).round(1)
            for number in range(count)}, targets


def rank_figure(scores, targets, intervals=None, xlabel='accuracy (%)', ylabel='rank'):
    return _rank_figure(scores, targets, xlabel, ylabel, intervals or {})


def tau_figure(histories, boundaries=(), active=(), metric='kendall_tau'):
    return _tau_figure(histories, boundaries, active, metric, 'Kendall τ')


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def naive_ranks(values):
    return [sum(other < value for other in values) + (sum(other == value for other in values) + 1)
            / 2 for value in values]


DRAWINGS = [
    lambda path: rank_scatter(path, *arms()),
    lambda path: tau_per_epoch(path, {'spos': HISTORY}, boundaries=[2.5], active=[(1, 5)]),
    lambda path: draw_cell(path, dict(zip(EDGES, itertools.cycle(OPERATIONS))), title='cell'),
]


@pytest.mark.parametrize('draw', DRAWINGS)
def test_file_is_a_png_with_a_picture(draw, tmp_path):
    path = tmp_path / 'new' / 'folder' / 'picture.png'
    draw(path)
    with Image.open(path) as image:
        assert image.format == 'PNG'
        assert 800 <= image.width <= 2000 and 400 <= image.height <= 1200
        pixels = np.asarray(image.convert('RGB'))
    ink = (pixels < 250).any(axis=2)
    assert 0.005 < ink.mean() < 0.6
    assert not ink[:3].any() and not ink[-3:].any() and not ink[:, :2].any()  # nothing cut off
    colours = pixels[(pixels.max(axis=2).astype(int) - pixels.min(axis=2)) > 80]
    assert len(colours) > 100


@pytest.mark.parametrize('suffix, start', [('.pdf', b'%PDF'), ('.svg', b'<?xml')])
def test_other_formats_by_suffix(suffix, start, tmp_path):
    DRAWINGS[2](str(tmp_path / f'cell{suffix}'))
    assert (tmp_path / f'cell{suffix}').read_bytes().startswith(start)


@pytest.mark.parametrize('draw', DRAWINGS)
@pytest.mark.parametrize('name', ['picture', 'picture.jpeg', 'picture.npz'])
def test_bad_file_name(draw, name, tmp_path):
    with pytest.raises(ValueError, match=rf'Expected a file name that ends in .*, got {name}\.'):
        draw(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_pyplot_is_left_alone(tmp_path):
    settings_before, figures = dict(pyplot.rcParams), pyplot.get_fignums()
    for number, draw in enumerate(DRAWINGS):
        draw(tmp_path / f'{number}.png')
    assert pyplot.get_fignums() == figures
    assert dict(pyplot.rcParams) == settings_before


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


def test_boundaries_and_active_spans():
    figure = tau_figure({'spos': HISTORY}, [1.5, 3.5], [(0.5, 1.5), (2, 5)])
    ax = figure.axes[0]
    dashed = [line for line in ax.lines[1:] if line.is_dashed()]
    assert [list(line.get_xdata()) for line in dashed] == [[1.5, 1.5], [3.5, 3.5]]
    spans = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [(span.get_x(), span.get_x() + span.get_width()) for span in spans] == [
        (0.5, 1.5), (2, 5)]
    assert legend_texts(figure) == ['spos', 'ranking active', 'new iteration']


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


def outline(ax, arrow):
    """Return points along an arrow, some pixels apart, and those of its shaft, in pixels."""
    lines = ax.transData.transform_path(arrow.get_path()).to_polygons(closed_only=False)
    dense = [np.concatenate([np.linspace(start, end, 50) for start, end in zip(line, line[1:])])
             for line in lines]
    return np.concatenate(dense), dense[0]


def distance(points, position):
    return np.hypot(*(points - position).T).min()


def parts(edges, title=''):
    """Return arrows, nodes, labels of the operations (with a box) and legend of a cell."""
    figure = _cell_figure(edges, title)
    figure.draw_without_rendering()
    ax, = figure.axes
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    nodes = [patch for patch in ax.patches if isinstance(patch, Circle)]
    labels = [text for text in ax.texts if text.get_bbox_patch() is not None]
    return figure, arrows, nodes, labels, legend_texts(figure)


SUBSETS = [subset for size in range(7) for subset in itertools.combinations(EDGES, size)]


@pytest.mark.parametrize('subset', SUBSETS[::9] + SUBSETS[-2:])
@pytest.mark.parametrize('shift', [0, 3])
def test_cell_shows_its_edges(subset, shift):
    edges = {edge: OPERATIONS[(number + shift) % 5] for number, edge in enumerate(subset)}
    _, arrows, nodes, labels, legend = parts(edges)
    assert len(nodes) == 4 and len(arrows) == len(edges)
    assert len(labels) == sum(operation != 'none' for operation in edges.values())
    assert len(legend) == len(set(edges.values()))
    dotted = [arrow for arrow in arrows if arrow.get_linestyle() != '-']
    assert len(dotted) == len(edges) - len(labels)


@pytest.mark.parametrize('edge', EDGES)
def test_edge_leads_from_source_to_target(edge):
    figure, (arrow,), nodes, (label,), legend = parts({edge: 'nor_conv_3x3'})
    ax, = figure.axes
    points, shaft = outline(ax, arrow)
    centres = ax.transData.transform([node.center for node in nodes])
    radius = nodes[0].get_window_extent().width / 2
    assert distance(shaft[:1], centres[edge[0]]) == pytest.approx(radius, abs=3)
    assert distance(points, centres[edge[1]]) == pytest.approx(radius, abs=7)  # the tip
    wide = [point for point in points if distance(shaft, point) > 5]  # the head, at the target
    assert wide and all(distance(centres[edge[1]:][:1], point) < 3 * radius for point in wide)
    assert all(distance(points, centres[node]) > 1.5 * radius for node in {*range(4)} - {*edge})
    box = label.get_bbox_patch().get_window_extent()
    assert distance(shaft, (box.get_points().sum(axis=0)) / 2) < 4  # on its edge
    assert label.get_text() == legend[0] == 'conv 3×3'


def test_nodes_go_from_left_to_right():
    figure, _, nodes, *_ = parts({})
    assert [node.center[0] for node in nodes] == sorted(node.center[0] for node in nodes)
    texts = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert set(texts) == {'0', '1', '2', '3', 'input', 'output'}
    for number, node in enumerate(nodes):
        assert texts[str(number)] == pytest.approx(node.center)


@pytest.mark.parametrize('operation', [*OPERATIONS[1:], 'dilated_separable_conv_5x5'])
def test_nothing_overlaps(operation):
    edges = dict.fromkeys(EDGES, operation)
    figure, arrows, nodes, labels, _ = parts(edges, 'title')
    ax, = figure.axes
    boxes = [label.get_bbox_patch().get_window_extent() for label in labels]
    circles = [node.get_window_extent() for node in nodes]
    words = [text.get_window_extent() for text in [ax.title, *figure.legends[0].get_texts()]]
    words += [text.get_window_extent() for text in ax.texts if 'put' in text.get_text()]
    for one, other in itertools.combinations(boxes + circles + words, 2):
        assert not one.overlaps(other)
    for box in boxes + words:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
    for arrow, label in itertools.product(arrows, labels):
        if arrows.index(arrow) != labels.index(label):
            points, _ = outline(ax, arrow)
            box = boxes[labels.index(label)]
            inside = ((points > [box.x0, box.y0]) & (points < [box.x1, box.y1])).all(axis=1)
            assert not inside.any()


def test_edges_meet_in_nodes_only():
    figure, arrows, nodes, *_ = parts(dict.fromkeys(EDGES, 'conv_1x1'))
    ax, = figure.axes
    centres = ax.transData.transform([node.center for node in nodes])
    near = 1.6 * nodes[0].get_window_extent().width / 2
    shafts = [[point for point in outline(ax, arrow)[1] if distance(centres, point) > near]
              for arrow in arrows]
    for one, other in itertools.combinations(shafts, 2):
        assert min(distance(np.array(one), point) for point in other) > 5


def test_operations_have_fixed_colours_of_their_own():
    mapping = {}
    for names in (OPERATIONS, ['none', 'skip_connect', 'conv_1x1', 'conv_3x3', 'avg_pool_3x3']):
        _, arrows, *_ = parts(dict(zip(EDGES, names)))
        mapping[names[2]] = [to_hex(arrow.get_edgecolor()) for arrow in arrows]
        assert len(set(mapping[names[2]])) == 5
    assert mapping['nor_conv_1x1'] == mapping['conv_1x1']
    _, arrows, _, labels, _ = parts({(0, 1): 'max_pool', (1, 2): 'sep', (2, 3): 'max_pool'})
    colours = [to_hex(arrow.get_edgecolor()) for arrow in arrows]
    assert colours[0] == colours[2] != colours[1]
    assert [to_hex(label.get_bbox_patch().get_edgecolor()) for label in labels] == colours


def test_title_of_a_cell_is_literal():
    figure, *_ = parts({}, '|none~0| $5 to $6')
    assert figure.axes[0].get_title() == '|none~0| $5 to $6'
    assert not figure.axes[0].title.get_parse_math()


@pytest.mark.parametrize('edge', [(1, 0), (1, 1), (0, 4), (-1, 2), 'ab'])
def test_cell_errors(edge, tmp_path):
    got = re.escape(str(edge))
    with pytest.raises(ValueError, match=rf'Expected edges \(source, target\) .*, got {got}\.'):
        draw_cell(tmp_path / 'cell.png', {(0, 1): 'none', edge: 'none'})


def parse(table):
    """Read a Markdown table: cells end at bars without a backslash, then escapes are resolved."""
    lines = [re.findall(r'\|((?:\\.|[^\\|])*)(?=\|)', line) for line in table.split('\n')]
    cells = [[re.sub(r'\\(.)', r'\1', cell.strip(' ')) for cell in line] for line in lines]
    assert all(re.fullmatch(r'(:-{2,}|-{2,}:)', cell) for cell in cells[1])
    return cells[0], cells[2:]


TEXT = st.text(st.one_of(st.sampled_from('|\\~*`<_- a'), st.characters(
    exclude_categories=('Cc', 'Cs', 'Zl', 'Zp'))), max_size=8).map(str.strip)


@settings(deadline=None)
@given(data=st.integers(1, 4).flatmap(lambda width: st.lists(
    st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=4)))
def test_table_is_aligned_and_parses_back(data):
    table = markdown_table(data[0], data[1:])
    assert parse(table) == (data[0], data[1:])
    # Bars of the frame stand at the same places; those in a cell have a backslash.
    masked = [re.sub(r'\\.', '..', line) for line in table.split('\n')]
    assert len({tuple(match.start() for match in re.finditer(r'\|', line)) for line in masked}) == 1


def test_table_of_numbers():
    rows = [['a', np.float32(0.5), 7, None, True], ['b', -12., np.int64(123), 1e-3, False]]
    table = markdown_table(['name', 'x', 'n', 'gap', 'flag'], rows, digits=2)
    assert table.split('\n') == [
        '| name |      x |   n |  gap | flag  |',
        '| :--- | -----: | --: | ---: | :---- |',
        '| a    |   0.50 |   7 |      | True  |',
        '| b    | -12.00 | 123 | 0.00 | False |',
    ]


def test_table_has_one_line_a_row():
    table = markdown_table(['error'], [['one\ntwo\r\nthree']])
    assert parse(table) == (['error'], [['one two three']])


def test_table_without_rows():
    assert markdown_table(['arm', 'τ'], []) == '| arm | τ   |\n| :-- | :-- |'


@pytest.mark.parametrize('header, rows, message', [
    ([], [], 'Expected at least one column, got none'),
    (['a', 'b'], [[1, 2], [1]], 'Expected 2 cells in row 1, got 1'),
    (['a'], [[1, 2]], 'Expected 1 cells in row 0, got 2'),
])
def test_table_errors(header, rows, message):
    with pytest.raises(ValueError, match=message):
        markdown_table(header, rows)


def test_best_table_takes_all_keys_in_order():
    arch = '|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|'
    table = best_table([{'rank': 1, 'arch': arch}, {'rank': 2, 'score': 0.25, 'arch': 'x'}])
    assert parse(table) == (['rank', 'arch', 'score'], [['1', arch, ''], ['2', 'x', '0.2500']])
    assert '0.3 |' in best_table([{'score': 0.25001}], digits=1)


@pytest.mark.parametrize('rows, message', [
    ([], 'Expected at least one row, got none'),
    ([{}], 'Expected at least one column, got none'),
])
def test_best_table_errors(rows, message):
    with pytest.raises(ValueError, match=message):
        best_table(rows)
