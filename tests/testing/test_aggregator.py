"""Each check of the aggregators' suite passes what is right and catches an aggregator that breaks that promise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import pytest
import torch
from torch import Tensor

from interpbench import Aggregator, option
from interpbench.testing import AggregatorContract


class Mean(Aggregator):
    """The mean map; each subclass below breaks one promise."""

    def __init__(self) -> None:
        self.total: Any = 0.0
        self.count = 0

    def add(self, map: Tensor) -> None:
        self.total = self.total + map.double()
        self.count += 1

    def merge(self, other: Self) -> None:
        self.total = self.total + other.total
        self.count += other.count

    def result(self) -> Mapping[str, Tensor]:
        return {"mean": (self.total / self.count).float()}


class TestMean(AggregatorContract):
    @pytest.fixture
    def aggregator(self) -> Aggregator:
        return Mean()


class NoAggregator:
    pass


class Median(Mean):
    def __init__(self) -> None:
        self.maps: list[Tensor] = []

    def add(self, map: Tensor) -> None:
        self.maps.append(map.clone())

    def merge(self, other: Any) -> None:
        self.maps = self.maps + other.maps

    def result(self) -> Mapping[str, Tensor]:
        return {"median": torch.stack(self.maps).median(dim=0).values}


class Running(Mean):
    """The mean of the mean so far and the new map: depends on the order."""

    def add(self, map: Tensor) -> None:
        self.total, self.count = (self.total + map.double()) / 2, 1


class HalfMerge(Mean):
    def merge(self, other: Any) -> None:
        self.total = (self.total / max(self.count, 1) + other.total / max(other.count, 1)) / 2
        self.count = 1


class MergeAsOne(Mean):
    """Right for two parts with something in them, wrong where one is empty."""

    def merge(self, other: Any) -> None:
        Mean.merge(self, other)
        self.count += not other.count


class Sharing(Mean):
    def merge(self, other: Any) -> None:
        Mean.merge(self, other)
        other.total, other.count = self.total, self.count


class Aliasing(Mean):
    def add(self, map: Tensor) -> None:
        self.total = map if self.count == 0 else self.total + map
        self.count += 1


class InPlace(Mean):
    def add(self, map: Tensor) -> None:
        Mean.add(self, map.mul_(2))


class Forgetting(Mean):
    def result(self) -> Mapping[str, Tensor]:
        result = Mean.result(self)
        self.total, self.count = self.total / self.count, 1
        return result


class Exposing(Mean):
    def result(self) -> Mapping[str, Tensor]:
        return {"sum": self.total}


def broken(result: Callable[[Mapping[str, Tensor]], Any]) -> Aggregator:
    return type("Broken", (Mean,), {"result": lambda self: result(Mean.result(self))})()


@dataclass
class DoublingMean(Mean):
    samples: int = option(1, "doubles each time it is set")

    def __post_init__(self) -> None:
        self.samples *= 2


FINITE = "test_results_are_finite_maps_on_the_same_grid"
MERGE = "test_merging_parts_equals_adding_all"

BROKEN: list[tuple[str, dict[str, Any], Any]] = [
    ("test_is_an_aggregator", {}, NoAggregator()),
    (FINITE, {"subjects": 2}, broken(lambda result: {})),
    (FINITE, {"subjects": 2}, broken(lambda result: {"mean": result["mean"][None]})),
    (FINITE, {"subjects": 2}, broken(lambda result: {"mean": result["mean"].numpy()})),
    (FINITE, {"subjects": 2}, broken(lambda result: {"mean": result["mean"].int()})),
    (FINITE, {"subjects": 2}, broken(lambda result: {"mean": result["mean"] / result["mean"]})),
    (FINITE, {"subjects": 2}, broken(lambda result: {3: result["mean"]})),
    (
        "test_constant_maps_give_finite_results",
        {"value": 0.5},
        broken(lambda result: {"z": (result["mean"] - result["mean"].mean()) / result["mean"].std()}),
    ),
    ("test_the_order_of_subjects_does_not_matter", {}, Running()),
    (MERGE, {"cut": 4}, HalfMerge()),
    ("test_merging_three_parts_one_of_them_empty_equals_adding_all", {}, MergeAsOne()),
    ("test_merging_leaves_the_other_as_it_was", {}, Sharing()),
    ("test_asking_for_the_result_changes_nothing", {}, Forgetting()),
    ("test_asking_for_the_result_changes_nothing", {}, Exposing()),
    ("test_memory_does_not_grow_with_the_number_of_subjects", {}, Median()),
    ("test_maps_are_neither_changed_nor_kept", {"subjects": 1}, Aliasing()),
    ("test_maps_are_neither_changed_nor_kept", {"subjects": 7}, InPlace()),
    ("test_options_survive_a_round_trip", {}, DoublingMean()),
]


@pytest.mark.parametrize(("check", "arguments", "aggregator"), BROKEN)
def test_an_aggregator_that_breaks_a_promise_fails_the_check_of_it(
    check: str, arguments: dict[str, Any], aggregator: Any
) -> None:
    with pytest.raises(AssertionError):
        getattr(AggregatorContract(), check)(aggregator, **arguments)


def test_every_check_of_an_aggregator_has_a_broken_one_that_it_catches() -> None:
    checks = {name for name, _ in inspect.getmembers(AggregatorContract, callable) if name.startswith("test_")}
    assert checks == {check for check, _, _ in BROKEN}
