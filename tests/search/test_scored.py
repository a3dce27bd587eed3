"""Architectures with their scores."""

from __future__ import annotations

import json
import math
import pickle

from nni_rankreg.search import ScoredSample, best_first


def test_scored_sample_is_a_plain_architecture_with_a_score():
    one = ScoredSample({'op': 'conv', 'inputs': [0]}, 0.25)
    assert one == {'op': 'conv', 'inputs': [0]} and json.loads(json.dumps(one)) == one
    copy = pickle.loads(pickle.dumps(one))
    assert (copy, copy.score) == (one, 0.25)


def test_best_first_keeps_scores_and_the_order_of_equal_ones():
    scores = [0.5, math.nan, 2., 0.5, -1.]
    ordered = best_first(ScoredSample({'x': x}, score) for x, score in enumerate(scores))
    assert [one['x'] for one in ordered] == [2, 0, 3, 4, 1]
    assert [one.score for one in ordered[:4]] == [2., 0.5, 0.5, -1.]
