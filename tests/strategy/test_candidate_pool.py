"""The candidates of a search: one architecture for each function, unless all are wanted."""

from __future__ import annotations

import pytest

from nni_rankreg.space import NasBench201, canonical_form
from nni_rankreg.strategy import CandidatePool


@pytest.mark.parametrize('merge_twins, count', [(True, 6_466), (False, 15_625)])
def test_twins_are_merged(merge_twins, count):
    space = NasBench201(4, 1)
    candidates = CandidatePool(merge_twins=merge_twins).of(space, seed=0)
    drawn = candidates.random(15_625)
    assert len(drawn) == count and len(set(map(canonical_form(space), drawn))) == 6_466


def test_simplified_spaces_have_no_twins():
    assert len(CandidatePool().of(NasBench201(4, 1).simplify(), seed=0).random(15_625)) == 15_625
