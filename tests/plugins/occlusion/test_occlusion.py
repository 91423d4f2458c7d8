"""Occlusion: its effects by hand on linear predictors, and against Captum on a network."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from captum.attr import Occlusion as CaptumOcclusion
from scipy.ndimage import gaussian_filter
from torch import nn

from interpbench import UsageError, brain_of
from interpbench.options import describe_options, typed_options
from interpbench.testing import ToyPredictor, linear_predictor, toy_brains
from interpbench_occlusion.boxes import BoxGrid
from interpbench_occlusion.evaluation import WORTH_FREEZING, Evaluation
from interpbench_occlusion.explainer import Occlusion
from interpbench_occlusion.replacement import replacement_values

SHAPE = (6, 7, 8)
LARGER = (12, 14, 10)


def weights(shape: tuple[int, int, int] = SHAPE) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def network(shape: tuple[int, int, int]) -> ToyPredictor:
    """A small network of random weights with a batch norm, whose answer is far from linear."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        convolution, norm, last = nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.Linear(4 * math.prod(shape), 1)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        last.weight.data *= 10
    return ToyPredictor(nn.Sequential(convolution, norm, nn.ReLU(), nn.Flatten(), last), shape)


def prediction(predictor: ToyPredictor, volume: torch.Tensor) -> float:
    with torch.no_grad():
        return float(predictor.predict(volume[None]))


def test_a_box_of_one_voxel_on_a_linear_predictor_gives_weight_times_value() -> None:
    volumes = toy_brains(2, SHAPE)
    map, extras = Occlusion(box=1, stride=1).explain_with_extras(linear_predictor(weights(), bias=0.0), volumes)
    torch.testing.assert_close(extras["effect"], weights() * volumes[:, 0], atol=1e-5, rtol=1e-4)
    assert torch.equal(map, extras["effect"].abs())


def test_the_map_without_extras_is_the_same() -> None:
    volumes, predictor, occlusion = toy_brains(2, SHAPE), network(SHAPE), Occlusion(box=3, stride=2)
    assert torch.equal(occlusion.explain(predictor, volumes), occlusion.explain_with_extras(predictor, volumes)[0])


@pytest.mark.parametrize("box", [(2, 3, 4), (4, 3, 5)])
def test_effects_of_disjoint_boxes_on_a_linear_predictor_add_up(box: tuple[int, int, int]) -> None:
    predictor, (volume,) = linear_predictor(weights()), toy_brains(1, SHAPE)
    grid = BoxGrid(SHAPE, box, box)
    evaluation = Evaluation.of(
        predictor, volume, grid.boxes, lambda place: 0.0, batch_size=4, memory=2**30, precision="float32"
    )
    effects = evaluation.effects(volume, grid.boxes, lambda place: 0.0)
    whole = prediction(predictor, volume) - prediction(predictor, torch.zeros_like(volume))
    assert float(effects.sum()) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize(
    ("box", "stride"),
    [
        (3, 2),  # of ten voxels, the last window is cut off
        ((4, 3, 5), (3, 2, 4)),
        ((4, 5, 3), (4, 5, 3)),
        ((12, 14, 3), (1, 2, 3)),
        (6, 5),
    ],
)
def test_averaging_agrees_with_captum(box: object, stride: object) -> None:
    predictor, volumes = network(LARGER), toy_brains(2, LARGER)
    window, step = ((1, *edges) if isinstance(edges, tuple) else (1, edges, edges, edges) for edges in (box, stride))
    theirs = CaptumOcclusion(predictor.predict).attribute(volumes, window, strides=step, baselines=0)[:, 0]
    ours = Occlusion(box=box, stride=stride).explain_with_extras(predictor, volumes)[1]["effect"]
    span = float(theirs.max() - theirs.min())
    assert float((ours - theirs).abs().max()) <= 1e-5 * span


@pytest.mark.parametrize("replacement", ["zero", "image_mean", "box_mean", "blur", "noise"])
def test_a_place_is_filled_as_asked(replacement: str) -> None:
    """By a linear predictor, hiding the whole volume tells the weighted sum of what was put in."""
    predictor, volumes = linear_predictor(weights(), bias=0.0), toy_brains(1, SHAPE) + 0.5
    image, brain = volumes[0, 0], brain_of(volumes)[0]
    filled = {
        "zero": torch.zeros(SHAPE),
        "image_mean": torch.full(SHAPE, float(image[brain].mean())),
        "box_mean": torch.full(SHAPE, float(image.mean())),
        "blur": torch.from_numpy(gaussian_filter(image.numpy(), 1.5, mode="nearest")),
        "noise": image[brain].mean()
        + image[brain].std(correction=0) * torch.randn(SHAPE, generator=torch.Generator().manual_seed(7)),
    }[replacement]
    occlusion = Occlusion(box=SHAPE, stride=1, replacement=replacement, sigma=1.5, seed=7)
    effect = occlusion.explain_with_extras(predictor, volumes)[1]["effect"][0]
    expected = float((weights() * (image - filled)).sum())
    torch.testing.assert_close(effect, torch.full(SHAPE, expected), atol=1e-4, rtol=1e-4)


def test_noise_has_the_brains_mean_and_spread_and_depends_on_the_seed_alone() -> None:
    volume = 3 + 2 * toy_brains(1, (20, 24, 22))[0, 0]
    brain = volume != volume[0, 0, 0]
    everywhere = (slice(None),) * 3
    noise = replacement_values("noise", volume, brain, sigma=1.0, seed=1)(everywhere)
    assert float(noise.mean()) == pytest.approx(3, abs=0.1)
    assert float(noise.std()) == pytest.approx(2, abs=0.1)
    assert torch.equal(noise, replacement_values("noise", volume, brain, sigma=1.0, seed=1)(everywhere))
    assert not torch.equal(noise, replacement_values("noise", volume, brain, sigma=1.0, seed=2)(everywhere))


@pytest.mark.parametrize("replacement", ["zero", "box_mean"])
def test_the_map_does_not_depend_on_how_many_passes_go_at_once(replacement: str) -> None:
    predictor, volumes = network(LARGER), toy_brains(2, LARGER)
    maps = [
        Occlusion(box=4, stride=3, batch_size=size, replacement=replacement).explain(predictor, volumes)
        for size in (1, 3, 1000)
    ]
    for map in maps[1:]:
        torch.testing.assert_close(map, maps[0], atol=1e-5, rtol=1e-5)


def test_boxes_without_brain_are_not_asked_about_and_have_no_effect() -> None:
    volumes = torch.zeros(1, 1, *SHAPE)
    volumes[0, 0, 3:5, 3:5, 1:3] = 1.0
    predictor = linear_predictor(torch.ones(SHAPE))
    occlusion = Occlusion(box=(3, 2, 2), stride=(3, 2, 2), batch_size=1)
    effect = occlusion.explain(predictor, volumes)[0]
    assert predictor.charge.calls == 1 + 1 + 4  # the first tells the work of one; in two boxes along J and K lies brain
    expected = torch.zeros(SHAPE)
    expected[3:6, 2:6, 0:4] = 2.0  # each box has two voxels of the brain
    torch.testing.assert_close(effect, expected)


def test_a_brain_at_other_places_of_the_batch_is_hidden_at_its_own() -> None:
    volumes = torch.zeros(2, 1, *SHAPE)
    volumes[0, 0, 1, 1, 1] = volumes[1, 0, 4, 5, 6] = 1.0
    maps = Occlusion(box=1, stride=1).explain(linear_predictor(torch.ones(SHAPE)), volumes)
    torch.testing.assert_close(maps, volumes[:, 0])


def test_interpolation_keeps_the_effect_at_the_boxes_centres() -> None:
    predictor, volumes = network((9, 9, 12)), toy_brains(1, (9, 9, 12))
    single = Occlusion(box=3, stride=3).explain(predictor, volumes)  # disjoint: the average is the effect itself
    smooth = Occlusion(box=3, stride=3, combine="interpolate").explain(predictor, volumes)
    centres = (slice(None), slice(1, None, 3), slice(1, None, 3), slice(1, None, 3))
    torch.testing.assert_close(smooth[centres], single[centres])
    assert not torch.allclose(smooth, single)


class Untraceable(nn.Module):
    """Ordinary Python that the tracer trips over."""

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        if torch.compiler.is_exporting():
            raise TypeError("a number was expected")
        return volumes.square().flatten(1).sum(dim=1)


def test_a_network_that_cannot_be_frozen_is_asked_as_it_is() -> None:
    volumes = toy_brains(1, SHAPE)
    assert math.prod(SHAPE) >= WORTH_FREEZING
    map = Occlusion(box=1, stride=1).explain(ToyPredictor(Untraceable(), SHAPE), volumes)
    torch.testing.assert_close(map, volumes[:, 0].square(), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box": 0}, "box of Occlusion must be at least 1 voxel along each axis, got 0"),
        ({"box": (4, 0, 4), "stride": 1}, "along each axis, got 4x0x4"),
        (
            {"box": 4, "stride": 5},
            r"stride of Occlusion must be between 1 and box \(4\), got 5\. A smaller box needs a smaller stride",
        ),
        ({"box": (4, 5, 6), "stride": (4, 6, 6)}, r"between 1 and box \(4x5x6\), got 4x6x6"),
        ({"stride": 0}, "got 0"),
        ({"batch_size": 0}, "batch_size of Occlusion must be at least 1"),
        ({"replacement": "black"}, "replacement of Occlusion must be one of zero, image_mean"),
        ({"combine": "sum"}, "must be one of average, interpolate"),
        ({"sigma": 0.0}, "sigma of Occlusion must be above 0"),
        ({"memory": 0.0}, "memory of Occlusion must be above 0"),
        ({"precision": "float16"}, "precision of Occlusion must be one of float32, bfloat16"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Occlusion(**options)


def test_a_box_larger_than_the_volume_is_refused() -> None:
    with pytest.raises(UsageError, match="box must fit into the network's grid of 6x7x8 voxels, got 7x7x7"):
        Occlusion(box=7, stride=2).explain(linear_predictor(weights()), toy_brains(1, SHAPE))


@pytest.mark.parametrize(("text", "value"), [("8", 8), ("8x6x4", (8, 6, 4)), ("8,6,4", (8, 6, 4))])
def test_edges_are_typed_as_one_number_or_three(text: str, value: object) -> None:
    assert typed_options(Occlusion, {"box": text})["box"] == value
    assert {"box", "stride", "regions"} <= {one["name"] for one in describe_options(Occlusion)}


def test_a_word_that_is_no_edge_is_refused() -> None:
    with pytest.raises(UsageError, match="box of Occlusion must be"):
        typed_options(Occlusion, {"box": "8x6"})


def test_the_blurs_volume_is_that_of_the_whole_image() -> None:
    """What goes into a box is seen through its borders: it is not the blur of the box alone."""
    image = toy_brains(1, SHAPE)[0, 0]
    place = (slice(1, 4), slice(2, 5), slice(0, 3))
    fill = replacement_values("blur", image, torch.ones(SHAPE, dtype=torch.bool), sigma=2.0, seed=0)
    np.testing.assert_allclose(fill(place), gaussian_filter(image.numpy(), 2.0, mode="nearest")[place], rtol=1e-6)
