"""Tests of `nni_rankreg.report.cell`."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyArrowPatch

from nni_rankreg.report import draw_cell
from nni_rankreg.report.cell import cell_figure

EDGES = list(itertools.combinations(range(4), 2))
OPERATIONS = ['none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3']


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def outline(ax, arrow):
    """Return points along an arrow, some pixels apart, and those of its shaft, in pixels."""
    lines = ax.transData.transform_path(arrow.get_path()).to_polygons(closed_only=False)
    dense = [np.concatenate([np.linspace(*ends, 50) for ends in itertools.pairwise(line)])
             for line in lines]
    return np.concatenate(dense), dense[0]


def distance(points, position):
    return np.hypot(*(points - position).T).min()


def parts(edges, title=''):
    """Return arrows, nodes, labels of the operations (with a box) and legend of a cell."""
    figure = cell_figure(edges, title)
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


@pytest.mark.slow
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
