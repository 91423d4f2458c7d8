"""Which of several fits is best: the rule, and the table and picture that show what it was chosen by.

Losses under different options are not comparable: a larger weight of the penalty, or a wider range of noise, changes
what the loss counts. So the choice is made by two figures that mean the same whatever the options are, which a method
gives in `record["selection"]`: `error`, of the predictor while the method hides from it what it finds unimportant, and
`amount`, how much it hides. The rule: of the combinations whose error stays within a tolerance of the error without
noise, the one that hides most. Hiding little is easy; hiding much without harm takes a map that is right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpbench.cohort.choosing import log
from interpbench.errors import PluginError, UsageError
from interpbench.files.atomic import atomic_path, read_json, write_json, write_tsv

if TYPE_CHECKING:
    from interpbench.report.curves import Chart

TABLE, CHOICE, PICTURE = "search.tsv", "search.json", "search.png"
FIGURES = ("error", "clean_error", "amount")  # of `record["selection"]`, beside `unit` and `amount_name`


@dataclass(frozen=True)
class Trial:
    """One combination: the values of the options searched, where it was fitted, and what validation showed."""

    values: Mapping[str, Any]
    folder: str  # below the output
    figures: Mapping[str, Any]  # empty where the fit failed
    failure: str | None = None
    unit: str = ""
    amount_name: str = "amount hidden"
    warnings: Sequence[str] = ()

    @property
    def label(self) -> str:
        return label_of(self.values)

    def figure(self, name: str) -> float:
        """A figure of validation by name; NaN if it is missing."""
        value = self.figures.get(name)
        return math.nan if value is None else float(value)


def trial_of(values: Mapping[str, Any], folder: str, record: Mapping[str, Any], method: str) -> Trial:
    """The trial of one fit, from its record.

    Raises:
        UsageError: the method records no `selection`.
    """
    selection = record.get("selection")
    if not isinstance(selection, Mapping) or not set(FIGURES) <= set(selection):
        raise UsageError(
            f"Method {method!r} cannot be searched: its fit records no `selection` with {', '.join(FIGURES)}."
        )
    words = {name: str(selection[name]) for name in ("unit", "amount_name") if name in selection}
    shown = {**selection, **(record.get("diagnostics") or {})}
    figures = {name: value for name, value in shown.items() if isinstance(value, int | float) or value is None}
    return Trial(values, folder, figures, warnings=tuple(record.get("warnings") or ()), **words)


def choose_trial(trials: Sequence[Trial], tolerance: float) -> tuple[Trial, bool]:
    """The trial that the rule chooses, and whether its error is within the tolerance.

    Raises:
        PluginError: no trial has an error.
    """
    able = [trial for trial in trials if math.isfinite(trial.figure("error"))]
    if not able:
        why = trials[0].failure or "their error is not finite"
        raise PluginError(f"None of {len(trials)} combinations could be fitted: {why}")
    within = [
        trial
        for trial in able
        if trial.figure("error") <= trial.figure("clean_error") + tolerance and math.isfinite(trial.figure("amount"))
    ]
    if within:
        return max(within, key=lambda trial: trial.figure("amount")), True
    return min(able, key=lambda trial: trial.figure("error")), False


def write_choice(folder: Path, trials: Sequence[Trial], tolerance: float) -> dict[str, Any]:
    """Choose, and write `search.tsv`, `search.png` and, last, `search.json`, whose content is returned.

    Raises:
        PluginError: no combination could be fitted.
    """
    from interpbench.report.curves import chart_png  # it needs matplotlib

    chosen, within = choose_trial(trials, tolerance)
    rows = [
        {"folder": one.folder, **one.values, "chosen": one is chosen, **one.figures, "failure": one.failure}
        for one in trials
    ]
    unit, amount = chosen.unit, chosen.amount_name
    rule = (
        f"the largest {amount} among the combinations whose error on the validation split is at most {tolerance:g}"
        f" {unit} above the error without noise"
    ).replace("  ", " ")
    warnings = [f"{one.label}: could not be fitted: {one.failure}" for one in trials if one.failure]
    if not within:
        warnings.append(
            f"No combination keeps the error within {tolerance:g} {unit} of {chosen.figure('clean_error'):.2f} {unit},"
            f" the error without noise: the one with the smallest error ({chosen.figure('error'):.2f}"
            f" {unit}) is chosen instead."
        )
        log.warning("%s", warnings[-1])
    warnings += [f"{chosen.label}: {sentence}" for sentence in chosen.warnings]
    record = {
        "chosen": {"folder": chosen.folder, "options": dict(chosen.values), **chosen.figures},
        "within_tolerance": within,
        "rule": rule,
        "tolerance": tolerance,
        "unit": unit,
        "amount": amount,
        "warnings": warnings,
        "trials": rows,
    }
    write_tsv(folder / TABLE, rows)
    with atomic_path(folder / PICTURE) as path:
        path.write_bytes(chart_png(_chart(trials, chosen, tolerance)))
    write_json(folder / CHOICE, record)
    return dict(read_json(folder / CHOICE))


def label_of(values: Mapping[str, Any]) -> str:
    """A combination in words: `v_max=1.0, r=0.5`."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _chart(trials: Sequence[Trial], chosen: Trial, tolerance: float) -> Chart:
    """Error against amount: a curve along the option that varies fastest, for each setting of the others."""
    from interpbench.report.curves import Chart, Curve

    fastest = list(chosen.values)[-1]
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        others = {name: value for name, value in trial.values.items() if name != fastest}
        if not trial.failure:
            groups.setdefault(label_of(others) or fastest, []).append(trial)
    curves = []
    for label, members in groups.items():
        ordered = sorted(members, key=lambda one: one.figure("amount"))
        curves.append(Curve(label, *([one.figure(name) for one in ordered] for name in ("amount", "error"))))
    clean = chosen.figure("clean_error")
    axis = f"error ({chosen.unit})" if chosen.unit else "error"
    limit = clean + tolerance
    levels = [(f"without noise: {clean:.2f}", clean), (f"limit (--tolerance {tolerance:g}): {limit:.2f}", limit)]
    ring = (f"chosen: {chosen.label}", chosen.figure("amount"), chosen.figure("error"))
    return Chart("Search, on the validation split", chosen.amount_name, axis, curves, levels=levels, ring=ring)
