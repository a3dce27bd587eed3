"""Programs of the README run as printed."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
from helpers.places import ROOT

README = ROOT / 'README.md'


def test_first_snippet_runs(tmp_path):
    program = re.findall(r'```python\n(.*?)```', README.read_text(), re.DOTALL)[0]
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', program], cwd=tmp_path,
                            capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr[-2000:]
    scores = [float(line.split()[0]) for line in result.stdout.splitlines()
              if re.match(r'-?\d+\.\d{4} \{', line)]
    assert len(scores) == 5 and scores == sorted(scores, reverse=True)


def test_depth_snippet_runs(tmp_path):
    """It only prepares the search; the whole is an example with a test of its own."""
    program, = (text for text in re.findall(r'```python\n(.*?)```', README.read_text(), re.DOTALL)
                if 'DepthDecoder' in text)
    np.savez(tmp_path / 'rgbd.npz', **{
        f'{split}_{name}': np.ones((2, 12, 16, *shape), kind) for split in ('train', 'val')
        for name, shape, kind in (('rgb', (3,), np.uint8), ('depth_mm', (), np.uint16))})
    program += 'print(search.mode, search.supernet_evaluator.trainer.max_epochs)'
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', program], cwd=tmp_path,
                            capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr[-2000:]
    assert 'min 60' in result.stdout and (tmp_path / 'runs' / 'depth.sqlite').exists()


def test_scaling_snippet_runs(tmp_path):
    """It only prepares the search; tests/strategy/test_distributed.py trains by two processes."""
    program, = (text for text in re.findall(r'```python\n(.*?)```', README.read_text(), re.DOTALL)
                if 'work_dir' in text)
    program += 'print(search.supernet_evaluator.trainer.world_size, search.work_dir)'
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', program], cwd=tmp_path,
                            capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr[-2000:]
    assert f'2 {tmp_path}/runs/shared' in result.stdout
