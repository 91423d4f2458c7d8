"""Whatever a component raises when it is asked once: one error of the family, with the right exit code."""

from __future__ import annotations

import math
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from interpbench import Case, Recipe
from interpbench.errors import InterpbenchError, NotApplicable, ResourceError
from interpbench.host.ask_explainer import explained
from interpbench.host.ask_metric import declared, measured
from interpbench.host.ask_predictor import predict_one
from interpbench.host.components import make_component
from interpbench.pipeline.population import MapOnGrid, PopulationSum
from interpbench.predictor.model import load_predictor, save_predictor
from interpbench.predictor.readout import check_readout
from interpbench.testing import linear_predictor

pytestmark = pytest.mark.timeout(60)  # a walk that never ends is what these tests are for
SHAPE = (6, 7, 8)


@pytest.mark.parametrize("method", ["Method", "MethodWithExtras"], ids=["method0", "method1"])
def test_of_a_method_that_raises_while_it_explains(
    method: str, way: str, errors: Any, boom: Any, check: Any, components: types.SimpleNamespace
) -> None:
    _, code = errors[way]
    boom.turns = [way, "", way]
    volumes = torch.randn(2, 1, *SHAPE)
    # Two at once fail, so each is asked alone: the first then succeeds, and the second fails.
    first, second = explained(
        getattr(components, method)(), linear_predictor(torch.ones(SHAPE)), volumes, ["01", "02"], "made", 0
    )
    assert not isinstance(first, InterpbenchError)
    check(second, code)  # type: ignore[arg-type]


def test_of_a_predictor_that_raises(
    way: str, errors: Any, boom: Any, check: Any, components: types.SimpleNamespace
) -> None:
    boom.due = errors[way][0]
    with pytest.raises(InterpbenchError) as caught:
        predict_one(components.Alone(), torch.ones(1, 1, *SHAPE))
    check(caught.value, errors[way][1])
    assert (
        check_readout(components.Alone(), torch.ones(1, 1, *SHAPE), "made") == ()
    )  # which leaves it to whoever predicts next


def case() -> Case:
    return Case(
        subject="01",
        method="mine",
        predictor=linear_predictor(torch.ones(SHAPE)),
        volume=torch.randn(1, *SHAPE),
        brain=torch.ones(SHAPE, dtype=torch.bool),
        map=torch.rand(SHAPE),
        signed=False,
        learned=False,
        prediction=60.0,
        target=math.nan,
        seed=3,
    )


def test_of_a_metric_that_raises(
    way: str, errors: Any, boom: Any, check: Any, components: types.SimpleNamespace
) -> None:
    make, code = errors[way]
    boom.due = make
    if isinstance(make(), NotApplicable):
        values, notes = measured("made", components.Measuring(), case())
        assert math.isnan(values["number"]) and notes["number"].strip()  # type: ignore[arg-type]
    else:
        with pytest.raises(InterpbenchError) as caught:
            measured("made", components.Measuring(), case())
        check(caught.value, code)
    with pytest.raises(InterpbenchError) as caught:
        declared([("late", components.DeclaringLate())])
    check(caught.value, code)


@pytest.mark.parametrize("part", ["add", "add_brain"])
def test_of_an_aggregator_that_raises(
    part: str,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    errors: Any,
    boom: Any,
    check: Any,
    components: types.SimpleNamespace,
) -> None:
    monkeypatch.setattr(components.Adder, "part", part)
    boom.due = errors[way][0]
    population = PopulationSum(Recipe(shape=SHAPE, voxel_size=4.0), components.Adder(), "made")
    brain = torch.ones(SHAPE, dtype=torch.bool)
    with pytest.raises(InterpbenchError) as caught:
        population.add(
            Path("map"),
            {"participant_id": "sub-01"},
            MapOnGrid(torch.ones(SHAPE), torch.ones(1, *SHAPE), brain, torch.eye(4).numpy()),
        )
    check(caught.value, errors[way][1])
    assert population.number == 0


def test_of_a_component_that_raises_while_it_is_made(
    way: str, offered: Any, errors: Any, boom: Any, check: Any, components: types.SimpleNamespace
) -> None:
    offered(components.Alone, "made")
    boom.due = errors[way][0]
    for ask in (lambda: make_component("explainer", "moody"), lambda: load_predictor("alone")):
        with pytest.raises(InterpbenchError) as caught:
            ask()  # type: ignore[no-untyped-call]
        check(caught.value, errors[way][1])


@pytest.fixture(scope="module")
def network_folder(tmp_path_factory: pytest.TempPathFactory, components: types.SimpleNamespace) -> Path:
    folder = tmp_path_factory.mktemp("network")
    recipe = Recipe(shape=(10, 12, 8), voxel_size=4.0)
    predictor = components.Network().loaded(nn.Sequential(nn.Flatten(), nn.Linear(960, 1)), recipe)
    save_predictor(folder, predictor, name="network", details={})
    return folder


@pytest.mark.parametrize("part", ["build", "read_out"])
def test_of_a_network_that_raises(
    part: str,
    way: str,
    offered: Any,
    network_folder: Path,
    errors: Any,
    boom: Any,
    check: Any,
    components: types.SimpleNamespace,
) -> None:
    offered(components.Network, part)
    boom.due = errors[way][0]
    with pytest.raises(InterpbenchError) as caught:
        predict_one(load_predictor(network_folder), torch.ones(1, 1, 10, 12, 8))
    check(caught.value, errors[way][1])


def test_a_resource_error_of_one_subject_does_not_take_the_others_with_it(
    boom: Any, components: types.SimpleNamespace
) -> None:
    boom.turns = ["MemoryError", "MemoryError", ""]
    volumes = torch.randn(2, 1, *SHAPE)
    first, second = explained(
        components.Method(), linear_predictor(torch.ones(SHAPE)), volumes, ["01", "02"], "made", 0
    )
    assert isinstance(first, ResourceError) and not isinstance(second, InterpbenchError)
