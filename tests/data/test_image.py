"""Images in memory, against crops and flips done one by one."""

from __future__ import annotations

import nni
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Subset

from nni_rankreg.data import Digits, FolderImages, ImageTensors, image_loader


@pytest.fixture
def images():
    return torch.randn(50, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def variants(image, padding, flip):
    """Return every image that augmentation may make of one, by (flipped, top, left)."""
    height, width = image.shape[1:]
    made = {}
    for flipped in ([False, True] if flip else [False]):
        padded = F.pad(image.flip(-1) if flipped else image, [padding] * 4)
        for top in range(2 * padding + 1):
            for left in range(2 * padding + 1):
                made[flipped, top, left] = padded[:, top:top + height, left:left + width]
    return made


@pytest.mark.parametrize('padding, flip', [(0, False), (0, True), (1, False), (2, True)])
def test_augmentation_is_a_crop_and_a_flip_of_each_image(padding, flip, images):
    original = images.clone()
    data = ImageTensors(images, torch.arange(50), padding=padding, flip=flip)
    torch.manual_seed(1)
    seen = set()
    for _ in range(8):
        batch, labels = data.__getitems__(list(range(50)))
        assert torch.equal(labels, torch.arange(50)) and batch.is_contiguous()
        for one, image in zip(batch, original):
            found = [key for key, made in variants(image, padding, flip).items()
                     if torch.equal(one, made)]
            assert len(found) == 1
            seen.update(found)
    assert len(seen) == (2 if flip else 1) * (2 * padding + 1) ** 2
    assert torch.equal(data.images, original)  # the data itself is never augmented


def test_crops_and_flips_are_uniform(images):
    data = ImageTensors(images[:1], torch.zeros(1), padding=1, flip=True)
    torch.manual_seed(0)
    batch, _ = data.__getitems__([0] * 1800)
    counts = [sum(torch.equal(one, made) for one in batch)
              for made in variants(images[0], 1, True).values()]
    assert sum(counts) == 1800
    assert min(counts) > 60 and max(counts) < 140  # 100 expected of each of the 18


def test_one_image_is_a_row_of_a_batch(images):
    data = ImageTensors(images, torch.arange(50))
    image, label = data[7]
    assert torch.equal(image, images[7]) and label == 7 and len(data) == 50


@pytest.mark.parametrize('wrap', [lambda data: data, lambda data: Subset(data, range(10, 40))])
def test_loader_takes_whole_batches(wrap, images):
    data = wrap(ImageTensors(images, torch.arange(50)))
    batches = list(image_loader(data, 16))
    plain = list(DataLoader(data if isinstance(data, Subset) else Subset(data, range(50)), 16,
                            collate_fn=lambda batch: batch))
    assert [len(labels) for _, labels in batches] == [len(labels) for _, labels in plain]
    for (x, y), (other_x, other_y) in zip(batches, plain):
        assert torch.equal(x, other_x) and torch.equal(y, other_y)
        assert torch.equal(x, images[y])


def test_order(images):
    data = ImageTensors(images, torch.arange(50))
    orders = [[torch.cat([labels for _, labels in loader]).tolist() for _ in range(2)]
              for loader in (image_loader(data, 16), image_loader(data, 16, shuffle=True))]
    assert orders[0] == [list(range(50))] * 2
    assert orders[1][0] != orders[1][1] and sorted(orders[1][0]) == list(range(50))


def test_digits_are_split_into_all_and_nothing_twice():
    train, validation = Digits('train'), Digits('validation')
    digits = load_digits()
    mine = torch.cat([train.images, validation.images])[:, 0] * 0.376 + 0.305
    labels = torch.cat([train.labels, validation.labels])
    theirs = torch.from_numpy(digits.images).float() / 16
    rows = [sorted(zip(images.flatten(1).mul(16).round().int().tolist(), targets.tolist()))
            for images, targets in ((mine, labels), (theirs, torch.from_numpy(digits.target)))]
    assert rows[0] == rows[1]
    assert torch.equal(train.images[:, 0], train.images[:, 2])
    for part in (train, validation):  # about normalised, and all classes about as often
        assert abs(part.images.mean()) < 0.02 and abs(part.images.std() - 1) < 0.02
        assert part.labels.bincount().min() > 70


def test_digits_are_always_the_same_and_leave_global_generators_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = Digits('train')
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.images, Digits('train').images)


def test_a_loader_travels_to_trials():
    loader = image_loader(Digits('validation'), 300, shuffle=False)
    copy = nni.load(nni.dump(loader))
    for (x, y), (other_x, other_y) in zip(loader, copy):
        assert torch.equal(x, other_x) and torch.equal(y, other_y)
    assert [len(y) for _, y in copy] == [300, 300, 300]


@pytest.mark.parametrize('shape, labels', [((4, 3, 8), 4), ((4, 3, 8, 8), 5)])
def test_wrong_shapes(shape, labels):
    with pytest.raises(ValueError, match=r'Expected images \(N, C, H, W\) with N labels, got '):
        ImageTensors(torch.zeros(shape), torch.zeros(labels))


def test_unknown_split():
    with pytest.raises(ValueError, match="Expected split 'train' or 'validation', got 'test'"):
        Digits('test')


# Folders

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Return a folder of 3 classes x 8 images, each of one shade of grey of its own."""
    root = tmp_path_factory.mktemp('images')
    for label, name in enumerate(['ant', 'bee', 'cat']):
        (root / name).mkdir()
        for index in range(8):
            shade = 10 * (8 * label + index)
            Image.new('RGB', (40, 30), (shade, shade, shade)).save(root / name / f'{index}.png')
    return root


def shades(data):
    """Return the shade of each image, which tells which one it is, and its label."""
    return [(round((image[0].mean().item() * .229 + .485) * 255), label) for image, label in data]


def test_images_of_a_folder(folder):
    data = FolderImages(folder, pixels=16)
    assert data.classes == ['ant', 'bee', 'cat'] and data[0][0].shape == (3, 16, 16)
    assert sorted(shades(data)) == [(10 * index, index // 8) for index in range(24)]
    assert shades(data) != sorted(shades(data))
    image, _ = next(pair for pair, (shade, _) in zip(data, shades(data)) if shade == 130)
    means, stds = torch.tensor([.485, .456, .406]), torch.tensor([.229, .224, .225])
    torch.testing.assert_close(image.mean((1, 2)), (130 / 255 - means) / stds)


def test_parts_are_disjoint_and_the_same_each_time(folder):
    parts = [(0, .5), (.5, .75), (.75, 1.)]
    found = [shades(FolderImages(folder, pixels=8, part=part)) for part in parts]
    assert list(map(len, found)) == [12, 6, 6]
    assert len({one for part in found for one in part}) == 24
    assert shades(FolderImages(folder, pixels=8, part=(0, .5))) == found[0]
    assert shades(FolderImages(folder, pixels=8, part=(0, .5), seed=1)) != found[0]


@pytest.mark.parametrize('part', [(0, 0), (.5, .4), (-.1, 1), (.5, 1.1), (0, .01)])
def test_parts_hold_an_image(part, folder):
    with pytest.raises(ValueError, match='that holds an image, got .* of 24 images in'):
        FolderImages(folder, part=part)


def test_the_middle_is_seven_eighths_of_the_image(tmp_path):
    """A white frame of less than 1/16 of the side is cut off, a wider one is not."""
    for name, frame in (('narrow', 6), ('wide', 12)):
        image = Image.new('RGB', (112, 112), (255, 255, 255))
        image.paste((0, 0, 0), (frame, frame, 112 - frame, 112 - frame))
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / 'image.png')
    images = {label: image for image, label in FolderImages(tmp_path, pixels=98)}
    assert images[0].max() < 0 < images[1].max()


def test_augmented_images_differ(folder):
    data = FolderImages(folder, pixels=8, augment=True, jitter=(.4, .4, .4, .2), part=(.5, 1))
    torch.manual_seed(0)
    first, second = data[0][0], data[0][0]
    assert first.shape == second.shape == (3, 8, 8) and not torch.equal(first, second)
    plain = FolderImages(folder, pixels=8, augment=True)
    assert torch.equal(plain[0][0], plain[0][0])  # grey all over: crops are equal


def test_folders_travel_to_trials(folder):
    data = FolderImages(str(folder), pixels=8, part=(0, .5), augment=True)
    copy = nni.load(nni.dump(data))
    assert type(copy) is type(data) and copy.indices == data.indices
    images, labels = next(iter(DataLoader(copy, batch_size=5)))
    assert images.shape == (5, 3, 8, 8) and labels.shape == (5,)
