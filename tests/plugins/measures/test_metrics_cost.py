"""Cost: passes are exact, memory and time are about right, and nothing stays behind."""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import Tensor

from interpbench import NotApplicable
from interpbench.kit import forward_only
from interpbench.testing import ToyFailure, cube_predictor, failing, toy_case, toy_volume
from interpbench.testing.cases import slope
from interpbench.testing.snapshot import Snapshot
from interpbench_measures import memory
from interpbench_measures.cost import Cost
from interpbench_measures.memory import peak_memory

SHAPE = (6, 7, 8)
FLAT = torch.ones(SHAPE)
CPU = torch.device("cpu")


def cost(predictor, again, **fields) -> dict:
    return dict(Cost().measure(toy_case(predictor, FLAT, again=again, **fields)))


def test_a_gradient_is_one_pass_there_and_one_back() -> None:
    predictor = cube_predictor(SHAPE)
    found = cost(predictor, lambda **_: slope(predictor, toy_volume(SHAPE)))
    assert (found["forward_equivalents"], found["backward_equivalents"]) == (1, 1)


def test_every_volume_of_a_batch_counts() -> None:
    predictor = cube_predictor(SHAPE)

    def again(**_) -> Tensor:
        for size in (8, 8, 3):
            predictor.predict(toy_volume(SHAPE).expand(size, -1, -1, -1, -1))
        return FLAT

    assert cost(predictor, again)["forward_equivalents"] == 19


def test_a_frozen_network_is_counted_too() -> None:
    predictor = cube_predictor(SHAPE, nonlinear=True)
    volumes = toy_volume(SHAPE).expand(5, -1, -1, -1, -1)
    forward = forward_only(predictor, volumes)

    def again(**_) -> Tensor:
        forward(volumes)
        return FLAT

    assert cost(predictor, again)["forward_equivalents"] == 5


def test_what_does_not_ask_the_network_costs_no_pass() -> None:
    found = cost(cube_predictor(SHAPE), lambda **_: FLAT, training_seconds=12.5)
    assert (found["forward_equivalents"], found["backward_equivalents"]) == (0, 0)
    assert found["training_seconds"] == 12.5


def test_seconds_are_the_median_of_the_runs_after_the_first() -> None:
    pauses = iter([0.3, 0.01, 0.05, 0.2])

    def again(**_) -> Tensor:
        time.sleep(next(pauses))
        return FLAT

    case = toy_case(cube_predictor(SHAPE), FLAT, again=again)
    assert 0.05 <= Cost(runs=3).measure(case)["seconds"] < 0.19


def test_the_time_of_training_may_be_unknown() -> None:
    assert math.isnan(cost(cube_predictor(SHAPE), lambda **_: FLAT, training_seconds=math.nan)["training_seconds"])


def test_a_failure_leaves_no_hook_behind() -> None:
    predictor = failing(cube_predictor(SHAPE), call=2)
    before = Snapshot(predictor)
    with pytest.raises(ToyFailure):
        cost(predictor, lambda **_: slope(predictor, toy_volume(SHAPE)))
    assert not before.changes()


def test_a_map_that_is_given_has_no_cost() -> None:
    with pytest.raises(NotApplicable, match="cannot be made again"):
        Cost().measure(toy_case(cube_predictor(SHAPE), FLAT, without=["again"]))


@pytest.mark.skipif(not memory.STATM.exists(), reason="memory on a CPU is known where there is /proc")
def test_memory_is_what_was_taken_for_a_moment_every_time() -> None:
    for _ in range(2):  # the second time too, though the allocator could have kept it
        with peak_memory(CPU) as peak:
            held = torch.ones(40 * 2**18)  # 40 MiB of float32
            time.sleep(0.02)
            del held
        assert 38 < peak.mebibytes < 60


@pytest.mark.skipif(not memory.STATM.exists(), reason="memory on a CPU is known where there is /proc")
def test_memory_that_was_there_before_does_not_count() -> None:
    held = torch.ones(40 * 2**18)
    with peak_memory(CPU) as peak:
        held += 1
    assert 0 <= peak.mebibytes < 20


def test_memory_is_not_known_where_there_is_no_proc(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(memory, "STATM", tmp_path / "statm")
    with peak_memory(CPU) as peak:
        pass
    assert math.isnan(peak.mebibytes)


def test_memory_on_another_device_is_not_guessed() -> None:
    with peak_memory(torch.device("meta")) as peak:
        pass
    assert math.isnan(peak.mebibytes)
