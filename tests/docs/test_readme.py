"""Programs of the README run as printed."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
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


def prepared(word, folder, monkeypatch):
    """Run the program with a word, which only prepares a search, in a folder; return the search."""
    program, = (text for text in re.findall(r'```python\n(.*?)```', README.read_text(), re.DOTALL)
                if word in text)
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(program, names)
    return names['search']


def test_depth_snippet_runs(tmp_path, monkeypatch):
    """The whole is an example with a test of its own."""
    np.savez(tmp_path / 'rgbd.npz', **{
        f'{split}_{name}': np.ones((2, 12, 16, *shape), kind) for split in ('train', 'val')
        for name, shape, kind in (('rgb', (3,), np.uint8), ('depth_mm', (), np.uint16))})
    search = prepared('DepthDecoder', tmp_path, monkeypatch)
    assert (search.mode, search.supernet_evaluator.trainer.max_epochs) == ('min', 60)
    assert (tmp_path / 'runs' / 'depth.sqlite').exists()


def test_scaling_snippet_runs(tmp_path, monkeypatch):
    """In tests/strategy/test_distributed.py, two processes train."""
    search = prepared('work_dir', tmp_path, monkeypatch)
    assert search.supernet_evaluator.trainer.world_size == 2
    assert str(search.work_dir) == f'{tmp_path}/runs/shared'
