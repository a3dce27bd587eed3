"""Programs of the README run as printed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from helpers.places import ROOT

README = ROOT / 'README.md'


@pytest.mark.slow
def test_first_snippet_runs(tmp_path):
    program = re.findall(r'```python\n(.*?)```', README.read_text(), re.DOTALL)[0]
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', program], cwd=tmp_path,
                            capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr[-2000:]
    scores = [float(line.split()[0]) for line in result.stdout.splitlines()
              if re.match(r'-?\d+\.\d{4} \{', line)]
    assert len(scores) == 5 and scores == sorted(scores, reverse=True)
