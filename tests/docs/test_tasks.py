"""The programs of docs/tasks.md, each up to its experiment; they go on from each other."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers.places import ROOT
from PIL import Image

PROGRAMS = re.findall(r'```python\n(.*?)```', (ROOT / 'docs' / 'tasks.md').read_text(), re.DOTALL)


@pytest.mark.slow
def test_programs_prepare_what_they_say(tmp_path, monkeypatch, shared_data):
    np.savez(tmp_path / 'rgbd.npz', **{
        f'{split}_{name}': np.ones((2, 12, 16, *shape), kind) for split in ('train', 'val')
        for name, shape, kind in (('rgb', (3,), np.uint8), ('depth_mm', (), np.uint16))})
    for name in ('cat', 'dog'):
        folder = tmp_path / 'imagenet' / 'train' / name
        folder.mkdir(parents=True)
        for index in range(20):
            Image.new('RGB', (8, 8)).save(folder / f'{index}.jpg')
    latency, = shared_data.rglob('proxylessnas_search.npz')
    (tmp_path / latency.name).symlink_to(latency)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    searches = []
    for program in PROGRAMS:
        before = names.get('search')
        exec(re.split(r'^experiment\.run\(', program, flags=re.MULTILINE)[0], names)
        if names.get('search') is not before:
            searches.append(names['search'])
    depth, = (one for one in searches if one.mode == 'min')
    assert depth.supernet_evaluator.trainer.max_epochs == 60
    assert (tmp_path / 'runs' / 'depth.sqlite').exists()
    distributed, = (one for one in searches if str(one.work_dir) == 'runs/shared' or
                    str(one.work_dir) == f'{tmp_path}/runs/shared')
    assert distributed.supernet_evaluator.trainer.world_size == 2
