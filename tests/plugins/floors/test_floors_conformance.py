"""Floors keep the contract of an explainer, less what asks for knowledge of the predictor: they have none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interpbench import Explainer, Recipe, write_map
from interpbench.images.grid import box_affine
from interpbench.testing import ExplainerContract, ToyPredictor, constant_predictor, linear_predictor
from interpbench_floors.image import Intensity, Sobel
from interpbench_floors.noise import Random, SmoothRandom
from interpbench_floors.template import Template


class Floor(ExplainerContract):
    """A floor finds no cube that matters, and is not flat where nothing does: that it never asks is what is tested."""

    def test_the_only_cube_that_matters_to_a_linear_predictor_is_found(self, explainer: Explainer) -> None:
        self._check_blind(explainer, linear_predictor(torch.ones(self.shape)))

    def test_the_only_cube_that_matters_to_a_nonlinear_predictor_is_found(self, explainer: Explainer) -> None:
        self._check_blind(explainer, self._cube())

    def test_a_constant_predictor_gives_a_flat_map(self, explainer: Explainer) -> None:
        self._check_blind(explainer, constant_predictor(self.shape))

    def _check_blind(self, explainer: Explainer, predictor: ToyPredictor) -> None:
        other = self._cube()
        predictor.recipe = other.recipe
        calls = predictor.charge.calls
        assert torch.equal(explainer.explain(predictor, self._volumes()), explainer.explain(other, self._volumes()))
        assert predictor.charge.calls == calls


class TestRandom(Floor):
    @pytest.fixture
    def explainer(self) -> Random:
        return Random(seed=3)


class TestSmoothRandom(Floor):
    @pytest.fixture
    def explainer(self) -> SmoothRandom:
        return SmoothRandom(sigma=1.5)


class TestIntensity(Floor):
    @pytest.fixture
    def explainer(self) -> Intensity:
        return Intensity()


class TestSobel(Floor):
    @pytest.fixture
    def explainer(self) -> Sobel:
        return Sobel()


class TestTemplate(Floor):
    @pytest.fixture
    def explainer(self, tmp_path: Path) -> Template:
        path = tmp_path / "population_mean.nii.gz"
        recipe = self._cube().recipe
        affine = box_affine(recipe.shape, recipe.voxel_size, recipe.orientation, recipe.centre)
        write_map(path, torch.rand(self.shape), affine=affine)
        return Template(file=str(path))

    def _cube(self) -> ToyPredictor:
        """With a centre: only images in one space have a population."""
        predictor = super()._cube()
        predictor.recipe = Recipe(shape=self.shape, voxel_size=4.0, centre=(0.0, 0.0, 0.0))
        return predictor
