"""Distances of two architectures, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nni_rankreg.sampler import group_distance, hamming_distance


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=8))
def test_hamming_counts_unequal_positions(pairs):
    a = {str(i): x for i, (x, _) in enumerate(pairs)}
    b = dict(reversed([(str(i), y) for i, (_, y) in enumerate(pairs)]))
    expected = int((np.array(pairs).reshape(-1, 2) @ [1, -1] != 0).sum())
    assert hamming_distance(a, b) == hamming_distance(b, a) == expected


def test_hamming_refuses_other_labels():
    with pytest.raises(ValueError, match=r"Expected two architectures of one space.*'a'.*'b'"):
        hamming_distance({'a': 1}, {'b': 1})



def test_group_distance_of_different_labels():
    with pytest.raises(ValueError, match='Expected two architectures of one space'):
        group_distance({'a': 1}, {'b': 1}, {})
