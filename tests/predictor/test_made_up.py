"""Made-up volumes: finite, as a recipe leaves them, and the same again."""

from __future__ import annotations

import pytest
import torch

from interpbench import Recipe
from interpbench.predictor.made_up import made_up_volumes

SHAPE = (10, 12, 9)


@pytest.mark.parametrize("normalise", ["brain", "volume", "none"])
@pytest.mark.parametrize("shape", [SHAPE, (1, 1, 1), (5, 2, 1)])
def test_made_up_volumes_are_finite_as_a_recipe_leaves_them_and_the_same_again(
    normalise: str, shape: tuple[int, int, int]
) -> None:
    recipe = Recipe(shape=shape, voxel_size=4.0, normalise=normalise)
    volumes = made_up_volumes(recipe)
    assert volumes.shape == (6, 1, *shape) and bool(volumes.isfinite().all())
    assert torch.equal(volumes, made_up_volumes(recipe)) and not bool(volumes[-1].any())
    if shape == SHAPE:
        brain = volumes[0, 0][volumes[0, 0] != 0] if normalise == "brain" else volumes[0]
        assert (float(brain.mean()), float(brain.std())) == pytest.approx((0, 1), abs=0.05) or normalise == "none"
        assert normalise != "none" or 20 < float(volumes[0].max()) < 200
