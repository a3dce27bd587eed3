"""Images with depth maps: archives and folders, resizing, invalid pixels, flips."""

from __future__ import annotations

import nni
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet18_Weights

from nni_rankreg.data import DepthImages, image_loader


def scenes(count=6, height=20, width=30, seed=0):
    generator = np.random.default_rng(seed)
    colours = generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    depths = generator.integers(500, 5000, (count, height, width), dtype=np.uint16)
    depths[generator.random(depths.shape) < 0.2] = 0
    return colours, depths


@pytest.fixture
def archive(tmp_path):
    colours, depths = scenes()
    np.savez(tmp_path / 'scenes.npz', train_rgb=colours, train_depth_mm=depths)
    return tmp_path / 'scenes.npz'


@pytest.fixture
def folder(tmp_path):
    for part in ('image', 'depth'):
        (tmp_path / 'val' / part).mkdir(parents=True)
    for index, (colour, depth) in enumerate(zip(*scenes())):
        Image.fromarray(colour).save(tmp_path / 'val' / 'image' / f'{index}.png')
        Image.fromarray(depth).save(tmp_path / 'val' / 'depth' / f'{index}.png')
    return tmp_path


def test_images_are_normalised_and_depth_becomes_disparity(archive):
    colours, depths = scenes()
    images, disparities = DepthImages(archive, 'train', size=(20, 30)).__getitems__([3, 1])
    transform = ResNet18_Weights.DEFAULT.transforms()
    expected = (torch.from_numpy(colours[[3, 1]]) / 255 - torch.tensor(transform.mean)
                ) / torch.tensor(transform.std)
    torch.testing.assert_close(images, expected.permute(0, 3, 1, 2))
    assert images.is_contiguous(memory_format=torch.channels_last)
    for disparity, depth in zip(disparities, depths[[3, 1]]):
        known = torch.from_numpy(depth > 0)
        assert not disparity[~known].any() and 0 < known.float().mean() < 1
        np.testing.assert_allclose(disparity[known], 1000 / depth[depth > 0], rtol=1e-6)


def test_a_folder_holds_the_same_as_an_archive(archive, folder):
    one, other = DepthImages(archive, 'train'), DepthImages(folder, 'val')
    assert len(one) == len(other) == 6
    for index in range(6):
        for x, y in zip(one[index], other[index]):
            assert torch.equal(x, y)


def test_images_and_maps_of_a_folder_may_differ_in_size(folder):
    large = Image.open(folder / 'val' / 'image' / '2.png').resize((90, 60), Image.NEAREST)
    (folder / 'val' / 'image' / '2.png').unlink()
    large.save(folder / 'val' / 'image' / '2.jpg')
    image, disparity = DepthImages(folder, 'val', size=(32, 64))[2]
    assert image.shape == (3, 32, 64) and disparity.shape == (32, 64)


@pytest.mark.parametrize('size', [(10, 15), (7, 30), (40, 60)])
def test_resized_maps_hold_measured_values_only(archive, size):
    _, depths = scenes()
    _, disparities = DepthImages(archive, 'train', size=size).__getitems__(range(6))
    for disparity, depth in zip(disparities, depths):
        found = {round(1000 / value) for value in disparity[disparity > 0].tolist()}
        assert found <= set(depth[depth > 0].tolist()) and len(found) > 5
        assert (disparity == 0).float().mean().item() == pytest.approx((depth == 0).mean(), abs=.1)


def test_images_are_averaged_when_they_shrink(archive):
    colours, _ = scenes()
    image, _ = DepthImages(archive, 'train', size=(1, 1))[0]
    mean = image.flatten() * torch.tensor([.229, .224, .225]) + torch.tensor([.485, .456, .406])
    assert (mean * 255).tolist() == pytest.approx(colours[0].mean((0, 1)), abs=12)


def test_flips_turn_image_and_map_together(archive):
    plain = DepthImages(archive, 'train', size=(20, 30))
    data = DepthImages(archive, 'train', size=(20, 30), flip=True)
    torch.manual_seed(0)
    seen = []
    for _ in range(5):
        for batch, original in zip(zip(*data.__getitems__(range(6))),
                                   zip(*plain.__getitems__(range(6)))):
            flipped = not torch.equal(batch[0], original[0])
            seen.append(flipped)
            for one, other in zip(batch, original):
                assert torch.equal(one, other.flip(-1) if flipped else other)
    assert 5 < sum(seen) < 25
    assert all(torch.equal(x, y) for x, y in zip(plain[0], DepthImages(
        archive, 'train', size=(20, 30))[0]))


def test_a_loader_travels_to_trials(archive):
    loader = image_loader(DepthImages(str(archive), 'train', size=(16, 24)), 4)
    copy = nni.load(nni.dump(loader))
    assert [len(x) for x, _ in copy] == [4, 2]
    for batch, other in zip(loader, copy):
        assert all(torch.equal(x, y) for x, y in zip(batch, other))


def test_real_images(shared_data):
    archive = shared_data / 'depth' / 'rgbd_160x120.npz'
    loader = image_loader(DepthImages(archive, 'val', size=(120, 160)), 64)
    images, disparities = next(iter(loader))
    known = disparities > 0
    assert images.shape == (64, 3, 120, 160) and known.float().mean().item() == pytest.approx(
        0.923, abs=5e-4)
    assert 1 / 4 < disparities[known].min() < disparities[known].max() < 1 / 0.8
    assert len(DepthImages(archive, 'train', size=(32, 32))) == 256


# Errors

def test_missing_split(archive):
    with pytest.raises(ValueError, match=r"Expected the arrays \('val_rgb', 'val_depth_mm'\) in "):
        DepthImages(archive, 'val')


@pytest.mark.parametrize('count, width', [(5, 30), (6, 29), (0, 30)])
def test_arrays_that_do_not_fit(tmp_path, count, width):
    colours, depths = scenes()
    if not count:
        colours = colours[:0]
    np.savez(tmp_path / 'a.npz', train_rgb=colours, train_depth_mm=depths[:count, :, :width])
    with pytest.raises(ValueError, match=r'Expected images \(N, H, W, 3\) and depths \(N, H, W\)'):
        DepthImages(tmp_path / 'a.npz', 'train')


def test_folders_without_images(tmp_path):
    with pytest.raises(ValueError, match='Expected an .npz file or a folder with train/image/'):
        DepthImages(tmp_path, 'train')


def test_image_without_a_map(folder):
    (folder / 'val' / 'depth' / '4.png').unlink()
    with pytest.raises(ValueError, match='a depth map for each image, got none at .*4.png'):
        DepthImages(folder, 'val')
