"""What the demo's page needs of the records of its steps: an earlier, interrupted demo may have left them otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interpbench.cohort.subjects import number_in
from interpbench.errors import InputError
from interpbench.files.records import NUMBER, ListOf, MapOf, Maybe, fault_in
from interpbench.files.table import read_table

_PAIR = Maybe(ListOf(NUMBER, 2))
_TEST = {
    "mae": NUMBER,
    "mae_interval": _PAIR,
    "n": NUMBER,
    "mean_predictor_mae": NUMBER,
    "mean_predictor_interval": _PAIR,
}
_AFTER = ("n", "noisy_mae", "recalibrated_mae", "mask_mean", "mask_sd", "share_below_0.01", "share_above_0.99")
_FIT = {
    "noise_floor": dict.fromkeys(("n", "clean_mae", "mae_at_0", "mae_at_1"), NUMBER),
    "diagnostics": {**dict.fromkeys(_AFTER, NUMBER), "map_correlation": Maybe(NUMBER)},
    "curves": MapOf(ListOf({"epoch": NUMBER, "validation_loss": NUMBER})),
    "warnings": ListOf(str),
}


def check_records(model: Mapping[str, Any], fitted: Mapping[str, Any], out: Path) -> None:
    """Refuse records that lack what the page shows.

    Args:
        model: the content of `model.json`.
        fitted: the content of `fitted.json`.
        out: the demo's folder.

    Raises:
        InputError: naming what is missing.
    """
    told = {"model": (model.get("metrics"), {"test": _TEST}), "fitted": (fitted.get("record"), _FIT)}
    for name, (record, kinds) in told.items():
        if fault := fault_in(record, kinds):
            raise InputError(f"{out / name}: {fault}. Give a new folder for the demo.")


def training_curve(table: Path, columns: tuple[str, ...]) -> dict[str, list[float]]:
    """The numbers of some columns of `training.tsv`.

    Raises:
        InputError: a column is missing, or holds something else.
    """
    rows = [row.cells for row in read_table(table)[1]]
    found = {name: [number_in(row.get(name) or "") for row in rows] for name in columns}
    wrong = next((name for name, numbers in found.items() if None in numbers), None)
    if wrong is not None:
        raise InputError(f"{table}: is not a training curve, {wrong} is missing or not a number.")
    return {name: [number for number in numbers if number is not None] for name, numbers in found.items()}
