"""Runs a metric on a map without side effects, and checks its values against its declaration."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from interpbench.contract.declaration import checked_values, faults_of, nothing, reason_of, reasons_in
from interpbench.contract.everyone import Everyone
from interpbench.contract.metric import Case, Measure, Metric
from interpbench.errors import NotApplicable, PluginError
from interpbench.host.foreign import asking
from interpbench.host.untouched import remembered, untouched


def declared(metrics: Sequence[tuple[str, Metric]]) -> list[tuple[str, Measure]]:
    """All measures of some metrics, each with the name of its metric, in order.

    Args:
        metrics: by name.

    Raises:
        PluginError: a declaration is wrong, or two metrics declare one measure.
    """
    found: list[tuple[str, Measure]] = []
    for name, metric in metrics:
        measures = _measures(name, metric)
        owners = {measure.name: owner for owner, measure in found}
        for measure in measures:
            if measure.name in owners:
                both = f"{owners[measure.name]!r} and {name!r}"
                raise PluginError(f"Metrics {both} both declare the measure {measure.name!r}: use only one of them.")
        found += [(name, measure) for measure in measures]
    return found


def measured(name: str, metric: Metric, case: Case) -> tuple[dict[str, float | list[float]], dict[str, str]]:
    """The values of a metric for one map.

    The global random generators are seeded by the case, and put back after; so are the predictor and the tensors.

    Args:
        name: the metric's, for errors.

    Returns:
        A number for each measure, a list for a curve; and, by name, why those are NaN that do not apply.

    Raises:
        PluginError: the metric failed, or returned something else than it declared.
        ResourceError: memory ran out.
        InterpbenchError: the metric raised it.
    """
    measures = _measures(name, metric)
    try:
        returned = _lent(name, metric, case)
    except NotApplicable as reason:
        return nothing(measures), dict.fromkeys([one.name for one in measures], reason_of(reason))
    try:
        values = checked_values(measures, returned)
    except ValueError as cause:
        raise PluginError(f"metric {name!r} {cause}.") from cause
    return values, reasons_in(returned)


def _lent(name: str, metric: Metric, case: Case) -> Any:
    """What the metric returns; all state is restored afterwards."""
    # Of a large network a copy takes longer than most measures: one serves all methods and metrics of a subject.
    module = case.predictor.module
    put_back = case.once(f"network {id(module)} as it was", lambda: remembered(module))
    with untouched(nn.Module(), *_tensors(case)):
        _seed(case.generator("global").initial_seed())
        try:
            with asking(f"metric {name!r} on the map by {case.method!r}", case.volume[None]):
                return _measure(metric, case)
        finally:
            put_back()


def _measure(metric: Metric, case: Case) -> Any:
    try:
        return metric.measure(case)
    except NotApplicable as reason:
        raise NotApplicable(reason_of(reason)) from reason


def _measures(name: str, metric: Metric) -> tuple[Measure, ...]:
    with asking(f"metric {name!r}", what="failed to declare its measures"):
        measures = metric.measures
        faults = faults_of(measures)
    if faults:
        raise PluginError(f"metric {name!r} makes an invalid declaration: {'; '.join(faults)}.")
    return tuple(measures)


def _tensors(case: Case) -> list[Tensor]:
    parts: tuple[Case | Everyone, ...] = (case,) if case.everyone is None else (case, case.everyone)
    values = [getattr(part, field.name) for part in parts for field in dataclasses.fields(part)]
    return [value for value in values if isinstance(value, Tensor)]


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
