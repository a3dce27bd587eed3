"""Costs beside metrics."""

from __future__ import annotations

import math

import pytest

from nni_rankreg.archive import Archive
from nni_rankreg.typing import sample_key

CONV, NONE = {'op': 'conv', 'width': 8}, {'op': 'none', 'width': 8.}


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path / 'x.sqlite')
    archive.add(CONV, 0.9, seed=0)
    archive.add(CONV, 0.8, seed=1)
    archive.add(NONE, 0.1)
    return archive


def test_an_archive_of_before_has_none(archive):
    assert archive.costs() == {} and 'cost_latency' not in archive.to_frame()
    archive.add_costs([], [])
    archive.add_costs([CONV], [{}])
    assert archive.costs() == {}


def test_costs_stand_beside_metrics(archive, tmp_path):
    archive.add_costs([CONV, NONE], [{'latency': 4.5, 'macs': 3}, {'latency': 0.}])
    archive.add_costs([CONV], [{'latency': 5.}])      # measured again
    again = Archive(archive.path)
    assert again.costs() == {'latency': {sample_key(CONV): 5., sample_key(NONE): 0.},
                             'macs': {sample_key(CONV): 3.}}
    frame = again.to_frame()
    assert frame['cost_latency'].tolist() == [5., 5., 0.]
    assert frame['cost_macs'].tolist()[:2] == [3., 3.] and math.isnan(frame['cost_macs'][2])
    frame.to_csv(tmp_path / 'x.csv')
    other = Archive(tmp_path / 'y.sqlite')
    assert other.import_csv(tmp_path / 'x.csv') == 3
    assert other.costs() == again.costs() and other.results() == again.results()


@pytest.mark.parametrize('wrong', [math.nan, math.inf, -1.])
def test_costs_that_are_none(archive, wrong, tmp_path):
    with pytest.raises(ValueError, match=f'Expected latency of at least 0, got {wrong:g} of '
                                         '{"op": "none"'):
        archive.add_costs([CONV, NONE], [{'latency': 1.}, {'latency': wrong}])
    assert archive.costs() == {}
    (tmp_path / 'x.csv').write_text(f'sample,metric,cost_latency\n"{{""op"": 1}}",0.5,{wrong}\n')
    with pytest.raises(ValueError, match='Expected latency of at least 0'):
        archive.import_csv(tmp_path / 'x.csv')
    assert len(archive) == 2
