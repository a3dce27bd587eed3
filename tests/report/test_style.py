"""Tests of what all pictures of `nni_rankreg.report` share, and of their files."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

from nni_rankreg.report import draw_cell, rank_scatter, tau_per_epoch

HISTORY = [{'epoch': epoch, 'kendall_tau': 0.1 * epoch} for epoch in range(6)]
DRAWINGS = [
    lambda path: rank_scatter(path, {'a': range(40), 'b': range(40, 0, -1)}, range(40)),
    lambda path: tau_per_epoch(path, {'spos': HISTORY}, boundaries=[2.5]),
    lambda path: draw_cell(path, dict(zip(itertools.combinations(range(4), 2),
                                          ['none', 'skip_connect', 'conv_3x3'] * 2)), title='cell'),
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
