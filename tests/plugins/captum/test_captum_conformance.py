"""Every method of the plugin keeps the contract that third parties' methods keep."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from interpbench import Explainer
from interpbench.testing import ExplainerContract, ToyPredictor, cube_predictor, toy_brains, toy_cube
from interpbench_captum.gradients import InputXGradient, Saliency
from interpbench_captum.guided import Deconvolution, GuidedBackprop
from interpbench_captum.layer import GradCam, GuidedGradCam
from interpbench_captum.noise_tunnel import SmoothGrad, SmoothGradSquared, VarGrad
from interpbench_captum.occlusion import CaptumOcclusion
from interpbench_captum.path import GradientShap, IntegratedGradients


class TestSaliency(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return Saliency()


class TestInputXGradient(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return InputXGradient()


class TestIntegratedGradients(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return IntegratedGradients(n_steps=6)


class TestGradientShap(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return GradientShap(samples=6, noise_sd=0.1)


class TestSmoothGrad(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return SmoothGrad(samples=6)


class TestSmoothGradSquared(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return SmoothGradSquared(samples=6)


class TestVarGrad(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return VarGrad(samples=25, noise_sd=1.0)  # the toy's slope changes at x = 0 only: the noise must reach it

    def test_the_only_cube_that_matters_to_a_linear_predictor_is_found(self, explainer: Explainer) -> None:
        """It cannot be: the gradient of a linear predictor does not vary, so only rounding may be left."""
        predictor = cube_predictor(self.shape)
        squared = SmoothGradSquared(samples=25).explain(predictor, toy_brains(3, self.shape))
        maps = explainer.explain(predictor, toy_brains(3, self.shape))
        assert float(maps.max()) <= 1e-6 * float(squared.max())


class _OpenRectifier:
    """The linear toy has no ReLU, which these methods need: one that is open for every x stands in its place."""

    shape: tuple[int, int, int]

    def test_the_only_cube_that_matters_to_a_linear_predictor_is_found(self, explainer: Explainer) -> None:
        cube = toy_cube(self.shape).float()
        with torch.random.fork_rng(devices=[]):
            features, readout = nn.Conv3d(1, 1, 1), nn.Linear(cube.numel(), 1)
        features.weight.data.fill_(1.0)
        features.bias.data.fill_(10.0)  # brains hold values of SD 1
        readout.weight.data.copy_(cube.reshape(1, -1))
        network = nn.Sequential(
            OrderedDict(features=features, rectifier=nn.ReLU(), flatten=nn.Flatten(), readout=readout)
        )
        predictor = ToyPredictor(network, self.shape, cube)
        self._check_localisation(explainer, predictor)  # type: ignore[attr-defined]


class TestGuidedBackprop(_OpenRectifier, ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return GuidedBackprop()


class TestDeconvolution(_OpenRectifier, ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return Deconvolution()


class TestGradCam(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return GradCam()


class TestGuidedGradCam(_OpenRectifier, ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return GuidedGradCam()


class TestCaptumOcclusion(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return CaptumOcclusion(box=3, stride=2)
