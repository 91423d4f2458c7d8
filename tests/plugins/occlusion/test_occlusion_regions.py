"""Occlusion by the regions of an atlas: one effect a region."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from interpbench import InputError, write_map
from interpbench.images.grid import box_affine
from interpbench.testing import ToyPredictor, cube_predictor, linear_predictor, toy_brain, toy_brains, toy_cube
from interpbench_occlusion.explainer import Occlusion

SHAPE = (12, 14, 10)
CENTRE = (1.0, -2.0, 3.0)


def registered(predictor: ToyPredictor) -> ToyPredictor:
    """The same predictor, for images that lie in one space."""
    predictor.recipe = dataclasses.replace(predictor.recipe, centre=CENTRE)
    return predictor


def quarters() -> Tensor:
    """Four regions that make up the volume, of labels 2, 3, 12 and 13."""
    labels = torch.full(SHAPE, 2)
    labels[6:] += 1
    labels[:, 7:] += 10
    return labels


def write(folder: Path, labels: Tensor) -> str:
    path = folder / "atlas.nii.gz"
    write_map(path, labels, affine=box_affine(SHAPE, 4.0, "RAS", CENTRE))
    return str(path)


@pytest.mark.parametrize("replacement", ["zero", "box_mean"])
def test_a_regions_effect_is_what_hiding_it_alone_does(tmp_path: Path, replacement: str) -> None:
    predictor, volumes, labels = registered(cube_predictor(SHAPE, nonlinear=True)), toy_brains(2, SHAPE), quarters()
    occlusion = Occlusion(regions=write(tmp_path, labels), replacement=replacement)
    map, extras = occlusion.explain_with_extras(predictor, volumes)
    for volume, effect in zip(volumes, extras["effect"], strict=True):
        for label in labels.unique():
            hidden, region = volume.clone(), labels == label
            hidden[0][region] = volume[0][region].mean() if replacement == "box_mean" else 0.0
            with torch.no_grad():
                expected = predictor.predict(volume[None]) - predictor.predict(hidden[None])
            torch.testing.assert_close(effect[region], expected.expand(int(region.sum())), atol=1e-4, rtol=1e-4)
    assert torch.equal(map, extras["effect"].abs())


def test_effects_of_regions_that_make_up_the_volume_add_up_on_a_linear_predictor(tmp_path: Path) -> None:
    weights = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    predictor, volumes, labels = registered(linear_predictor(weights)), toy_brains(1, SHAPE), quarters()
    effect = Occlusion(regions=write(tmp_path, labels)).explain_with_extras(predictor, volumes)[1]["effect"][0]
    total = sum(float(effect[labels == label][0]) for label in labels.unique())
    assert total == pytest.approx(float((weights * volumes[0, 0]).sum()), abs=1e-4)


def test_the_region_that_matters_stands_out_and_between_regions_there_is_nothing(tmp_path: Path) -> None:
    cube = toy_cube(SHAPE)
    labels = 7 * cube.long()
    labels[toy_brain(SHAPE) & ~cube] = 3
    labels[5, 6, :] = 0
    maps = Occlusion(regions=write(tmp_path, labels)).explain(registered(cube_predictor(SHAPE)), toy_brains(2, SHAPE))
    inside = cube & (labels == 7)
    assert (maps[:, inside] > 0.1).all()
    assert maps[:, labels == 3].max() < 1e-4
    assert maps[:, labels == 0].max() == 0


def test_regions_without_brain_are_not_asked_about(tmp_path: Path) -> None:
    labels = torch.zeros(SHAPE)
    labels[0, 0, 0] = 1
    labels[5:8, 5:8, 5:8] = 2
    predictor = registered(linear_predictor(torch.ones(SHAPE)))
    maps = Occlusion(regions=write(tmp_path, labels), batch_size=1).explain(predictor, toy_brains(1, SHAPE))
    assert predictor.charge.calls == 3  # one to weigh the network by, the clean volume, the region with brain
    assert maps[0, 0, 0, 0] == 0


def test_where_the_images_share_no_space_regions_are_refused(tmp_path: Path) -> None:
    occlusion = Occlusion(regions=write(tmp_path, quarters()))
    with pytest.raises(InputError, match="the images share no space"):
        occlusion.explain(cube_predictor(SHAPE), toy_brains(1, SHAPE))


def test_a_missing_atlas_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.nii: no such file"):
        Occlusion(regions=str(tmp_path / "nowhere.nii")).explain(
            registered(cube_predictor(SHAPE)), toy_brains(1, SHAPE)
        )


def test_boxes_do_not_have_to_fit_where_regions_are_hidden(tmp_path: Path) -> None:
    occlusion = Occlusion(box=100, regions=write(tmp_path, quarters()))
    assert occlusion.explain(registered(cube_predictor(SHAPE)), toy_brains(1, SHAPE)).max() > 0
