"""Public CI tries the lower bounds of what the package needs, each of them and nothing else."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOWER = re.compile(r'([\w-]+)(?:\[\w+\])?(?:>=|==)([\d.]+)')


def test_what_public_ci_pins_are_the_lower_bounds():
    config = ConfigParser(interpolation=None)
    config.read(ROOT / 'setup.cfg')
    bounds = {}
    for requirement in config['options']['install_requires'].split():
        found = LOWER.match(requirement)
        assert found, f'{requirement} has no lower bound'
        bounds[found[1]] = found[2]
    assert bounds.pop('nni') == '3.0'  # this one and no other
    lines = (ROOT / '.github' / 'minimum.txt').read_text().split()
    assert dict(line.split('==') for line in lines) == bounds
