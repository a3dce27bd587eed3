"""The picture of depth maps: what is in its panels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nni_rankreg.metric import align_least_squares, aligned_rmse
from nni_rankreg.report import depth_maps
from nni_rankreg.report.depth import _depth_figure


@pytest.fixture
def scene():
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(3, 6, 8, generator=generator) + 0.2
    targets[:, :2, :2] = 0
    return (np.random.default_rng(0).random((3, 6, 8, 3)), targets,
            {'best': -targets + 3, 'worst': torch.rand(targets.shape, generator=generator)})


def test_panels_show_image_truth_and_aligned_predictions(scene):
    images, targets, predictions = scene
    figure = _depth_figure(*scene)
    panels = np.array(figure.axes).reshape(3, 4)
    assert [ax.get_title() for ax in panels[0]] == ['image', 'truth', 'best', 'worst']
    for row, cells in enumerate(panels):
        image, truth, *others = [ax.images[0].get_array() for ax in cells]
        np.testing.assert_allclose(image, images[row])
        assert (np.ma.getmaskarray(truth) == (targets[row] == 0).numpy()).all()
        np.testing.assert_allclose(truth.compressed(), targets[row][targets[row] > 0])
        for ax, (_, prediction), shown in zip(cells[2:], predictions.items(), others):
            np.testing.assert_allclose(shown, align_least_squares(prediction, targets)[row])
            error = aligned_rmse(prediction, targets)[row]
            assert ax.get_xlabel() == f'RMSE {error:.3f} 1/m'
            assert ax.images[0].get_clim() == pytest.approx(cells[1].images[0].get_clim())
    np.testing.assert_allclose(panels[1, 2].images[0].get_array()[2:], targets[1, 2:], rtol=1e-5)


def test_a_picture_is_written(tmp_path, scene):
    images, targets, predictions = scene
    targets[1] = 0                                                       # nothing is known of it
    depth_maps(tmp_path / 'new' / 'maps.png', (images * 255).astype(np.uint8), targets, predictions)
    assert (tmp_path / 'new' / 'maps.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize('change', [
    lambda images, targets, predictions: (images[:2], targets, predictions),
    lambda images, targets, predictions: (images, targets, {}),
    lambda images, targets, predictions: (images[:0], targets[:0], predictions)])
def test_wrong_arguments(tmp_path, scene, change):
    with pytest.raises(ValueError, match=r'Expected images \(B, H, W, 3\), targets \(B, H, W\)'):
        depth_maps(tmp_path / 'a.png', *change(*scene))
