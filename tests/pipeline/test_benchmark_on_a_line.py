"""`benchmark` of a linear predictor, whose truth is known."""

from __future__ import annotations

import pytest
import torch

from interpbench import (
    Predictor,
    Recipe,
    benchmark,
    write_map,
)
from interpbench.testing import linear_predictor


class Line(Predictor):
    """60 + a weighted sum of the voxels of one cube, by the kit's linear toy."""

    def __init__(self) -> None:
        self.weights = torch.zeros(10, 12, 8)
        self.weights[3:6, 4:8, 2:5] = 0.1 + torch.rand(3, 4, 3, generator=torch.Generator().manual_seed(0))
        self.toy = linear_predictor(self.weights)
        self.recipe = Recipe(shape=(10, 12, 8), voxel_size=4.0, centre=(0.0, -4.0, 8.0))

    @property
    def module(self):
        return self.toy.module

    def predict(self, volumes):
        return self.toy.predict(volumes)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*backward hook.*:UserWarning", "ignore:Setting forward, backward hooks")
def test_on_a_linear_predictor_gradients_find_every_weight_and_random_maps_none(toy_plugin, toy_cohort, tmp_path):
    toy_plugin.offer("predictor", "line", Line)
    line = Line()
    affine = line.recipe.prepare(toy_cohort / "00.nii.gz").affine
    write_map(tmp_path / "truth.nii.gz", (line.weights != 0).float(), affine=affine)
    gradients = ["saliency", "integratedgradients", "gradientshap", "smoothgrad", "smoothgradsquared"]
    found = benchmark(
        toy_cohort,
        "line",
        tmp_path / "out",
        methods=[*gradients, "random"],
        measures=["localisation"],
        floors=False,
        truth=tmp_path / "truth.nii.gz",
        subjects=0,
        blur=0,
        device="cpu",
    )
    means = {name: one["mean"] for name, one in found["results"]["auc"]["methods"].items()}
    assert found["n"] == 40 and means["saliency"] == means["smoothgrad"] == means["smoothgradsquared"] == 1.0
    assert all(means[name] > 0.99 for name in gradients) and means["random"] == pytest.approx(0.5, abs=0.05)
