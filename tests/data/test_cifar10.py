"""CIFAR-10 in both layouts, and trainings of mixed precision."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from helpers.cifar10 import write_montages
from PIL import Image
from torchvision.datasets import CIFAR10

from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.data.cifar10 import load_cifar10
from nni_rankreg.evaluator import BFloat16, Classification, Speed
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import SPOS

MEAN, STD = np.array([.4914, .4822, .4465]), np.array([.2470, .2435, .2616])


@pytest.fixture(scope='module')
def montages(tmp_path_factory):
    """Return a folder with the montages of CIFAR-10, but noise."""
    folder = tmp_path_factory.mktemp('data')
    write_montages(folder / 'cifar10', np.random.default_rng(0))
    return folder


@pytest.mark.parametrize('start', [0, 1_990, 49_995])
def test_montages(start, montages):
    """Image 1,990 is in row 39, column 40; five of ten images lie in the next file."""
    images, labels = load_cifar10(montages, start, 10, 32)
    montage = np.asarray(Image.open(montages / 'cifar10' / 'train_03.webp'))
    known = np.load(montages / 'cifar10' / 'train_y.npy')
    for index in (0, 3, 9):
        row, column = divmod((start + index) % 2_000, 50)
        tile = montage[32 * row:32 * row + 32, 32 * column:32 * column + 32] / 255
        expected = ((tile - MEAN) / STD).transpose(2, 0, 1)
        assert np.allclose(images[index], expected, atol=1e-5)
        assert labels[index] == known[(start + index) % 2_000]
    small, _ = load_cifar10(montages, start, 10, 8)
    assert torch.allclose(small, images.reshape(10, 3, 8, 4, 8, 4).mean((3, 5)), atol=1e-5)


def test_layout_of_torchvision(tmp_path, monkeypatch):
    folder, random = tmp_path / 'cifar-10-batches-py', np.random.default_rng(0)
    folder.mkdir()
    raw = random.integers(256, size=(12, 3072)).astype(np.uint8)
    for number, (name, _) in enumerate([*CIFAR10.train_list, *CIFAR10.test_list]):
        rows = slice(2 * number, 2 * number + 2)
        (folder / name).write_bytes(pickle.dumps(
            {'data': raw[rows], 'labels': list(range(rows.start, rows.stop))}))
    (folder / 'batches.meta').write_bytes(pickle.dumps({'label_names': []}))
    with pytest.raises(ValueError, match='Expected CIFAR-10 in .* got: .*not found or corrupted'):
        load_cifar10(tmp_path, 0, 3, 32)
    monkeypatch.setattr(CIFAR10, '_check_integrity', lambda self: True)
    monkeypatch.setattr(CIFAR10, '_load_meta', lambda self: None)
    images, labels = load_cifar10(tmp_path, 8, 4, 32)       # the last two are of the test set
    expected = (raw[8:].reshape(4, 3, 32, 32) / 255 - MEAN[:, None, None]) / STD[:, None, None]
    assert np.allclose(images, expected, atol=1e-5) and labels.tolist() == [8, 9, 10, 11]
    with pytest.raises(ValueError, match='Expected images 8 to 13 of CIFAR-10 in .*, got 4'):
        load_cifar10(tmp_path, 8, 5, 32)


def augmented_one_by_one(images, padding):
    """Return the batch as this project has always made it: the same random numbers."""
    flipped = torch.rand(len(images)) < 0.5
    top, left = torch.randint(2 * padding + 1, (2, len(images), 1))
    height, width = images.shape[2:]
    padded = torch.nn.functional.pad(
        torch.stack([one.flip(-1) if flip else one for one, flip in zip(images, flipped)]),
        [padding] * 4)
    return torch.stack([one[:, y:y + height, x:x + width]
                        for one, y, x in zip(padded, top.flatten(), left.flatten())])


def test_augmentation_keeps_its_random_numbers():
    images = torch.randn(20, 3, 6, 5)
    data = ImageTensors(images, torch.arange(20), padding=2, flip=True)
    torch.manual_seed(3)
    batch, labels = data.__getitems__(list(range(5, 20)))
    torch.manual_seed(3)
    assert torch.equal(batch, augmented_one_by_one(images[5:], 2))
    assert labels.tolist() == list(range(5, 20)) and batch.is_contiguous()


def loader(count=32):
    generator = torch.Generator().manual_seed(0)
    return image_loader(ImageTensors(torch.randn(count, 3, 8, 8, generator=generator),
                                     torch.arange(count) % 10), 8)


def train(folder=None, epochs=2, **options):
    torch.manual_seed(0)
    strategy = SPOS(checkpoint_folder=folder)
    evaluator = Classification(
        loader(), loader(8), num_classes=10, learning_rate=1., max_epochs=epochs,
        limit_val_batches=0, gradient_clip_val=0.01, accelerator='cpu', enable_progress_bar=False,
        **options)
    return strategy.train(NasBench201(2, 1, 10), evaluator).module


@pytest.mark.slow
def test_bfloat16_clips_for_a_fused_optimiser():
    """As Lightning does for another one; which is why it is here at all."""
    with pytest.raises(RuntimeError, match='does not allow for gradient clipping'):
        train(precision='bf16-mixed', speed=Speed(fused=True))
    plain = train(precision='bf16-mixed')
    mixed = train(plugins=BFloat16('cpu'), speed=Speed(fused=True))
    (optimizer,) = [mixed.trainer.optimizers[0]]
    assert optimizer.param_groups[0]['fused'] and not plain.trainer.optimizers[0].defaults['fused']
    for one, other in zip(plain.parameters(), mixed.parameters()):
        assert torch.allclose(one, other, atol=1e-6)
    exact = train()
    assert any(not torch.equal(one, other)
               for one, other in zip(exact.parameters(), mixed.parameters()))


def test_channels_last_changes_the_layout_only():
    plain, laid_out = train(), train(speed=Speed(channels_last=True))
    weights = [one for one in laid_out.parameters() if one.ndim == 4]
    assert weights and all(one.is_contiguous(memory_format=torch.channels_last)
                           for one in weights)
    assert any(not one.is_contiguous() for one in weights)
    for one, other in zip(plain.parameters(), laid_out.parameters()):
        assert torch.allclose(one, other, atol=1e-5)


def test_momentum_has_the_layout_of_the_weights(tmp_path):
    """Kernels for all parameters at a time want it, also after a training was resumed."""
    for epochs in (1, 2):
        module = train(tmp_path, epochs, speed=Speed(fused=True, channels_last=True),
                       plugins=BFloat16('cpu'))
        state = module.trainer.optimizers[0].state
        weights = [one for one in module.parameters() if one.ndim == 4]
        assert len(state) == len(list(module.parameters())) and len(weights) > 30
        for one in weights:
            momentum = state[one]['momentum_buffer']
            assert momentum.is_contiguous(memory_format=torch.channels_last)
    assert module.trainer.current_epoch == 2


def test_proxies_are_exact_within_mixed_precision():
    space = NasBench201(4, 1, 10)
    images, labels = next(iter(loader()))
    samples = UniformSampler(space, 0).distinct(4)
    for name in ('naswot', 'synflow', 'jacov'):
        outside = ProxyScorer(name, space, (images, labels))(samples)
        with torch.autocast('cpu', torch.bfloat16):
            inside = ProxyScorer(name, space, (images, labels))(samples)
            assert torch.mm(images[0, 0], images[0, 0]).dtype == torch.bfloat16
        assert torch.equal(outside, inside)
