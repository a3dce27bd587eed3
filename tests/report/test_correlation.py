"""Correlations of scorers with the truth and with each other, also of scores that are NaN."""

from __future__ import annotations

import math

import numpy as np

from nni_rankreg.report import correlations, describe_agreement, describe_correlations


def cells(text):
    """Return the rows of Markdown without its header."""
    lines = [line for line in text.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines[2:]]


def test_fewer_than_two_finite_scores():
    scores = {'a': np.array([1., math.nan]), 'b': np.array([1., 2.])}
    found = correlations(scores, np.array([1., 2.]))
    first, second = cells(describe_correlations(scores, found))
    assert first == ['a', 'nan', '+nan .. +nan', 'nan', '1'] and second[1] == '1.000'
    first, second = cells(describe_agreement({**scores, 'a': np.full(2, math.nan)}))
    assert first[:3] == ['a', 'nan', '2'] and second == ['b', '1.5', '0', 'nan', '1.00']
