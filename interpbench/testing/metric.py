"""The conformance suite of metrics."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Collection
from typing import Any, ClassVar, Literal
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from interpbench.contract.declaration import checked_values, faults_of, nothing
from interpbench.contract.metric import Case, Measure, Metric
from interpbench.errors import NotApplicable
from interpbench.host.untouched import untouched
from interpbench.testing.brains import Shape
from interpbench.testing.cases import KNOWN, random_map, slope, toy_case, toy_volume
from interpbench.testing.components import check_options_survive
from interpbench.testing.figures import Values, gain_of, means_of, numbers_of
from interpbench.testing.snapshot import Snapshot
from interpbench.testing.toys import ToyFailure, ToyPredictor, failing, weighted_cube_predictor


class MetricContract:
    """Subclass it with a name that starts with `Test`, give the one fixture, and run pytest.

    For example::

        class TestMine(MetricContract):
            @pytest.fixture
            def metric(self):
                return Mine(draws=3)

    The metric is asked about maps of a linear toy whose truth is known. Override `case` where yours needs another.
    """

    shape: ClassVar[Shape] = (12, 14, 10)  # of the toy volumes, voxels
    subjects: ClassVar[int] = 4  # over whom maps are compared
    judges_by_truth: ClassVar[bool] = True  # False: a true map need not score best (cost, complexity, repeatability)
    perfect: ClassVar[Literal["slope", "contribution"]] = "slope"  # the best map of f = b + sum of w x: w, or w x
    judges_sign: ClassVar[bool] = False  # True: turning the sign of a map may change the figures
    scale_free: ClassVar[bool] = True  # False: so may multiplying it
    varying: ClassVar[Collection[str]] = ()  # measures that differ from run to run: seconds, memory
    slack: ClassVar[float] = 0.25  # how far above chance is still chance, as a part of the way to the perfect map
    tolerance: ClassVar[float] = 1e-4  # what counts as equal, as a part of the figure or of 1

    # The metric is kept beside what it said: a repr that holds an address stays its own.
    _said: ClassVar[dict[tuple[Any, ...], tuple[Metric, dict[str, dict[str, float]]]]] = {}

    @pytest.fixture
    def metric(self) -> Metric:
        raise NotImplementedError(f"{type(self).__name__} must define the fixture `metric`, which returns your metric")

    def case(self, map: Tensor, predictor: ToyPredictor | None = None, **fields: Any) -> Case:
        """The toy's case for this map; `fields` are those of `toy_case`."""
        return toy_case(predictor or self._toy(), map, **fields)

    # What it declares

    def test_is_a_metric(self, metric: Metric) -> None:
        assert isinstance(metric, Metric), f"{type(metric).__name__} is not a subclass of interpbench.Metric"

    def test_its_measures_are_declared_as_they_must_be(self, metric: Metric) -> None:
        faults = faults_of(metric.measures)
        assert not faults, "; ".join(faults)
        assert isinstance(metric.repeats, bool), f"`repeats` must be True or False, got {metric.repeats!r}"

    def test_what_explains_again_says_so(self, metric: Metric) -> None:
        case = self.case(self._random())
        again = Mock(side_effect=case.explain)
        self._measure(metric, dataclasses.replace(case, again=again))
        assert metric.repeats or not again.called, (
            f"it explained {again.call_count} more times, for every method and subject: set `repeats = True` "
            "to measure it on some subjects only"
        )

    def test_what_looks_at_other_people_says_so(self, metric: Metric) -> None:
        compares = metric.compares_people
        assert isinstance(compares, bool), f"`compares_people` must be True or False, got {compares!r}"
        if not compares:
            known = self._measure(metric, self.case(self._true()))
            alone = self._measure(metric, self.case(self._true(), without=["everyone"]))
            self._check_equal(
                metric, known, alone, "without other people: set `compares_people = True` to be given them"
            )

    # What it returns

    def test_it_returns_what_it_declares(self, metric: Metric) -> None:
        for map, signed in ((self._true(), True), (self._random(), False), (self._random(signed=True), True)):
            self._measure(metric, self.case(map, signed=signed))

    @pytest.mark.parametrize("kind", ["zero", "constant", "one voxel", "nowhere in the brain", "below zero"])
    def test_a_map_that_says_little_is_measured_or_refused_in_words(self, metric: Metric, kind: str) -> None:
        inside, corner = torch.zeros(self.shape), torch.zeros(self.shape)
        inside[tuple(edge // 2 for edge in self.shape)] = corner[0, 0, 0] = 1.0
        maps = {
            "zero": torch.zeros(self.shape),
            "constant": torch.ones(self.shape),
            "one voxel": inside,
            "nowhere in the brain": corner,
            "below zero": -self._random(),
        }
        self._measure(metric, self.case(maps[kind], signed=kind == "below zero"))

    @pytest.mark.parametrize("missing", [*KNOWN, "all of them"])
    def test_what_nobody_knows_is_nan_or_refused_in_words(self, metric: Metric, missing: str) -> None:
        self._measure(metric, self.case(self._random(), without=KNOWN if missing == "all of them" else [missing]))

    @pytest.mark.parametrize("full", [False, True])
    def test_a_truth_that_is_empty_or_everywhere_is_nan_or_refused_in_words(self, metric: Metric, full: bool) -> None:
        self._measure(metric, self.case(self._random(), truth=torch.full(self.shape, full)))

    def test_what_needs_a_truth_says_so_and_nothing_else_does(self, metric: Metric) -> None:
        known = numbers_of(self._measure(metric, self.case(self._true())))
        unknown = numbers_of(self._measure(metric, self.case(self._true(), without=["truth"])))
        for measure in metric.measures:
            there, left = (not math.isnan(one[measure.name]) for one in (known, unknown))
            assert not (measure.needs_truth and left), f"{measure.name} declares `needs_truth`, but does without one"
            assert measure.needs_truth or left or not there, f"{measure.name} is NaN without a truth: `needs_truth`"

    # What its figures say

    def test_the_perfect_map_scores_best(self, metric: Metric) -> None:
        for measure in self._judged(metric):
            said = self._compared(metric)
            perfect = said["perfect"][measure.name]
            assert not math.isnan(perfect), f"{measure.name} of the perfect map is NaN; what does the toy lack?"
            for rival in ("reversed", "random", "constant"):
                other = said[rival][measure.name]
                better = math.isnan(other) or gain_of(measure, perfect, other) > self._allowed(perfect, other)
                assert better, (
                    f"{measure.name} is declared as better when {measure.direction}, but the perfect map gets "
                    f"{perfect:g} and the {rival} one {other:g}"
                )

    def test_a_constant_map_scores_no_better_than_chance(self, metric: Metric) -> None:
        for measure in self._judged(metric):
            said = self._compared(metric)
            constant, perfect = said["constant"][measure.name], said["perfect"][measure.name]
            chance = said["random"][measure.name] if measure.chance is None else measure.chance
            bar = chance + self.slack * (perfect - chance)
            assert not gain_of(measure, constant, bar) > 0, (
                f"{measure.name} of a constant map is {constant:g}, where chance is {chance:g} and the perfect map "
                f"gets {perfect:g}: a map that ranks nothing must get NaN or chance (are ties broken by position?)"
            )

    def test_random_maps_get_the_declared_chance(self, metric: Metric) -> None:
        for measure in self._judged(metric):
            said = self._compared(metric)
            found, chance = said["random"][measure.name], measure.chance
            if chance is None or math.isnan(found):
                continue
            allowed = self.slack * abs(said["perfect"][measure.name] - chance)
            assert abs(found - chance) <= allowed, (
                f"chance of {measure.name} is declared as {chance:g}, but random maps get {found:g} on average; "
                f"{allowed:g} off is allowed"
            )

    # What they must not depend on

    @pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
    def test_a_map_times_a_constant_is_measured_alike(self, metric: Metric, factor: float) -> None:
        if not self.scale_free:
            return
        first = self._measure(metric, self.case(self._random()))
        second = self._measure(metric, self.case(self._random() * factor))
        self._check_equal(metric, first, second, f"when the map is multiplied by {factor:g} (see `scale_free`)")

    def test_the_sign_of_a_map_does_not_matter(self, metric: Metric) -> None:
        if self.judges_sign:
            return
        first = self._measure(metric, self.case(self._random(signed=True), signed=True))
        second = self._measure(metric, self.case(-self._random(signed=True), signed=True))
        self._check_equal(metric, first, second, "when the map's sign is turned (see `judges_sign`)")

    def test_the_same_case_is_measured_alike_whatever_the_global_random_state(self, metric: Metric) -> None:
        found = []
        with untouched(self._toy().module):  # the random state too
            for seed in (1, 2):
                torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
                found.append(self._measure(metric, self.case(self._random())))
        self._check_equal(metric, found[0], found[1], "after other global seeds: draw from `case.generator`")

    def test_what_methods_share_does_not_depend_on_the_map(self, metric: Metric) -> None:
        alone = self._measure(metric, self.case(self._random()))
        other = self.case(self._true())
        self._measure(metric, other)
        after = self._measure(metric, self.case(self._random(), shared=other.shared))
        self._check_equal(metric, alone, after, "after another method's map: `case.once` is for what no map changes")

    @pytest.mark.parametrize("batch_size", [1, 3])
    def test_the_batch_size_does_not_matter_and_is_kept(self, metric: Metric, batch_size: int) -> None:
        first = self._measure(metric, self.case(self._random()))
        predictor = self._toy()
        second = self._measure(metric, self.case(self._random(), predictor, batch_size=batch_size))
        self._check_equal(metric, first, second, f"when {batch_size} volumes go through the predictor at once, not 8")
        largest = predictor.charge.largest
        assert largest <= batch_size, f"{largest} volumes went through the predictor at once; {batch_size} may"

    # What it must leave alone

    def test_measuring_changes_nothing(self, metric: Metric) -> None:
        case = self.case(self._random())
        before = Snapshot(case.predictor, **_tensors(case))
        self._measure(metric, case)
        assert not before.changes(), f"measure changed: {'; '.join(before.changes())}"

    @pytest.mark.parametrize("stage", ["forward", "backward"])
    @pytest.mark.parametrize("call", [1, 2])
    def test_a_failure_of_the_predictor_passes_through_and_changes_nothing(
        self, metric: Metric, call: int, stage: str
    ) -> None:
        predictor = failing(self._toy(), call=call, stage=stage)
        case, raised = self.case(self._random(), predictor), False
        before = Snapshot(predictor, **_tensors(case))
        try:
            self._measure(metric, case)
        except ToyFailure:
            raised = True
        assert raised or not predictor.charge.blown, "the predictor raised an error, and measure hid it"
        assert not before.changes(), f"measure left this changed after an exception: {'; '.join(before.changes())}"

    # Its options

    def test_options_survive_a_round_trip(self, metric: Metric) -> None:
        check_options_survive(metric)

    # How the checks are made

    def _measure(self, metric: Metric, case: Case) -> Values:
        """What it says of a case, all NaN where it does not apply."""
        try:
            returned = metric.measure(case)
        except NotApplicable as reason:
            assert str(reason).strip(), "NotApplicable was raised without a message: give the reason"
            return nothing(metric.measures)
        try:
            return checked_values(metric.measures, returned)
        except ValueError as cause:
            raise AssertionError(f"{type(metric).__name__} {cause}") from cause

    def _compared(self, metric: Metric) -> dict[str, dict[str, float]]:
        """The mean over subjects of every measure, for each of four maps; measured once, however many checks ask."""
        key = (type(self), type(metric), repr(metric))
        if key not in self._said:
            said: dict[str, list[dict[str, float]]] = {}
            for subject in range(self.subjects):
                for kind, map in self._rivals(subject):
                    case = self.case(map, subject=subject, signed=self.perfect == "contribution")
                    said.setdefault(kind, []).append(numbers_of(self._measure(metric, case)))
            self._said[key] = (metric, {kind: means_of(found) for kind, found in said.items()})
        return self._said[key][1]

    def _rivals(self, subject: int) -> list[tuple[str, Tensor]]:
        perfect, noise = self._true(subject), self._random(subject)
        # Beside each random map its reverse: what one owes to luck, the other lacks.
        return [
            ("perfect", perfect),
            ("reversed", perfect.max() - perfect),
            ("random", noise),
            ("random", 1 - noise),
            ("constant", torch.ones(self.shape)),
        ]

    def _judged(self, metric: Metric) -> list[Measure]:
        if not self.judges_by_truth:
            return []
        return [one for one in metric.measures if one.direction is not None and one.name not in self.varying]

    def _check_equal(self, metric: Metric, first: Values, second: Values, when: str) -> None:
        for name in (measure.name for measure in metric.measures if measure.name not in self.varying):
            for one, other in zip(np.atleast_1d(first[name]), np.atleast_1d(second[name]), strict=True):
                same = (math.isnan(one) and math.isnan(other)) or abs(one - other) <= self._allowed(one, other)
                assert same, f"{name} was {one:g} and is {other:g} {when}"

    def _allowed(self, *figures: float) -> float:
        return self.tolerance * max(1.0, *(abs(figure) for figure in figures))

    def _true(self, subject: int = 0) -> Tensor:
        volume = toy_volume(self.shape, subject)
        weights = slope(self._toy(), volume)
        return weights if self.perfect == "slope" else weights * volume[0]

    def _random(self, subject: int = 0, *, signed: bool = False) -> Tensor:
        return random_map(self.shape, subject, signed=signed)

    def _toy(self) -> ToyPredictor:
        return weighted_cube_predictor(self.shape)


def _tensors(case: Case) -> dict[str, Tensor]:
    values = {field.name: getattr(case, field.name) for field in dataclasses.fields(case)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}
