"""What a measure declares of its place in sentences, tables and page is refused, by name, where it makes no sense."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from interpbench import Measure
from interpbench.comparison.families import FAMILIES, FamilyName
from interpbench.contract.declaration import faults_of

FALL = Measure(name="fall", unit="{unit}", direction="higher", help="change of the prediction")
CURVE = Measure(name="curve", unit="", direction="higher", help="the same", steps=(2.0, 5.0), steps_name="hidden (%)")
WRONG: list[tuple[Measure, dict[str, Any], str]] = [
    (FALL, {"family": "beauty"}, "must be one of localisation, faithfulness, other"),
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
