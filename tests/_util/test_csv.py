"""Many texts of architectures at once, against JSON one by one."""

from __future__ import annotations

import json
import re

import pytest
from helpers.fuzz import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from nni_rankreg._util.csv import parse_sample, parse_samples

CHOICES = st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(-1, 1),
                                 st.text(', "\\\\:{}[]é', max_size=5)),
                       lambda one: st.one_of(st.lists(one, max_size=3), st.dictionaries(
                           st.sampled_from(['a', 'b']), one)), max_leaves=4)
SAMPLES = st.lists(st.fixed_dictionaries({'a': CHOICES, 'b, "': CHOICES}), max_size=4)


@FUZZ
@given(SAMPLES, st.sampled_from([None, 1]), st.booleans())
def test_samples_are_what_json_says(samples, indent, plain):
    texts = [json.dumps(one, indent=indent, ensure_ascii=plain) for one in samples]
    assert parse_samples(texts) == samples


@pytest.mark.parametrize('text', [
    '{"a": 1, "b": 2, "a": 3}', '{"b": 2, "a": 1}', '{"a": 1}', '{}', '{"a":1,"b":2}',
    '{"a": {"x": 1, "b": 2}}', ' {"a": 1, "b": 2} ', '{"a": [1, "b"], "b": 2}'])
def test_a_text_of_another_form(text):
    texts = ['{"a": 0, "b": 0}', text, '{"a": [0], "b": "1"}']
    assert parse_samples(texts) == list(map(json.loads, texts))


@pytest.mark.parametrize('text', [
    '{"a": 1}, "b": 2}', '{"a": 1, "b": NaN}', '["a", "b"]', '("a": 1, "b": 2}', '{"a": 1, "b": 2',
    '{"a": 1, "b": 2}}', '{"a": 1, "b": }', '{"a": 1, "b": ' + '[' * 100_000 + '}'])
def test_what_is_no_sample_is_refused_as_if_it_were_alone(text):
    try:
        alone = parse_sample(text)
    except ValueError as error:
        alone = str(error)
    with pytest.raises(ValueError, match=re.escape(alone)):
        parse_samples(['{"a": 0, "b": 0}', text])


def test_equal_choices_are_one_object():
    one, two = parse_samples(['{"a": "conv"}', '{"a": "conv"}'])
    assert one['a'] is two['a']
