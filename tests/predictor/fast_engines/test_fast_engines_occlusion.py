"""Occlusion in parts says what plain passes say, for random networks, boxes, strides and fillings."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from interpbench import Predictor, brain_of
from interpbench_occlusion.boxes import BoxGrid
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.explainer import Occlusion
from interpbench_occlusion.replacement import Place, replacement_values, with_place_hidden

ALLOWED = 1e-4  # of the effects' range, between occlusion and brute force in float64
EPS = torch.finfo(torch.float32).eps
BOXES = 80

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
    pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation"),
]


def occlusion_of(r: random.Random, shape: tuple[int, ...]) -> Occlusion:
    box = tuple(r.randint(1, min(6, edge)) for edge in shape)
    stride = tuple(r.randint(1, edge) for edge in box)
    while math.prod(math.ceil((n - edge) / step) + 1 for n, edge, step in zip(shape, box, stride, strict=True)) > BOXES:
        box = stride = tuple(min(edge + 1, n) for edge, n in zip(box, shape, strict=True))
    options: dict[str, Any] = {"batch_size": r.choice((1, 3, 8)), "memory": r.choice((4.0, 1e-5))}
    filled = r.choice(("zero", "zero", "image_mean", "box_mean", "blur", "noise"))
    return Occlusion(box=box, stride=stride, replacement=filled, sigma=1.5, seed=3, **options)  # type: ignore[arg-type]


def brute_force(predictor: Predictor, volume: Tensor, places: list[Place], occlusion: Occlusion) -> Tensor:
    """Effects in the predictor's own type, by passes through it."""
    brain = brain_of(volume[None])[0]
    fill = replacement_values(occlusion.replacement, volume[0], brain, sigma=occlusion.sigma, seed=occlusion.seed)
    kind = next(predictor.module.parameters()).dtype
    copies = torch.stack([volume[0], *(with_place_hidden(volume[0], place, fill) for place in places)])
    with torch.no_grad():
        said = torch.cat([predictor.predict(some[:, None].to(kind)) for some in copies.split(16)]).double()
    return (said[0] - said[1:]).where(torch.tensor([bool(brain[place].any()) for place in places]), 0.0)


def allowed(truth: Tensor, plain: Tensor, clean: float) -> float:
    """Of the effects' range; where they are as small as what float32 rounds off, a few times what plain passes err."""
    extent = float(max(truth.max(), 0) - min(truth.min(), 0))
    return max(ALLOWED * extent, 4 * float((plain - truth).abs().max()) + 4 * EPS * abs(clean))


@pytest.fixture
def through_the_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Even toys go through the engine, in memory that torch fills with NaN; how often."""
    asked: list[int] = []
    as_it_is = Engine.predictions

    def watched(self: Engine, route: object, volume: Tensor, places: list[Place], fill: object) -> object:
        asked.append(len(places))
        return as_it_is(self, route, volume, places, fill)  # type: ignore[arg-type]

    monkeypatch.setattr("interpbench_occlusion.evaluation.WORTH_TRACING", 0)
    monkeypatch.setattr("interpbench_occlusion.route.SECONDS_A_CALL", 0.0)
    monkeypatch.setattr(Engine, "predictions", watched)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield asked
    torch.use_deterministic_algorithms(False)


def wrong(case_of: Callable[[int], Any], seeds: range) -> list[str]:
    """The networks for which occlusion says something else than brute force."""
    found = []
    for seed in seeds:
        case = case_of(seed)
        volume = case.volumes[0]
        occlusion = occlusion_of(case.random, volume.shape[1:])
        places = BoxGrid(tuple(volume.shape[1:]), occlusion.box, occlusion.stride).boxes  # type: ignore[arg-type]
        truth, plain = (brute_force(one, volume, places, occlusion) for one in (case.exact, case.predictor))
        brain = brain_of(volume[None])[0]
        fill = replacement_values(occlusion.replacement, volume[0], brain, sigma=occlusion.sigma, seed=occlusion.seed)
        asked = [index for index, place in enumerate(places) if bool(brain[place].any())]
        effects = torch.zeros_like(truth)
        effects[asked] = occlusion._effects(case.predictor, volume, [places[index] for index in asked], fill)
        with torch.no_grad():
            clean = float(case.exact.predict(volume[None].double()))
        error = float((effects - truth).abs().max())
        if not error <= allowed(truth, plain, clean) or not math.isfinite(error):
            found.append(f"{seed}: {error:.2g} of effects up to {float(truth.abs().max()):.2g}")
    return found


@pytest.mark.slow
def test_a_few_random_networks_are_occluded_as_by_brute_force(
    case_of: Callable[[int], Any], through_the_engine: list[int]
) -> None:
    assert wrong(case_of, range(20)) == []
    assert len(through_the_engine) > 10


@pytest.mark.slow
def test_random_networks_are_occluded_as_by_brute_force(
    case_of: Callable[[int], Any], through_the_engine: list[int]
) -> None:
    assert wrong(case_of, range(1000, 1300)) == []
    assert len(through_the_engine) > 150
