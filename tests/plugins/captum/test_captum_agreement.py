"""Each method gives what Captum gives when it is called without us, on MONAI's ResNet-18 and through the front door."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum import attr
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from interpbench import Explainer, Predictor, Recipe
from interpbench.host.registry import discover
from interpbench.options import describe_options
from interpbench.testing import toy_brains
from interpbench_captum.plugin import METHODS
from interpbench_networks.resnet18 import ResNet18

SHAPE = (24, 28, 20)
SEED = 7
Direct = Callable[[Predictor, Tensor], Tensor]


class Wrapped(nn.Module):
    """What somebody writes who calls Captum on a predictor."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.network = predictor.module
        self.predict = predictor.predict

    def forward(self, volumes: Tensor) -> Tensor:
        return self.predict(volumes)


def blurred(volume: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(gaussian_filter(volume[0, 0].detach().numpy(), sigma, mode="nearest"))[None, None]


def tunnel(kind: str, samples: int, sd: float) -> Direct:
    def direct(predictor: Predictor, volume: Tensor) -> Tensor:
        method = attr.NoiseTunnel(attr.Saliency(predictor.predict))
        return method.attribute(volume, nt_type=kind, nt_samples=samples, stdevs=sd, abs=False)

    return direct


def gradient_at(predictor: Predictor, place: Tensor) -> Tensor:
    place = place.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(predictor.predict(place).sum(), place)
    return gradient.double()


def noise_in_the_brain(kind: str, samples: int, sd: float) -> Direct:
    """Without Captum: toy brains are 0 outside the brain, and nowhere inside."""

    def plain(predictor: Predictor, volume: Tensor) -> Tensor:
        volume = volume.detach()
        noise = torch.normal(0, torch.full((samples, *volume.shape[1:]), sd)) * (volume != 0)
        gradients = torch.cat([gradient_at(predictor, volume + one) for one in noise.split(1)])
        mean, square = gradients.mean(dim=0), gradients.square().mean(dim=0)
        return {"smoothgrad": mean, "smoothgrad_sq": square, "vargrad": square - mean.square()}[kind][None].float()

    return plain


def shap_in_the_brain(samples: int, sd: float) -> Direct:
    def plain(predictor: Predictor, volume: Tensor) -> Tensor:
        volume = volume.detach()
        noise = torch.normal(0, torch.full((samples, *volume.shape[1:]), sd)) * (volume != 0)
        np.random.choice(1, samples)  # Captum draws a baseline for each sample, here of one
        shares = torch.from_numpy(np.random.uniform(0, 1, samples)).float()
        moved = [volume + one for one in noise.split(1)]
        found = [one * gradient_at(predictor, share * one) for one, share in zip(moved, shares, strict=True)]
        return torch.stack(found).mean(dim=0).float()

    return plain


def shap(samples: int, sd: float) -> Direct:
    return lambda predictor, volume: attr.GradientShap(predictor.predict).attribute(
        volume, torch.zeros(1, 1, *SHAPE), n_samples=samples, stdevs=sd
    )


def occlusion(box: tuple[int, int, int], stride: tuple[int, int, int], at_once: int) -> Direct:
    # At once: predictions are around 60 years, and rounded otherwise in batches of another size.
    return lambda predictor, volume: (
        attr.Occlusion(predictor.predict)
        .attribute(volume, (1, *box), (1, *stride), baselines=0, perturbations_per_eval=at_once)
        .abs()
    )


def gradcam(layer: str, relu: bool) -> Direct:
    def direct(predictor: Predictor, volume: Tensor) -> Tensor:
        wrapped = Wrapped(predictor)
        cam = attr.LayerGradCam(wrapped, wrapped.network.get_submodule(layer)).attribute(volume, relu_attributions=relu)
        return attr.LayerAttribution.interpolate(cam, SHAPE, "trilinear")

    return direct


def guided_gradcam(layer: str) -> Direct:
    def direct(predictor: Predictor, volume: Tensor) -> Tensor:
        wrapped = Wrapped(predictor)
        method = attr.GuidedGradCam(wrapped, wrapped.network.get_submodule(layer))
        return method.attribute(volume, interpolate_mode="trilinear")

    return direct


CASES: list[tuple[str, dict[str, object], Direct]] = [
    ("saliency", {}, lambda p, x: attr.Saliency(p.predict).attribute(x)),
    ("inputxgradient", {}, lambda p, x: attr.InputXGradient(p.predict).attribute(x)),
    ("integratedgradients", {"n_steps": 12}, lambda p, x: attr.IntegratedGradients(p.predict).attribute(x, n_steps=12)),
    (
        "integratedgradients",
        {"n_steps": 7, "baseline": "blur", "sigma": 2.0, "batch_size": 3},
        lambda p, x: attr.IntegratedGradients(p.predict).attribute(x, blurred(x, 2.0), n_steps=7),
    ),
    ("gradientshap", {"samples": 10}, shap(10, 0.0)),
    ("gradientshap", {"samples": 5, "noise_sd": 0.3, "batch_size": 2, "noise_over": "volume"}, shap(5, 0.3)),
    ("gradientshap", {"samples": 5, "noise_sd": 0.3, "batch_size": 2}, shap_in_the_brain(5, 0.3)),
    ("smoothgrad", {"samples": 10, "noise_over": "volume"}, tunnel("smoothgrad", 10, 0.5)),
    ("smoothgrad", {"samples": 5, "noise_sd": 1, "noise_over": "volume"}, tunnel("smoothgrad", 5, 1.0)),
    ("smoothgrad", {"samples": 5, "batch_size": 3, "noise_over": "volume"}, tunnel("smoothgrad", 5, 0.5)),
    ("smoothgradsquared", {"samples": 5, "noise_over": "volume"}, tunnel("smoothgrad_sq", 5, 0.5)),
    ("vargrad", {"samples": 5, "noise_over": "volume"}, tunnel("vargrad", 5, 0.5)),
    ("smoothgrad", {"samples": 10}, noise_in_the_brain("smoothgrad", 10, 0.5)),
    ("smoothgrad", {"samples": 5, "noise_sd": 1, "batch_size": 3}, noise_in_the_brain("smoothgrad", 5, 1.0)),
    ("smoothgradsquared", {"samples": 5}, noise_in_the_brain("smoothgrad_sq", 5, 0.5)),
    ("vargrad", {"samples": 5}, noise_in_the_brain("vargrad", 5, 0.5)),
    ("guidedbackprop", {}, lambda p, x: attr.GuidedBackprop(Wrapped(p)).attribute(x)),
    ("deconvolution", {}, lambda p, x: attr.Deconvolution(Wrapped(p)).attribute(x)),
    ("gradcam", {}, gradcam("layer4", relu=False)),
    ("gradcam", {"layer": "layer2.0", "relu": True}, gradcam("layer2.0", relu=True)),
    ("guidedgradcam", {}, guided_gradcam("layer4")),
    ("captumocclusion", {"stride": 8}, occlusion((8, 8, 8), (8, 8, 8), 8)),
    ("captumocclusion", {"box": (8, 9, 10), "stride": (8, 9, 5), "batch_size": 1}, occlusion((8, 9, 10), (8, 9, 5), 1)),
]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """Random weights, but batch norms that have seen volumes, and a read-out that makes years of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blank = ResNet18(width=4)
        network = blank.build(SHAPE)
        network.fc.weight.data.abs_()  # so that the rectified Grad-CAM is not empty
        with torch.no_grad():
            for _ in range(20):
                network(torch.randn(4, 1, *SHAPE))
    return blank.loaded(network, Recipe(shape=SHAPE, voxel_size=4.0), scale=7.0, offset=60.0)


@pytest.fixture(scope="module")
def volumes() -> Tensor:
    return toy_brains(2, SHAPE)


def make(name: str, options: dict[str, object]) -> Explainer:
    kind = discover().load("explainer", name)
    return kind(**options, **({"seed": SEED} if "seed" in kind.__dataclass_fields__ and "seed" not in options else {}))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "direct"), CASES, ids=[f"{name}-{list(set_)}" for name, set_, _ in CASES])
def test_a_method_agrees_with_a_direct_call_of_captum(
    predictor: Predictor, volumes: Tensor, name: str, options: dict[str, object], direct: Direct
) -> None:
    found = make(name, options).explain(predictor, volumes)
    for map, volume in zip(found, volumes, strict=True):
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Captum says that it sets hooks
            torch.manual_seed(SEED)
            np.random.seed(SEED)
            expected = direct(predictor, volume[None].clone().requires_grad_())[0, 0].detach()
        span = float(expected.max() - expected.min())
        assert span > 0
        assert float((map - expected).abs().max()) <= 1e-6 * span


def test_every_method_of_the_table_is_compared() -> None:
    assert {name for name, _, _ in CASES} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_of_the_table_can_be_made_by_its_name_and_says_its_options(name: str) -> None:
    explainer = make(name, {})
    assert type(explainer).__name__.lower() == name
    assert all(described["help"] for described in describe_options(type(explainer)))


@pytest.mark.parametrize("name", [name for name in METHODS if name != "captumocclusion"])
def test_only_what_cannot_be_below_zero_is_unsigned(name: str) -> None:
    assert make(name, {}).signed == (name not in ("saliency", "smoothgradsquared", "vargrad"))


def test_listing_the_methods_imports_neither_captum_nor_torch() -> None:
    code = (
        "import sys; from interpbench_captum import plugin; print(len(plugin.interpbench_explainers()));"
        "print(sorted({'torch', 'captum', 'scipy'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == [str(len(METHODS)), "[]"]


@pytest.mark.parametrize("name", ["smoothgrad", "gradientshap"])
def test_another_seed_draws_otherwise(predictor: Predictor, volumes: Tensor, name: str) -> None:
    first, again, other = (
        make(name, {"samples": 2, "seed": seed}).explain(predictor, volumes[:1]) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("name", ["smoothgrad", "smoothgradsquared", "vargrad", "gradientshap"])
@pytest.mark.parametrize("place", ["brain", "volume"])
def test_the_network_is_shown_noise_where_it_was_asked_for_only(
    predictor: Predictor, volumes: Tensor, name: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    predict = type(predictor).predict
    monkeypatch.setattr(
        type(predictor), "predict", lambda self, given: (seen.append(given.detach().clone()), predict(self, given))[1]
    )
    make(name, {"samples": 3, "noise_sd": 0.5, "noise_over": place}).explain(predictor, volumes[:1])
    outside = torch.cat(seen)[:, volumes[0] == 0]
    assert len(torch.cat(seen)) == 3 and bool(outside.any()) == (place == "volume")


@pytest.mark.parametrize("name", ["smoothgrad", "gradientshap"])
def test_where_a_volume_has_no_even_background_all_of_it_is_brain(predictor: Predictor, name: str) -> None:
    volumes = torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(2))
    brain, whole = (
        make(name, {"samples": 2, "noise_sd": 0.5, "noise_over": place}).explain(predictor, volumes)
        for place in ("brain", "volume")
    )
    torch.testing.assert_close(brain, whole, rtol=0, atol=1e-6 * float(whole.abs().max()))


@pytest.mark.parametrize("name", ["smoothgrad", "vargrad", "gradientshap", "integratedgradients"])
def test_a_map_does_not_depend_on_how_many_volumes_go_through_the_network_at_once(
    predictor: Predictor, volumes: Tensor, name: str
) -> None:
    number = {"n_steps": 6} if name == "integratedgradients" else {"samples": 6}
    one, four = (make(name, {**number, "batch_size": size}).explain(predictor, volumes[:1]) for size in (1, 4))
    torch.testing.assert_close(one, four, rtol=0, atol=1e-5 * float(four.abs().max()))


def test_no_more_volumes_go_through_the_network_at_once_than_asked_for(volumes: Tensor, predictor: Predictor) -> None:
    seen: list[int] = []
    handle = predictor.module.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    try:
        for name in ("smoothgrad", "gradientshap"):
            make(name, {"samples": 7, "batch_size": 3}).explain(predictor, volumes[:1])
        make("integratedgradients", {"n_steps": 7, "batch_size": 3}).explain(predictor, volumes[:1])
        assert seen == [3, 3, 1] * 3
        seen.clear()
        make("captumocclusion", {"box": 20, "stride": 4, "batch_size": 3}).explain(predictor, volumes[:1])
    finally:
        handle.remove()
    assert seen == [1, 3, 3]  # the volume itself, then 2 x 3 x 1 boxes


@pytest.mark.parametrize("name", ["gradientshap", "smoothgrad"])
def test_what_is_drawn_leaves_numpys_and_torchs_random_state_as_found(
    predictor: Predictor, volumes: Tensor, name: str
) -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state(legacy=True)[1].copy()
    make(name, {"samples": 2}).explain(predictor, volumes[:1])
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state(legacy=True)[1])
