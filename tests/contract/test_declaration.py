"""What a measure declares of its place in sentences, tables and page is refused, by name, where it makes no sense."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch

from interpbench import Measure
from interpbench.comparison.families import FAMILIES, FamilyName
from interpbench.contract.declaration import checked_values, faults_of

FALL = Measure(name="fall", unit="{unit}", direction="higher", help="change of the prediction")
CURVE = Measure(name="curve", unit="", direction="higher", help="the same", steps=(2.0, 5.0), steps_name="hidden (%)")
WRONG: list[tuple[Measure, dict[str, Any], str]] = [
    (FALL, {"family": "beauty"}, "must be one of localisation, person, faithfulness, other"),
    (FALL, {"family": ["localisation"]}, "must be one of localisation, person, faithfulness, other"),
    (FALL, {"name": "a" * 101}, "must be at most 100 small letters, digits and _"),
    (FALL, {"unit": "mm\n"}, "the unit of measure 'fall' must be a word"),
    (FALL, {"unit": "a\tb"}, "the unit of measure 'fall' must be a word"),
    (FALL, {"chance": float("nan")}, "the chance of measure 'fall' must be a finite number or None"),
    (FALL, {"chance": True}, "the chance of measure 'fall' must be a finite number or None"),
    (FALL, {"steps": None}, "the steps of measure 'fall' must be finite numbers in a tuple"),
    (FALL, {"steps": 3.0}, "the steps of measure 'fall' must be finite numbers in a tuple"),
    (FALL, {"steps": "ab"}, "the steps of measure 'fall' must be finite numbers in a tuple"),
    (CURVE, {"steps": np.array([2.0, 5.0])}, "the steps of measure 'curve' must be finite numbers in a tuple"),
    (CURVE, {"steps": torch.tensor([2.0, 5.0])}, "the steps of measure 'curve' must be finite numbers in a tuple"),
    (CURVE, {"steps": (2.0, float("inf"))}, "the steps of measure 'curve' must be finite numbers in a tuple"),
    (CURVE, {"steps": (2.0, 2)}, "the steps of measure 'curve' must differ"),
    (CURVE, {"steps_name": "hidden\n%"}, "`steps_name` of measure 'curve' must be one line"),
    (FALL, {"question": "how\nfar?"}, "`question` of measure 'fall' must be one line"),
    (FALL, {"limits": None}, "`limits` of measure 'fall' must be one line"),
    (FALL, {"column": "yes"}, "`column` of measure 'fall' must be True or False"),
    (FALL, {"needs_truth": 1}, "`needs_truth` of measure 'fall' must be True or False"),
    (FALL, {"leads": -1}, "`leads` of measure 'fall' must be a whole number"),
    (FALL, {"leads": True}, "`leads` of measure 'fall' must be a whole number"),
    (FALL, {"leads": 1, "direction": None}, "measure 'fall' cannot lead: only a number with a direction can"),
    (CURVE, {"leads": 1}, "measure 'curve' cannot lead: only a number with a direction can"),
    (FALL, {"leads": 1, "family": "cost"}, "that is the seconds of one map, got the unit '{unit}'"),
    (CURVE, {"column": True}, "measure 'curve' is a curve, which gets no column"),
    (FALL, {"axis": "fall"}, "measure 'fall' is not a curve, so it cannot share an axis"),
    (FALL, {"variant": "zero"}, "measure 'fall' must say both `variant` and `varied`"),
    (FALL, {"chance_by": "fall"}, "`chance_by` of measure 'fall' must name another measure, got 'fall'"),
    (FALL, {"ceiling_by": "rise"}, "`ceiling_by` of measure 'fall' must name another measure, got 'rise'"),
]


def changed(measure: Measure, **fields: Any) -> Measure:
    return Measure(**{**vars(measure), **fields})


@pytest.mark.parametrize(("measure", "fields", "fault"), WRONG)
def test_what_makes_no_sense_is_refused(measure: Measure, fields: dict[str, Any], fault: str) -> None:
    (found,) = faults_of((changed(measure, **fields),))
    assert fault in found


NUMBERS: dict[str, tuple[Any, float]] = {
    "a tensor with a gradient": (torch.tensor(2.5, requires_grad=True), 2.5),
    "yes": (True, 1.0),
    "half precision": (np.float16(2.5), 2.5),
    "another byte order": (np.array(2.5, ">f4"), 2.5),
    "masked": (np.ma.masked, math.nan),
    "a masked array": (np.ma.masked_array(3.0, True), math.nan),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_a_number_of_any_type_is_taken(what: str) -> None:
    given, expected = NUMBERS[what]
    (found,) = checked_values((FALL,), {"fall": given}).values()
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "value",
    [None, "2.5", 1 + 2j, [2.5], math.inf, 10**400, torch.tensor(1.0).to_sparse(), torch.empty((), device="meta"),
     torch.tensor(1j), object(), {"fall": 1.0}],
)  # fmt: skip
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="'fall'"):
        checked_values((FALL,), {"fall": value})


def test_masked_steps_of_a_curve_are_unknown() -> None:
    given = np.ma.masked_array([1.0, 2.0], [False, True])
    assert checked_values((CURVE,), {"curve": given})["curve"] == pytest.approx([1.0, math.nan], nan_ok=True)


def test_what_says_no_more_than_it_must_is_right() -> None:
    assert faults_of((FALL, CURVE)) == []


def test_all_that_can_be_declared_is_accepted_together() -> None:
    full = changed(
        FALL,
        family="randomisation",
        needs_truth=True,
        question="falling",
        limits="It falls for {learned}.",
        leads=2,
        column=True,
        variant="zero",
        varied="stands in for hidden voxels",
        chance_by="curve",
        ceiling_by="curve",
    )
    assert faults_of((full, changed(CURVE, axis="fall"))) == []


def test_a_family_has_one_place_and_one_meaning() -> None:
    assert list(FAMILIES) == list(get_args(FamilyName))
