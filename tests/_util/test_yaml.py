"""YAML files: numbers of YAML 1.2, plain values only, bounds that are told before they hurt."""

from __future__ import annotations

import math

import pytest
import yaml

from nni_rankreg._util.yaml import read_yaml


@pytest.fixture
def read(tmp_path):
    """Return a function: text -> what it means as a file."""
    def read(text, **options):
        path = tmp_path / 'a.yml'
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_yaml(path, **options)
    return read


@pytest.mark.parametrize('text, value', [
    ('1e-3', .001), ('5E+2', 500.), ('1.', 1.), ('.5', .5), ('-.5e1', -5.), ('+3', 3), ('010', 10),
    ('0o17', 15), ('0x1F', 31), ('-.inf', -math.inf), ('1:30', '1:30'), ('0b1', '0b1'),
    ('1_000', '1_000'), ('2001-01-01', '2001-01-01'), ('1e', '1e'), ('e3', 'e3'),
    ('"1e-3"', '1e-3'),
    ('yes', True), ('off', False), ('~', None), ('!!str 7', '7'), ('!!float 7', 7.), ('.', '.'),
])
def test_values_of_yaml_1_2(read, text, value):
    found = read(f'a: {text}')['a']
    assert found == value and type(found) is type(value)


def test_what_both_versions_agree_on_is_what_pyyaml_reads(read):
    text = ('a: &a {b: [1, -2, 3.5, x, "y", null, true], c: 0x10}\n'
            'd:\n  <<: *a\n  c: |\n    two\n    lines\n')
    assert read(text) == read('\ufeff' + text) == read(text, numbers='1.1') == yaml.safe_load(text)
    assert read('a: 010', numbers='1.1') == yaml.safe_load('a: 010') == {'a': 8}


@pytest.mark.parametrize('text, message', [
    ('a: !!binary aGk=', "constructor for the tag 'tag:yaml.org,2002:binary'"),
    ('a: !!python/name:os.system', 'constructor for the tag'), ('a: !!set {b}', '2002:set'),
    ('a: !!omap [b: 1]', '2002:omap'), ('a: !!timestamp 2001-01-01', '2002:timestamp'),
    ('a: !own 1', "tag '!own'"), ('a: 1\n"a": 2', "the key 'a' twice in line 2, column 1"),
    ('b: {<<: {x: 1}, <<: {y: 2}}', "the key '<<' twice"), ('? [a]\n: 1', 'unhashable key'),
    ('a: .nan', '.nan, which is no number in line 1, column 4'), ('a: 1e999', 'which is no number'),
    (f'a: {2 ** 63}', 'more than 64 bits in line 1'), (f'a: {"9" * 5000}', 'more than 64 bits'),
    ('a: &a [*a]', 'an alias within what it refers to'), ('&a {*a : 1}', 'an alias within'),
    ('[' * 10 ** 5, 'more than 50 levels in line 1, column 51'), ('{a: ' * 10 ** 5, '50 levels'),
    ('? ' * 10 ** 5, '50 levels'), (f'[{"a," * 30_000}]', 'more than 20,000 values in line 1'),
    ('a: &a0 [x]\n' + ''.join(f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]\n'
                              for i in range(1, 12)), 'those of aliases counted each time'),
    ('a: &a0 {x: 1}\n' + ''.join(f'a{i}: &a{i} {{<<: [{", ".join([f"*a{i - 1}"] * 9)}]}}\n'
                                 for i in range(1, 12)), 'those of aliases counted each time'),
    ('a' * 500_001, 'more than 500,000 bytes'), ('a\0b', 'unacceptable character'),
    (b'\xff\xfea', 'utf-8'),
    ('a: "b\\0c"', 'a zero byte in line 1, column 4'),
    ('--- a\n--- b', 'a single document'), ('*a', 'undefined alias'),
])
def test_refused_at_once(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text)
