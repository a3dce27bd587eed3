"""The examples run through their command lines, with tiny settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nni_rankreg.archive import Archive
from nni_rankreg.space import decode_depth

EXAMPLES = Path(__file__).parents[1] / 'examples'


@pytest.fixture
def run(tmp_path):
    """Return a function that runs an example; all files stay in a temporary folder."""
    def program(name, *arguments):
        environment = {**os.environ, 'HOME': str(tmp_path), 'OMP_NUM_THREADS': '1'}
        result = subprocess.run([sys.executable, '-W', 'ignore', str(EXAMPLES / name), *arguments],
                                cwd=tmp_path, env=environment, capture_output=True, text=True,
                                timeout=900)
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout
    return program


def test_depth_search(run, tmp_path):
    generator = np.random.default_rng(0)
    arrays = {}
    for split in ('train', 'val'):
        depth = generator.integers(500, 4000, (8, 24, 32), dtype=np.uint16)
        arrays |= {f'{split}_depth_mm': depth,
                   f'{split}_rgb': np.repeat((depth // 16).astype(np.uint8)[..., None], 3, 3)}
    np.savez(tmp_path / 'rgbd.npz', **arrays)
    output = run('depth_search.py', '--data', 'rgbd.npz', '--backbone', 'shufflenet_v2_x0_5',
                 '--channels', '8', '--pixels', '32', '--batch_size', '4', '--epochs', '1',
                 '--supernet_epochs', '2', '--landmarks', '3', '--top', '1', '--iterations', '1',
                 '--evaluations', '4')
    found = re.findall(r'^(\d+\.\d{4}) (\|.*\|)$', output, re.MULTILINE)
    archive = Archive(tmp_path / 'runs' / 'depth' / 'results.sqlite')
    losses = [float(loss) for loss, _ in found]
    assert len(found) == len(archive) == 4 and losses == sorted(losses)
    for loss, (_, code) in zip(losses, found):
        assert archive.metric(decode_depth(code)) == pytest.approx(loss, abs=1e-4)
