"""A metric is run with everything put back after, and what it returns is what it declared, or an error in one line."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from interpbench import Case, Measure, Metric
from interpbench.errors import InputError, NotApplicable, PluginError, ResourceError
from interpbench.host.ask_metric import declared, measured
from interpbench.testing import linear_predictor
from interpbench.testing.snapshot import Snapshot

NUMBER = Measure(name="number", unit="{unit}", direction="higher", help="one number")
CURVE = Measure(name="curve", unit="", direction=None, help="a curve", steps=(1.0, 2.0, 3.0), steps_name="removed (%)")
RIGHT: dict[str, Any] = {"number": 1.0, "curve": [1.0, 2.0, 3.0]}
SHAPE = (6, 7, 8)


class Made(Metric):
    """Does what a test says."""

    def __init__(self, measure: Callable[[Case], Any], measures: Any = (NUMBER, CURVE)) -> None:
        self._measure, self._measures = measure, measures

    @property
    def measures(self) -> tuple[Measure, ...]:
        if isinstance(self._measures, Exception):
            raise self._measures
        return self._measures

    def measure(self, case: Case) -> Any:
        return self._measure(case)


def returning(value: Any) -> Made:
    return Made(lambda case: value)


def raising(error: Exception) -> Made:
    def measure(case: Case) -> Any:
        raise error

    return Made(measure)


@pytest.fixture
def case() -> Case:
    generator = torch.Generator().manual_seed(0)
    everywhere = torch.ones(SHAPE, dtype=torch.bool)
    return Case(
        subject="01",
        method="mine",
        predictor=linear_predictor(torch.ones(SHAPE)),
        volume=torch.randn(1, *SHAPE, generator=generator),
        brain=everywhere,
        map=torch.rand(SHAPE, generator=generator),
        signed=False,
        learned=False,
        prediction=60.0,
        target=math.nan,
        seed=3,
        truth=everywhere.clone(),
        regions=torch.ones(SHAPE, dtype=torch.long),
    )


def test_numbers_and_curves_come_back_as_plain_floats_in_the_declared_order(case: Case) -> None:
    given = {"curve": np.array([1, 2, 3], np.float32), "number": torch.tensor(5.0, requires_grad=True)}
    values, notes = measured("made", returning(given), case)
    assert (list(values), values, notes) == (["number", "curve"], {"number": 5.0, "curve": [1.0, 2.0, 3.0]}, {})
    assert [type(one) for one in (values["number"], *values["curve"])] == [float] * 4


@pytest.mark.parametrize("curve", [(1, 2, 3), [torch.tensor(1.0), torch.tensor([2.0]), 3], torch.arange(1, 4)])
def test_a_curve_may_be_any_sequence_of_numbers(case: Case, curve: Any) -> None:
    assert measured("made", returning({**RIGHT, "curve": curve}), case)[0]["curve"] == [1.0, 2.0, 3.0]


def test_what_is_nan_stays_nan_without_a_note(case: Case) -> None:
    values, notes = measured("made", returning({"number": math.nan, "curve": [1.0, math.nan, 3.0]}), case)
    assert math.isnan(values["number"]) and notes == {}


def test_a_single_measure_may_not_apply_and_the_others_are_measured(case: Case) -> None:
    values, notes = measured("made", returning({**RIGHT, "number": NotApplicable("no truth\n is known")}), case)
    assert math.isnan(values["number"]) and values["curve"] == RIGHT["curve"]
    assert notes == {"number": "no truth is known"}
    values, notes = measured("made", returning({**RIGHT, "curve": NotApplicable()}), case)
    assert [math.isnan(one) for one in values["curve"]] == [True] * 3 and values["number"] == RIGHT["number"]
    assert notes == {"curve": "it does not apply to this map"}


def test_a_metric_that_does_not_apply_is_nan_throughout_with_its_reason_in_one_line(case: Case) -> None:
    values, notes = measured("made", raising(NotApplicable("no truth\n is known")), case)
    assert notes == dict.fromkeys(("number", "curve"), "no truth is known")
    assert math.isnan(values["number"]) and [math.isnan(one) for one in values["curve"]] == [True] * 3


def test_a_metric_that_does_not_apply_for_no_reason_has_a_note_all_the_same(case: Case) -> None:
    assert measured("made", raising(NotApplicable()), case)[1]["number"] == "it does not apply to this map"


WRONG = {
    "no mapping": ([1.0], "must return a mapping of measures to numbers, got list"),
    "one missing": ({"number": 1.0}, "must return what it declares, but 'curve' is missing"),
    "one too many": ({**RIGHT, "extra": 1}, "returned 'extra', which it does not declare; it declares number, curve"),
    "none": ({**RIGHT, "number": None}, "one number for 'number', NaN if it is undefined, got None"),
    "text": ({**RIGHT, "number": "3"}, "one number for 'number', NaN if it is undefined, got '3'"),
    "complex": ({**RIGHT, "number": 3j}, "one number for 'number', NaN if it is undefined, got 3j"),
    "a curve for a number": ({**RIGHT, "number": [1.0]}, "one number for 'number', got 1 numbers"),
    "a number for a curve": ({**RIGHT, "curve": 1.0}, "3 numbers for 'curve', one a step, got one number"),
    "too short": ({**RIGHT, "curve": [1.0, 2.0]}, "3 numbers for 'curve', one a step, got 2 numbers"),
    "too deep": ({**RIGHT, "curve": torch.ones(1, 3)}, "3 numbers for 'curve', one a step, got 1 x 3 numbers"),
    "ragged": ({**RIGHT, "curve": [[1.0], [1.0, 2.0]]}, "3 numbers for 'curve', one a step, NaN if"),
    "empty": ({**RIGHT, "curve": []}, "3 numbers for 'curve', one a step, got 0 numbers"),
    "infinity": ({**RIGHT, "number": math.inf}, "returned infinity for 'number'; it must be NaN if it is undefined"),
    "infinity on a curve": ({**RIGHT, "curve": [1, 2, -math.inf]}, "returned infinity for 'curve'"),
}


@pytest.mark.parametrize(("returned", "message"), WRONG.values(), ids=WRONG)
def test_what_was_not_declared_is_refused_in_one_line_with_the_metrics_name(
    case: Case, returned: Any, message: str
) -> None:
    with pytest.raises(PluginError) as refused:
        measured("made", returning(returned), case)
    assert str(refused.value).startswith("metric 'made' ") and message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_exception_is_told_in_one_line_with_metric_method_and_cause(case: Case) -> None:
    with pytest.raises(PluginError, match=r"^metric 'made' on the map by 'mine' failed: KeyError: 'x'\.$"):
        measured("made", raising(KeyError("x")), case)


def test_too_little_memory_is_told_as_such(case: Case) -> None:
    with pytest.raises(ResourceError, match="metric 'made' on the map by 'mine' ran out of memory on 1 volume of 6x"):
        measured("made", raising(MemoryError()), case)


def test_an_error_of_the_family_passes_as_it_is(case: Case) -> None:
    known = InputError("known")
    with pytest.raises(InputError) as passed:
        measured("made", raising(known), case)
    assert passed.value is known


def vandal(case: Case) -> Any:
    case.predictor.module.train().requires_grad_(True)
    for parameter in case.predictor.module.parameters():
        parameter.data.mul_(2)
    for tensor in (case.volume, case.map, case.brain, case.truth, case.regions):
        tensor.zero_()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    torch.set_grad_enabled(False)
    return RIGHT


@pytest.mark.parametrize("fails", [False, True])
def test_predictor_tensors_and_random_state_are_put_back(case: Case, fails: bool) -> None:
    def measure(case: Case) -> Any:
        vandal(case)
        return 1 / 0 if fails else RIGHT

    tensors = (case.volume, case.map, case.brain, case.truth, case.regions)
    before = Snapshot(case.predictor, *tensors)
    if fails:
        with pytest.raises(PluginError, match="ZeroDivisionError"):
            measured("made", Made(measure), case)
    else:
        measured("made", Made(measure), case)
    assert before.changes() == []


def test_a_network_is_put_back_after_every_metric_of_a_subject_from_one_copy(case: Case) -> None:
    before = Snapshot(case.predictor, case.volume)
    for _ in range(3):
        measured("made", Made(vandal), case)
        assert before.changes() == []
    assert len(case.shared) == 1


def test_what_a_metric_draws_from_the_global_generators_depends_on_the_case_alone(case: Case) -> None:
    draws = Made(lambda case: {**RIGHT, "curve": [float(torch.rand(())), np.random.rand(), random.random()]})
    first = measured("made", draws, case)
    torch.rand(3), np.random.rand(3), random.random()
    assert measured("made", draws, case) == first
    assert measured("made", draws, dataclasses.replace(case, seed=4)) != first


# Declarations


def test_all_measures_are_told_with_their_metric_in_order() -> None:
    other = dataclasses.replace(NUMBER, name="other")
    found = declared([("first", returning(RIGHT)), ("second", Made(vandal, (other,)))])
    assert found == [("first", NUMBER), ("first", CURVE), ("second", other)]


def test_two_metrics_of_one_measure_are_refused_by_naming_both() -> None:
    message = r"^Metrics 'first' and 'second' both declare the measure 'number': use only one of them\.$"
    with pytest.raises(PluginError, match=message):
        declared([("first", returning(RIGHT)), ("second", Made(vandal, (NUMBER,)))])


def changed(**fields: Any) -> tuple[Measure, ...]:
    return (dataclasses.replace(CURVE, **fields),)


DECLARED = {
    "nothing": ((), "at least one Measure"),
    "a word": ("auc", "at least one Measure, got 'auc'"),
    "no measure": (({"name": "auc"},), "must contain Measures only, got {'name': 'auc'}"),
    "one name twice": ((NUMBER, NUMBER), "must be used once, 'number' is used twice"),
    "a dash": (changed(name="a-b"), "small letters, digits and _, got 'a-b'"),
    "capitals": (changed(name="AUC"), "small letters, digits and _, got 'AUC'"),
    "a line break": (changed(name="auc\n"), "small letters, digits and _"),
    "no unit": (changed(unit=None), "the unit of measure 'curve' must be a word"),
    "a direction": (changed(direction="up"), "must be 'higher', 'lower' or None, got 'up'"),
    "no help": (changed(help=""), "the help of measure 'curve' must be one line, got ''"),
    "much help": (changed(help="two\nlines"), "must be one line"),
    "infinite steps": (changed(steps=(1.0, math.inf)), "must be finite numbers"),
    "steps of words": (changed(steps=("a", "b")), "must be finite numbers"),
    "a step twice": (changed(steps=(1.0, 1.0)), "must differ"),
    "steps of nothing": (changed(steps_name=""), "`steps_name` must name the quantity of its steps"),
    "chance in words": (changed(chance="half"), "must be a finite number or None, got 'half'"),
    "no chance": (changed(chance=math.nan), "must be a finite number or None, got nan"),
    "a property that fails": (ValueError("no"), "failed to declare its measures: ValueError: no"),
}


@pytest.mark.parametrize(("measures", "message"), DECLARED.values(), ids=DECLARED)
def test_a_wrong_declaration_is_refused_before_and_while_measuring(case: Case, measures: Any, message: str) -> None:
    metric = Made(vandal, measures)
    for refuse in (lambda: declared([("made", metric)]), lambda: measured("made", metric, case)):
        with pytest.raises(PluginError) as refused:
            refuse()
        assert str(refused.value).startswith("metric 'made' ") and message in str(refused.value)
