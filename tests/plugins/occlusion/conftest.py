"""A small network, its map by plain passes, and the incremental engine made to run on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.testing import toy_brains
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.explainer import Occlusion
from interpbench_occlusion.replacement import Place

SHAPE = (12, 14, 10)
VOLUMES = toy_brains(3, SHAPE)


class Small(nn.Module):
    """Two stages, and a readout that weighs each place otherwise."""

    def __init__(self, between: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 4, 3, padding=1)
            self.last = nn.Linear(4 * 6 * 7 * 5, 1)
        self.between = between

    def forward(self, volumes: Tensor) -> Tensor:
        features = nn.functional.max_pool3d(self.between(self.first(volumes)), 2)
        return 20 * self.last(self.second(features).relu().flatten(1))


def predictor_of(between: Callable[[Tensor], Tensor] = torch.relu) -> Predictor:
    return TorchModule().loaded(Small(between), Recipe(shape=SHAPE, voxel_size=4.0))


def fresh(**given: object) -> Occlusion:
    return Occlusion(box=(4, 5, 4), stride=(4, 4, 3), **given)  # type: ignore[arg-type]


@pytest.fixture
def plain_map() -> Tensor:
    """By plain passes, which is what such small volumes get."""
    effect = fresh().explain_with_extras(predictor_of(), VOLUMES)[1]["effect"]
    assert float(effect.abs().max()) > 0.1
    return effect


@pytest.fixture
def through_the_engine(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Even toys go through the engine; how many places it was asked about, each time."""
    asked: list[int] = []
    as_it_is = Engine.predictions

    def watched(self: Engine, route: object, volume: Tensor, places: list[Place], fill: object) -> object:
        asked.append(len(places))
        return as_it_is(self, route, volume, places, fill)  # type: ignore[arg-type]

    monkeypatch.setattr("interpbench_occlusion.evaluation.WORTH_TRACING", 0)
    monkeypatch.setattr("interpbench_occlusion.route.SECONDS_A_CALL", 0.0)
    monkeypatch.setattr(Engine, "predictions", watched)
    return asked


@pytest.fixture(name="predictor_of", scope="session")
def give_predictor_of() -> Callable[..., Any]:
    return predictor_of


@pytest.fixture(name="fresh", scope="session")
def give_fresh() -> Callable[..., Any]:
    return fresh
