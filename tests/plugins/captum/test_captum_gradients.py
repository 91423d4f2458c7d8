"""Gradient methods against what they must be on predictors whose gradient is known."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score
from torch import Tensor

from interpbench import Explainer, UsageError
from interpbench.testing import ToyPredictor, cube_predictor, linear_predictor, toy_brains
from interpbench_captum.gradients import InputXGradient, Saliency
from interpbench_captum.guided import Deconvolution, GuidedBackprop
from interpbench_captum.layer import GradCam
from interpbench_captum.noise_tunnel import SmoothGrad, SmoothGradSquared, VarGrad
from interpbench_captum.path import GradientShap, IntegratedGradients

SHAPE = (6, 7, 8)


@pytest.fixture
def weights() -> Tensor:
    """Of either sign, on about every fifth voxel."""
    generator = torch.Generator().manual_seed(1)
    some = torch.rand(SHAPE, generator=generator) < 0.2
    size, sign = torch.rand(SHAPE, generator=generator) + 0.1, torch.rand(SHAPE, generator=generator) - 0.5
    return some * size * sign.sign()


@pytest.fixture
def volumes() -> Tensor:
    """Nowhere zero."""
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(2, 1, *SHAPE, generator=generator)
    return values + 0.1 * values.sign()


@pytest.mark.parametrize(
    "explainer",
    [
        Saliency(),
        InputXGradient(),
        IntegratedGradients(n_steps=5),
        IntegratedGradients(n_steps=5, baseline="blur"),
        GradientShap(samples=5),
        GradientShap(samples=5, noise_sd=0.05, baseline="image_mean"),
        SmoothGrad(samples=5),
        SmoothGradSquared(samples=5),
    ],
    ids=repr,
)
def test_of_a_linear_predictor_all_voxels_with_a_weight_are_above_all_without(
    explainer: Explainer, weights: Tensor, volumes: Tensor
) -> None:
    for map in explainer.explain(linear_predictor(weights), volumes):
        assert roc_auc_score((weights != 0).flatten(), map.abs().flatten()) == 1.0


@pytest.mark.parametrize(("explainer", "power"), [(Saliency(), 1), (SmoothGrad(), 1), (SmoothGradSquared(), 2)])
def test_of_a_linear_predictor_gradient_methods_give_the_weights(
    explainer: Explainer, power: int, weights: Tensor, volumes: Tensor
) -> None:
    maps = explainer.explain(linear_predictor(weights), volumes)
    expected = weights if explainer.signed else weights.abs() ** power
    torch.testing.assert_close(maps, expected.expand_as(maps))


@pytest.mark.parametrize("explainer", [InputXGradient(), IntegratedGradients(n_steps=5), GradientShap(samples=5)])
def test_of_a_linear_predictor_path_methods_give_weight_times_intensity(
    explainer: Explainer, weights: Tensor, volumes: Tensor
) -> None:
    maps = explainer.explain(linear_predictor(weights), volumes)
    torch.testing.assert_close(maps, weights * volumes[:, 0])


def test_of_a_linear_predictor_vargrad_leaves_rounding_only(weights: Tensor, volumes: Tensor) -> None:
    maps = VarGrad().explain(linear_predictor(weights), volumes)
    assert float(maps.min()) >= 0 and float(maps.max()) <= 1e-6 * float(weights.square().max())


def test_of_a_linear_predictor_gradcam_knows_the_mean_weight_only(weights: Tensor, volumes: Tensor) -> None:
    maps = GradCam(layer="network.features").explain(linear_predictor(weights), volumes)
    torch.testing.assert_close(maps, weights.mean() * volumes[:, 0])


@pytest.mark.parametrize("explainer", [GuidedBackprop(), Deconvolution()])
def test_where_the_rectifier_is_open_guided_methods_give_the_weights_that_are_above_zero(
    explainer: Explainer, weights: Tensor, volumes: Tensor
) -> None:
    maps = explainer.explain(_kinked(weights, bias=10.0), volumes)  # linear: no x + 10 is below zero
    torch.testing.assert_close(maps, weights.clamp(min=0).expand_as(maps))


def test_without_noise_one_sample_of_smoothgrad_is_the_gradient(volumes: Tensor) -> None:
    predictor = cube_predictor(SHAPE, nonlinear=True)
    copies = volumes.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(predictor.predict(copies).sum(), copies)
    found = SmoothGrad(samples=1, noise_sd=0).explain(predictor, volumes)
    torch.testing.assert_close(found, gradient[:, 0])
    torch.testing.assert_close(Saliency().explain(predictor, volumes), gradient[:, 0].abs())


def test_vargrad_is_the_mean_square_less_the_squared_mean(volumes: Tensor) -> None:
    predictor = cube_predictor(SHAPE, nonlinear=True)
    mean, square, variance = (
        kind(seed=3, noise_sd=1.0).explain(predictor, volumes) for kind in (SmoothGrad, SmoothGradSquared, VarGrad)
    )
    assert float(variance.max()) > 0
    torch.testing.assert_close(variance, square - mean.square(), atol=1e-5 * float(square.max()), rtol=0)


def test_smoothgrad_approaches_the_expected_gradient() -> None:
    """Where x is 0 the toy's slope is 2w or -w, by the sign of the noise: in the mean w/2."""
    predictor = cube_predictor(SHAPE, nonlinear=True)
    found = SmoothGrad(samples=4000, batch_size=400).explain(predictor, torch.zeros(1, 1, *SHAPE))[0]
    inside = found[predictor.truth > 0]
    slope = IntegratedGradients(n_steps=1).explain(predictor, torch.ones(1, 1, *SHAPE))[0].max() / 2  # w
    assert float(inside.mean()) == pytest.approx(float(slope) / 2, rel=0.05)


@pytest.mark.parametrize(("kind", "allowed"), [("zero", 1e-5), ("image_mean", 0.02), ("blur", 0.02)])
def test_integrated_gradients_add_up_to_the_difference_from_the_baseline(kind: str, allowed: float) -> None:
    predictor, volumes = cube_predictor(SHAPE, nonlinear=True), toy_brains(3, SHAPE) + 0.1
    explainer = IntegratedGradients(n_steps=200, baseline=kind, sigma=1.0, batch_size=50)
    _check_sum(explainer, predictor, volumes, allowed)


def test_gradientshap_adds_up_in_expectation_where_it_says_so() -> None:
    predictor, volumes = cube_predictor(SHAPE, nonlinear=True), toy_brains(3, SHAPE)
    explainer = GradientShap(samples=2000, baseline="blur", sigma=1.0, batch_size=500)
    _check_sum(explainer, predictor, volumes, allowed=0.05)
    assert GradientShap(noise_sd=0.1).reference(volumes) is None


@pytest.mark.parametrize("explainer", [Saliency(), InputXGradient(), SmoothGrad(), VarGrad(), GradCam()], ids=repr)
def test_what_does_not_claim_completeness_has_no_reference(explainer: Explainer, volumes: Tensor) -> None:
    assert explainer.reference(volumes) is None


def test_input_times_gradient_does_not_add_up_where_there_is_a_bias() -> None:
    """f = relu(x - 0.5) moves by 0.5 from x = 0 to x = 1, where its slope is 1."""
    weights = torch.zeros(SHAPE)
    weights[1, 2, 3] = 1
    predictor = _kinked(weights, bias=-0.5)
    volumes = torch.ones(1, 1, *SHAPE)
    with torch.no_grad():
        difference = predictor.predict(volumes) - predictor.predict(0 * volumes)
    assert float(difference) == pytest.approx(0.5)
    assert float(InputXGradient().explain(predictor, volumes).sum()) == pytest.approx(1.0)
    assert float(IntegratedGradients(n_steps=100).explain(predictor, volumes).sum()) == pytest.approx(0.5, abs=0.02)


def test_the_baselines_are_zero_the_brains_own_mean_and_a_gaussian_of_the_volume() -> None:
    volumes = toy_brains(2, SHAPE) * 3 + 2 * (toy_brains(2, SHAPE) != 0)
    references = {kind: IntegratedGradients(baseline=kind, sigma=1.5).reference(volumes) for kind in ("zero", "blur")}
    assert not references["zero"].any()
    expected = gaussian_filter(volumes[1, 0].double().numpy(), 1.5, mode="nearest")
    torch.testing.assert_close(references["blur"][1, 0].double(), torch.from_numpy(expected), atol=1e-5, rtol=0)
    means = IntegratedGradients(baseline="image_mean").reference(volumes)
    for reference, volume in zip(means, volumes, strict=True):
        torch.testing.assert_close(reference, torch.full_like(volume, float(volume[volume != 0].mean())))


@pytest.mark.parametrize("make", [SmoothGrad, VarGrad, GradientShap])
def test_options_that_cannot_be_right_are_refused(make: type) -> None:
    with pytest.raises(UsageError, match=rf"samples of {make.__name__} must be at least 1, got 0"):
        make(samples=0)
    with pytest.raises(UsageError, match=rf"noise_sd of {make.__name__} must be at least 0, got -1"):
        make(noise_sd=-1)
    with pytest.raises(UsageError, match=r"baseline of IntegratedGradients must be one of zero, image_mean, blur"):
        IntegratedGradients(baseline="black")


def _check_sum(explainer: Explainer, predictor: ToyPredictor, volumes: Tensor, allowed: float) -> None:
    with torch.no_grad():
        difference = predictor.predict(volumes) - predictor.predict(explainer.reference(volumes))
    sums = explainer.explain(predictor, volumes).flatten(1).sum(dim=1)
    assert float(difference.abs().min()) > 0.1
    torch.testing.assert_close(sums, difference, atol=allowed * float(difference.abs().max()), rtol=0)


def _kinked(weights: Tensor, bias: float) -> ToyPredictor:
    """f(x) = sum of weights relu(x + bias)."""
    with torch.random.fork_rng(devices=[]):
        features, readout = torch.nn.Conv3d(1, 1, 1), torch.nn.Linear(weights.numel(), 1, bias=False)
    features.weight.data.fill_(1.0)
    features.bias.data.fill_(bias)
    readout.weight.data.copy_(weights.reshape(1, -1))
    network = torch.nn.Sequential(features, torch.nn.ReLU(), torch.nn.Flatten(), readout)
    return ToyPredictor(network, SHAPE)
