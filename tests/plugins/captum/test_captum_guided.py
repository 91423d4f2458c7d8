"""Guided backpropagation and deconvolution against backward passes written by hand, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from interpbench import Explainer, NotApplicable
from interpbench.testing import ToyPredictor, linear_predictor, toy_brains
from interpbench_captum.guided import Deconvolution, GuidedBackprop
from interpbench_captum.layer import GuidedGradCam

SHAPE = (6, 7, 8)
Rectify = Callable[[Tensor], Tensor]


class Twice(nn.Module):
    """One rectifier, used twice, once behind a shortcut: a residual block as MONAI builds it."""

    def __init__(self, rectify: Rectify | None = None, *, inplace: bool = True) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Conv3d(1, 3, 3, padding=1)
            self.second = nn.Conv3d(3, 3, 3, padding=1)
            self.readout = nn.Linear(3, 1)
        if rectify is None:
            self.act = nn.ReLU(inplace=inplace)
        else:
            self.rectify = rectify

    def forward(self, volumes: Tensor) -> Tensor:
        rectify = self.act if hasattr(self, "act") else self.rectify
        shortcut = rectify(self.first(volumes))
        features = self.second(shortcut)
        features += shortcut
        return self.readout(rectify(features).mean(dim=(2, 3, 4)))


class GuidedByHand(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        ctx.save_for_backward(values)
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (values,) = ctx.saved_tensors
        return gradient.clamp(min=0) * (values > 0)


class DeconvolutionByHand(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clamp(min=0)


BY_HAND = [(GuidedBackprop(), GuidedByHand.apply), (Deconvolution(), DeconvolutionByHand.apply)]
METHODS = [GuidedBackprop(), Deconvolution(), GuidedGradCam(layer="network.first")]


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize(("explainer", "rectify"), BY_HAND)
def test_a_rectifier_that_is_used_twice_is_changed_both_times(
    explainer: Explainer, rectify: Rectify, inplace: bool
) -> None:
    volumes = toy_brains(2, SHAPE)
    found = explainer.explain(ToyPredictor(Twice(inplace=inplace), SHAPE), volumes)
    expected = _gradient(Twice(rectify), volumes)
    assert not torch.allclose(expected, _gradient(Twice(functional.relu), volumes))  # what no hooks would give
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("explainer", "rectify"), BY_HAND)
def test_the_rectifiers_of_monais_resnet_are_all_changed(
    explainer: Explainer, rectify: Rectify, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monai.networks.nets.resnet import ResNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ResNet("basic", [2, 2, 2, 2], [2, 4, 8, 16], spatial_dims=3, n_input_channels=1, num_classes=1)
    volumes, predictor = toy_brains(2, (12, 14, 10)), ToyPredictor(network, (12, 14, 10))
    found = explainer.explain(predictor, volumes)
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, values: rectify(values))
    torch.testing.assert_close(found, _gradient(network, volumes))


def test_what_lowers_the_prediction_is_not_in_the_map() -> None:
    network = Twice()
    network.readout.weight.data.abs_().neg_()
    for explainer in (GuidedBackprop(), Deconvolution()):
        assert not explainer.explain(ToyPredictor(network, SHAPE), toy_brains(1, SHAPE)).any()


@pytest.mark.parametrize("explainer", METHODS, ids=lambda method: type(method).__name__)
def test_a_network_with_functional_rectifiers_only_is_refused(explainer: Explainer) -> None:
    name = type(explainer).__name__.lower()
    refused = rf"{name} does not apply to this architecture: it has no ReLU module \(functional rectifiers"
    with pytest.raises(NotApplicable, match=refused):
        explainer.explain(ToyPredictor(Twice(functional.relu), SHAPE), toy_brains(1, SHAPE))


@pytest.mark.parametrize("explainer", METHODS, ids=lambda method: type(method).__name__)
def test_a_network_whose_rectifier_modules_never_run_is_refused(explainer: Explainer) -> None:
    network = Twice(functional.relu)
    network.spare = nn.ReLU()
    predictor = ToyPredictor(network, SHAPE)
    with pytest.raises(NotApplicable, match=r"its ReLU modules are not used \(functional rectifiers are not seen\)"):
        explainer.explain(predictor, toy_brains(1, SHAPE))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in predictor.module.modules())


@pytest.mark.parametrize("explainer", [GuidedBackprop(), Deconvolution()])
def test_another_rectifier_is_no_relu(explainer: Explainer) -> None:
    predictor = ToyPredictor(Twice(nn.LeakyReLU()), SHAPE)
    with pytest.raises(NotApplicable):
        explainer.explain(predictor, toy_brains(1, SHAPE))


class Mixed(Twice):
    """ReLU modules, and something else between them."""

    def __init__(self, other: Rectify) -> None:
        super().__init__()
        self.other = other

    def forward(self, volumes: Tensor) -> Tensor:
        return self.readout(self.act(self.second(self.other(self.act(self.first(volumes)) - 0.1))).mean(dim=(2, 3, 4)))


MIXED: dict[str, tuple[Rectify, str]] = {
    "F.relu": (functional.relu, r"a functional ReLU, such as F\.relu \(1\)"),
    "torch.relu": (torch.relu, "a functional ReLU"),
    "in place": (functional.relu_, "a functional ReLU"),
    "a method": (lambda values: values.relu(), "a functional ReLU"),
    "clamp": (lambda values: values.clamp(min=0), r"clamp at 0 \(1\)"),
    "clamp_min": (lambda values: values.clamp_min(0), "clamp at 0"),
    "maximum": (lambda values: torch.maximum(values, torch.zeros(())), "maximum of a number and a constant"),
    "threshold": (nn.Threshold(0.0, 0.0), "Threshold"),
    "leaky": (nn.LeakyReLU(), r"leaky ReLU \(1\)"),
    "ELU": (nn.ELU(), "ELU"),
    "SELU": (nn.SELU(), "ELU"),
    "CELU": (nn.CELU(), "CELU"),
    "PReLU": (nn.PReLU(), "PReLU"),
    "RReLU": (nn.RReLU(), "RReLU"),
    "GELU": (nn.GELU(), "GELU"),
    "SiLU": (nn.SiLU(), "SiLU"),
    "Mish": (nn.Mish(), "Mish"),
    "Hardswish": (nn.Hardswish(), "Hardswish"),
    "ReLU6": (nn.ReLU6(), "ReLU6 or Hardtanh"),
    "Softplus": (nn.Softplus(), "Softplus"),
}


@pytest.mark.parametrize("explainer", METHODS, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("name", MIXED)
def test_a_mixture_of_rectifiers_is_refused_by_name(explainer: Explainer, name: str) -> None:
    other, said = MIXED[name]
    refused = rf"does not apply to this architecture: beside 2 calls of ReLU modules it rectifies by {said}"
    with pytest.raises(NotApplicable, match=refused) as caught:
        explainer.explain(ToyPredictor(Mixed(other), SHAPE), toy_brains(1, SHAPE))
    assert "\n" not in str(caught.value)


PLAIN: dict[str, Rectify] = {
    "a module": nn.ReLU(),
    "the same module": nn.Identity(),
    "a gate": lambda values: values * values.sigmoid().mean(dim=(2, 3, 4), keepdim=True),
    "a norm": lambda values: functional.normalize(values, dim=1),
    "a divisor that is no zero": lambda values: values / values.abs().mean().clamp(min=1e-6),
    "the larger of two": lambda values: torch.maximum(values, values.flip(1)),
    "a maximum over places": nn.MaxPool3d(2),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_rectifies_nothing_may_stand_beside_relu_modules(name: str) -> None:
    for explainer in (GuidedBackprop(), Deconvolution()):
        assert explainer.explain(ToyPredictor(Mixed(PLAIN[name]), SHAPE), toy_brains(1, SHAPE)).isfinite().all()


def test_a_bound_on_the_number_at_the_end_is_no_rectifier() -> None:
    class Bounded(Twice):
        def forward(self, volumes: Tensor) -> Tensor:
            return functional.softplus(super().forward(volumes)).clamp(min=0)

    assert GuidedBackprop().explain(ToyPredictor(Bounded(), SHAPE), toy_brains(1, SHAPE)).isfinite().all()


def test_a_linear_network_is_refused() -> None:
    with pytest.raises(NotApplicable):
        GuidedBackprop().explain(linear_predictor(torch.ones(SHAPE)), toy_brains(1, SHAPE))


def _gradient(network: nn.Module, volumes: Tensor) -> Tensor:
    copies = volumes.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network.eval()(copies).sum(), copies)
    return gradient[:, 0]
