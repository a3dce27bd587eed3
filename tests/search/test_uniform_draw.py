"""Random architectures that are drawn alike elsewhere."""

from __future__ import annotations

from helpers.spaces import grid

from nni_rankreg.search import UniformDraw
from nni_rankreg.typing import sample_key


def test_uniform_draw_is_the_same_for_a_space_and_its_simplified_form(make_space):
    space = make_space('NasBench201')
    draw = UniformDraw(20, seed=4, accept=lambda sample: sample['cell/0_1'] != 'none')
    drawn = draw.samples(space)
    assert drawn == draw.samples(space.simplify()) and len(set(map(sample_key, drawn))) == 20
    assert all(sample['cell/0_1'] != 'none' for sample in drawn)
    assert drawn != UniformDraw(20, seed=5).samples(space)
    assert len(UniformDraw(99).samples(grid(7))) == 7
