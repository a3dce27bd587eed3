"""The version stands in one place; what else names it says the same."""

from __future__ import annotations

from importlib.metadata import version

import yaml
from helpers.places import ROOT

from nni_rankreg import __version__


def test_one_version():
    assert version('nni_rankreg') == __version__
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == __version__
