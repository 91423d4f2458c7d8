"""The conformance suite of aggregators."""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from interpbench.contract.aggregator import Aggregator
from interpbench.testing.brains import Shape, toy_brain
from interpbench.testing.components import check_options_survive
from interpbench.testing.snapshot import Snapshot

Maps = list[tuple[Tensor, Tensor]]  # importance and brain of each subject


class AggregatorContract:
    """Subclass it with a name that starts with `Test`, give the one fixture, and run pytest.

    For example::

        class TestMine(AggregatorContract):
            @pytest.fixture
            def aggregator(self):
                return Mine(quantile=0.9)

    The fixture's aggregator has seen nothing yet; it is copied where a check needs several.
    """

    shape: ClassVar[Shape] = (6, 7, 8)  # of the maps, voxels
    subjects: ClassVar[int] = 7
    many: ClassVar[int] = 60  # subjects, when the memory is watched
    tolerance: ClassVar[float] = 1e-5  # what counts as equal, as a part of the largest value

    @pytest.fixture
    def aggregator(self) -> Aggregator:
        raise NotImplementedError(
            f"{type(self).__name__} must define the fixture `aggregator`, which returns your aggregator"
        )

    def test_is_an_aggregator(self, aggregator: Aggregator) -> None:
        name = type(aggregator).__name__
        assert isinstance(aggregator, Aggregator), f"{name} is not a subclass of interpbench.Aggregator"

    @pytest.mark.parametrize("subjects", [1, 2, 7])
    def test_results_are_finite_maps_on_the_same_grid(self, aggregator: Aggregator, subjects: int) -> None:
        self._check_maps(_filled(aggregator, self._maps(subjects)).result())

    @pytest.mark.parametrize("value", [0.0, 0.5])
    def test_constant_maps_give_finite_results(self, aggregator: Aggregator, value: float) -> None:
        constant, everywhere = torch.full(self.shape, value), torch.ones(self.shape, dtype=torch.bool)
        self._check_maps(_filled(aggregator, [(constant, everywhere)] * self.subjects).result())

    def test_the_order_of_subjects_does_not_matter(self, aggregator: Aggregator) -> None:
        maps = self._maps(self.subjects)
        self._check_equal(_filled(aggregator, maps), _filled(aggregator, maps[::-1]), "in reverse order")
        mixed = maps[::2] + maps[1::2]
        self._check_equal(_filled(aggregator, maps), _filled(aggregator, mixed), "in mixed order")

    @pytest.mark.parametrize("cut", [0, 1, 4])
    def test_merging_parts_equals_adding_all(self, aggregator: Aggregator, cut: int) -> None:
        maps = self._maps(self.subjects)
        merged = _filled(aggregator, maps[:cut])
        merged.merge(_filled(aggregator, maps[cut:]))
        self._check_equal(_filled(aggregator, maps), merged, f"merged from {cut} and {self.subjects - cut} subjects")

    def test_merging_three_parts_one_of_them_empty_equals_adding_all(self, aggregator: Aggregator) -> None:
        maps = self._maps(self.subjects)
        merged = _filled(aggregator, maps[:2])
        for part in (maps[2:3], [], maps[3:]):
            merged.merge(_filled(aggregator, part))
        self._check_equal(_filled(aggregator, maps), merged, "merged from parts of 2, 1, 0 and the rest")

    def test_merging_leaves_the_other_as_it_was(self, aggregator: Aggregator) -> None:
        maps = self._maps(self.subjects)
        other, merged = _filled(aggregator, maps[3:]), _filled(aggregator, maps[:3])
        merged.merge(other)
        for importance, brain in maps:  # whatever the first sees later is not the other's
            merged.add(importance)
            merged.add_brain(brain)
        self._check_equal(_filled(aggregator, maps[3:]), other, "after it was merged into another")

    def test_asking_for_the_result_changes_nothing(self, aggregator: Aggregator) -> None:
        maps = self._maps(self.subjects)
        asked = _filled(aggregator, maps[:3])
        for result in (asked.result(), asked.result()):
            for tensor in result.values():
                tensor.fill_(123.0)
        for importance, brain in maps[3:]:
            asked.add(importance)
            asked.add_brain(brain)
        self._check_equal(_filled(aggregator, maps), asked, "when it was asked for, and overwritten, on the way")

    def test_memory_does_not_grow_with_the_number_of_subjects(self, aggregator: Aggregator) -> None:
        maps = self._maps(self.subjects)
        few = _filled(aggregator, maps)
        few.result()
        before = _bytes(few)
        for index in range(self.many):
            importance, brain = maps[index % self.subjects]
            few.add(importance + index)
            few.add_brain(brain.clone())
        few.result()
        growth, one = _bytes(few) - before, maps[0][0].nbytes
        assert growth < one, f"{self.many} more subjects take {growth} bytes more; one map takes {one}"

    @pytest.mark.parametrize("subjects", [1, 7])
    def test_maps_are_neither_changed_nor_kept(self, aggregator: Aggregator, subjects: int) -> None:
        maps, lent = self._maps(subjects), self._maps(subjects)
        before = Snapshot(None, *[tensor for pair in lent for tensor in pair])
        borrowing = _filled(aggregator, lent)
        borrowing.result()
        assert not before.changes(), f"add or result changed: {'; '.join(before.changes())}"
        for importance, brain in lent:
            importance.fill_(123.0)
            brain.fill_(True)
        self._check_equal(_filled(aggregator, maps), borrowing, "when the maps are overwritten after add")

    def test_options_survive_a_round_trip(self, aggregator: Aggregator) -> None:
        check_options_survive(aggregator)

    def _maps(self, subjects: int) -> Maps:
        """Importance in (0, 1) inside brains that differ a little, exactly 0 outside."""
        generator = torch.Generator().manual_seed(3)
        maps = []
        for _ in range(subjects):
            brain = toy_brain(self.shape) & (torch.rand(self.shape, generator=generator) < 0.95)
            maps.append((torch.rand(self.shape, generator=generator) * brain, brain))
        return maps

    def _check_maps(self, results: Any) -> None:
        assert len(results), "the result has no map"
        for name, tensor in results.items():
            assert isinstance(name, str) and name, f"the name of a result must be a word, got {name!r}"
            assert isinstance(tensor, Tensor), f"result {name!r} is {type(tensor).__name__}, not a tensor"
            shape = tuple(tensor.shape)
            assert shape == self.shape, f"result {name!r} has shape {shape}, not {self.shape}"
            assert tensor.is_floating_point(), f"result {name!r} is {tensor.dtype}, not floating point"
            wrong = int((~tensor.isfinite()).sum())
            assert not wrong, f"{wrong} voxels of result {name!r} are NaN or infinite"

    def _check_equal(self, expected: Aggregator, other: Aggregator, when: str) -> None:
        first, second = expected.result(), other.result()
        assert first.keys() == second.keys(), (
            f"results have different names {when}: {sorted(first)} and {sorted(second)}"
        )
        for name, tensor in first.items():
            difference = float((tensor.double() - second[name].double()).abs().max())
            allowed = self.tolerance * max(float(tensor.abs().max()), 1e-12)
            assert difference <= allowed, f"result {name!r} differs {when} by {difference:g}; {allowed:g} is allowed"


def _filled(aggregator: Aggregator, maps: Maps) -> Aggregator:
    filled = copy.deepcopy(aggregator)
    for importance, brain in maps:
        filled.add(importance)
        filled.add_brain(brain)
    return filled


def _bytes(thing: Any) -> int:
    """Bytes of all that an object holds, directly or through others."""
    shared = (ModuleType, type, FunctionType, MethodType, BuiltinFunctionType)
    seen: dict[int, Any] = {}
    waiting: list[Any] = [thing]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or (found is not thing and isinstance(found, shared)):
            continue
        seen[id(found)] = found
        waiting.extend(_held(found))
    return sum(_own_bytes(found) for found in seen.values())


def _held(thing: Any) -> Iterable[Any]:
    if isinstance(thing, Tensor):
        return [thing.untyped_storage()]
    return gc.get_referents(thing)


def _own_bytes(thing: Any) -> int:
    if isinstance(thing, torch.UntypedStorage):
        return thing.nbytes()
    if isinstance(thing, np.ndarray):
        return max(int(thing.nbytes), sys.getsizeof(thing))
    return 0 if isinstance(thing, Tensor) else sys.getsizeof(thing)
