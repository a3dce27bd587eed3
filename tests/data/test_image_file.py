"""Images that are cut or none are named, whatever reads them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from nni_rankreg.data import DepthImages, FolderImages
from nni_rankreg.data.image_file import read_image


def save(path):
    pixels = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def cut(path):
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def test_whole_images_are_those_of_pillow(tmp_path):
    pixels = save(tmp_path / 'a.png')
    assert (np.asarray(read_image(tmp_path / 'a.png')) == pixels).all()
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / 'depth.png')
    assert np.asarray(read_image(tmp_path / 'depth.png', mode=None)).max() == 40_000
    assert read_image(tmp_path / 'depth.png').mode == 'RGB'


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.webp'])
@pytest.mark.parametrize('damage', [cut, lambda path: path.write_bytes(b''),
                                    lambda path: path.write_text('hello'),
                                    lambda path: path.write_bytes(bytes(999))])
def test_damaged_images_are_named(name, damage, tmp_path):
    save(tmp_path / 'cat' / name)
    damage(tmp_path / 'cat' / name)
    message = rf'Expected an image in .*cat/{name}, got: .*\.$'
    with pytest.raises(ValueError, match=message):
        read_image(tmp_path / 'cat' / name)
    with pytest.raises(ValueError, match=message):
        FolderImages(tmp_path, pixels=8)[0]


def test_folders_go_to_workers_that_are_not_forks(tmp_path):
    """Python 3.14 starts those of a loader so."""
    save(tmp_path / 'cat/1.jpg')
    images = FolderImages(tmp_path, pixels=8)
    again = pickle.loads(pickle.dumps(images))
    assert again.classes == ['cat'] and torch.equal(again[0][0], images[0][0])


@pytest.mark.slow
def test_workers_of_loaders_name_the_file(tmp_path):
    """PyTorch waits five seconds for a worker that has raised an error."""
    for number in range(3):
        save(tmp_path / f'images/cat/{number}.jpg')
    cut(tmp_path / 'images/cat/1.jpg')
    with pytest.raises(ValueError, match=r'Expected an image in .*cat/1\.jpg'):
        list(DataLoader(FolderImages(tmp_path / 'images', pixels=8), num_workers=1))


def test_depth_maps_name_the_file(tmp_path):
    save(tmp_path / 'scene/val/image/1.jpg')
    Image.fromarray(torch.zeros(64, 64).numpy().astype(np.uint16)).save(tmp_path / 'map.png')
    (tmp_path / 'scene/val/depth').mkdir()
    (tmp_path / 'map.png').rename(tmp_path / 'scene/val/depth/1.png')
    assert len(DepthImages(tmp_path / 'scene', 'val')) == 1
    cut(tmp_path / 'scene/val/depth/1.png')
    with pytest.raises(ValueError, match=r'Expected an image in .*val/depth/1\.png'):
        DepthImages(tmp_path / 'scene', 'val')
