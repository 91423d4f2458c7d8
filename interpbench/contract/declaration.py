"""Checks what a metric declares, and that it returns what it declares."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interpbench.comparison.families import FAMILIES
from interpbench.contract.metric import Measure
from interpbench.errors import NotApplicable, message_of

_NAME = re.compile(r"[a-z0-9_]{1,100}")  # names become columns, words of the command line and parts of file names
_NUMBERS = "biuf"  # kinds of numpy's types: yes or no, whole, floating


def faults_of(measures: object) -> list[str]:
    """The faults of the measures that a metric declares, one sentence each; empty without a fault."""
    if not isinstance(measures, Sequence) or isinstance(measures, str) or not measures:
        return [f"`measures` must be a tuple of at least one Measure, got {measures!r}"]
    strangers = [one for one in measures if not isinstance(one, Measure)]
    if strangers:
        return [f"`measures` must contain Measures only, got {strangers[0]!r}"]
    faults = [fault for measure in measures for fault in _faults_of_one(measure)]
    names = [measure.name for measure in measures]
    twice = sorted({repr(name) for name in names if names.count(name) > 1})
    faults += [f"the name of a measure must be used once, {name} is used twice" for name in twice]
    usable = [measure for measure in measures if isinstance(measure.steps, tuple | list)]
    return faults + [fault for measure in usable for fault in _faults_of_use(measure, names)]


def checked_values(measures: Sequence[Measure], returned: object) -> dict[str, float | list[float]]:
    """The values that a metric returned, as plain numbers in the order of its declaration.

    Args:
        returned: a number for each measure, or for a curve as many as steps; arrays and tensors will do. A measure that
            does not apply has a `NotApplicable` here, which is NaN.

    Raises:
        ValueError: it is not what was declared; the message goes on after the metric's name.
    """
    if not isinstance(returned, Mapping):
        raise ValueError(f"must return a mapping of measures to numbers, got {type(returned).__name__}")
    names = [measure.name for measure in measures]
    missing = [repr(name) for name in names if name not in returned]
    unknown = [repr(name) for name in returned if name not in names]
    if missing:
        raise ValueError(f"must return what it declares, but {', '.join(missing)} is missing")
    if unknown:
        raise ValueError(f"returned {', '.join(unknown)}, which it does not declare; it declares {', '.join(names)}")
    empty = nothing(measures)
    return {
        measure.name: empty[measure.name]
        if isinstance(returned[measure.name], NotApplicable)
        else _values(measure, returned[measure.name])
        for measure in measures
    }


def reasons_in(returned: Mapping[str, object]) -> dict[str, str]:
    """Why single measures do not apply, by name, in one line each."""
    return {name: reason_of(value) for name, value in returned.items() if isinstance(value, NotApplicable)}


def reason_of(refusal: NotApplicable) -> str:
    """Why something does not apply, in one line."""
    return message_of(refusal) or "it does not apply to this map"


def nothing(measures: Sequence[Measure]) -> dict[str, float | list[float]]:
    """NaN for each measure of a metric that does not apply."""
    return {one.name: [math.nan] * len(one.steps) if one.steps else math.nan for one in measures}


def _faults_of_one(measure: Any) -> list[str]:
    faults = []
    who = f"measure {measure.name!r}"
    if not (isinstance(measure.name, str) and _NAME.fullmatch(measure.name)):
        faults.append(f"the name of a measure must be at most 100 small letters, digits and _, got {measure.name!r}")
    if not isinstance(measure.unit, str) or re.search(r"[\r\n\t]", measure.unit):
        faults.append(f'the unit of {who} must be a word, "" for none, got {measure.unit!r}')
    if measure.direction not in ("higher", "lower", None):
        faults.append(f"the direction of {who} must be 'higher', 'lower' or None, got {measure.direction!r}")
    if not (isinstance(measure.help, str) and measure.help.strip()) or "\n" in measure.help:
        faults.append(f"the help of {who} must be one line, got {measure.help!r}")
    if not isinstance(measure.steps, tuple | list) or _kind(measure.steps) != (1, True):
        faults.append(f"the steps of {who} must be finite numbers in a tuple, () for no curve, got {measure.steps!r}")
    elif len(set(measure.steps)) < len(measure.steps):
        faults.append(f"the steps of {who} must differ, got {measure.steps!r}")
    if not isinstance(measure.steps_name, str) or "\n" in measure.steps_name:
        faults.append(f"`steps_name` of {who} must be one line, got {measure.steps_name!r}")
    elif not measure.steps_name and isinstance(measure.steps, tuple | list) and len(measure.steps):
        faults.append(f"{who} is a curve: `steps_name` must name the quantity of its steps, got {measure.steps_name!r}")
    if measure.chance is not None and (isinstance(measure.chance, bool) or _kind(measure.chance) != (0, True)):
        faults.append(f"the chance of {who} must be a finite number or None, got {measure.chance!r}")
    return faults


def _faults_of_use(measure: Measure, names: Sequence[str]) -> list[str]:
    """What is wrong with what a measure says to sentences, tables and page.

    Args:
        names: of all measures of its metric.
    """
    who = f"measure {measure.name!r}"
    faults = [
        f"`{field}` of {who} must be one line, got {value!r}"
        for field in ("title", "question", "limits", "axis", "variant", "varied", "chance_by", "ceiling_by")
        if not isinstance(value := getattr(measure, field), str) or "\n" in value
    ]
    faults += [
        f"`{field}` of {who} must be True or False, got {value!r}"
        for field in ("needs_truth", "column")
        if not isinstance(value := getattr(measure, field), bool)
    ]
    faults += [
        f"`{field}` of {who} must name another measure, got {value!r}"
        for field in ("chance_by", "ceiling_by")
        if (value := getattr(measure, field)) == measure.name or value not in ("", *names)
    ]
    if not isinstance(measure.family, str) or measure.family not in FAMILIES:
        faults.append(f"the family of {who} must be one of {', '.join(FAMILIES)}, got {measure.family!r}")
    if bool(measure.variant) != bool(measure.varied):
        faults.append(f"{who} must say both `variant` and `varied`, or neither")
    return [*faults, *_faults_of_leading(measure), *_faults_of_curve(measure)]


def _faults_of_leading(measure: Measure) -> list[str]:
    leads, who = measure.leads, f"measure {measure.name!r}"
    if not isinstance(leads, int) or isinstance(leads, bool) or leads < 0:
        return [f"`leads` of {who} must be a whole number, 0 for never, got {leads!r}"]
    if leads and (measure.direction is None or len(measure.steps)):
        return [f"{who} cannot lead: only a number with a direction can"]
    if leads and measure.family == "cost" and measure.unit != "s":
        return [f"{who} cannot lead: of a cost, that is the seconds of one map, got the unit {measure.unit!r}"]
    return []


def _faults_of_curve(measure: Measure) -> list[str]:
    who = f"measure {measure.name!r}"
    if measure.column and len(measure.steps):
        return [f"{who} is a curve, which gets no column"]
    if measure.axis and not len(measure.steps):
        return [f"{who} is not a curve, so it cannot share an axis"]
    return []


def _kind(value: Any) -> tuple[int, bool]:
    """The number of dimensions, and whether all values are finite."""
    array = _array(value)
    if array is None:
        return 0, False
    return array.ndim, bool(np.isfinite(array).all())


def _values(measure: Measure, value: Any) -> float | list[float]:
    array, name = _array(value), measure.name
    wanted = f"{len(measure.steps)} numbers for {name!r}, one a step" if measure.steps else f"one number for {name!r}"
    if array is None:
        raise ValueError(f"must return {wanted}, NaN if it is undefined, got {value!r}")
    if array.shape != ((len(measure.steps),) if measure.steps else ()):
        got = "one number" if array.ndim == 0 else f"{' x '.join(str(edge) for edge in array.shape)} numbers"
        raise ValueError(f"must return {wanted}, got {got}")
    if bool(np.isinf(array).any()):
        raise ValueError(f"returned infinity for {name!r}; it must be NaN if it is undefined")
    return [float(one) for one in array] if measure.steps else float(array)


def _array(value: Any) -> np.ndarray | None:
    """The value as float64, NaN where it is masked; None if it is neither a number nor a list of numbers."""
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_meta or value.is_complex():
            return None
        value = value.detach().cpu().double().numpy()
    elif isinstance(value, list | tuple):
        value = [one.item() if isinstance(one, Tensor) and one.numel() == 1 else one for one in value]
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal length
        return None
    if array.size and array.dtype.kind not in _NUMBERS:
        return None
    return array.astype(np.float64) if not np.ma.is_masked(value) else np.ma.filled(value.astype(np.float64), np.nan)
