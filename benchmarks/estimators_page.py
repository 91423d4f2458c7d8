"""Write `docs/results/estimators.md` and its picture from what `estimators.py` measured."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from estimators_picture import curves_png

from interpbench.files.atomic import read_json, write_text
from interpbench.kit import atomic_path
from interpbench.predictor.error import interval

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks/results/estimators.json", ROOT / "docs/results/estimators.md"
NONE = "n/a"

Row = Mapping[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    """Read the result, write page and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=PAGE, help="the page; the picture stands beside it, as .png")
    asked = parser.parse_args(words)
    results = read_json(asked.results)
    picture = asked.out.with_suffix(".png")
    with atomic_path(picture) as path:
        path.write_bytes(curves_png(results))
    write_text(asked.out, page(results, picture.name))
    print(asked.out)


def page(results: Row, picture: str) -> str:
    """The page, in Markdown."""
    settings, machine, seeds = results["settings"], results["machine"], results["seeds"]
    budget = settings["budget_seconds"]
    effort = "the same number of epochs" if budget is None else f"as many epochs as fit into {budget:g} s of training"
    kind = "pretrained U-Net" if settings["method"]["pretrain_epochs"] else "U-Net"
    lines = [
        "# Estimators of U-noise's gradient, compared",
        "",
        *reading(results),
        "",
        (
            f"On {len(seeds)} phantoms of {settings['subjects']} subjects at {settings['voxel_size_mm']:g} mm (seeds"
            f" {', '.join(str(row['seed']) for row in seeds)}), each with its own predictor and one {kind}"
            f" from which every estimator starts, with the same settings and {effort}. Figures are of the epoch that is"
            " kept, the one of the lowest validation loss. Intervals are 95 %, by the bootstrap over the test subjects"
            " of all seeds together; brackets after other figures hold the range over seeds. Times are of training"
            f" alone (on {machine.get('gpu', machine['device'])}; cores: {machine['cores']},"
            f" threads: {machine['threads']})."
        ),
        "",
        f"![Localisation and validation loss against training time]({picture})",
        "",
        *localisation(results),
        *floors(results),
        *losses(results),
        *epochs(results),
        *predictors(results),
        "## Settings",
        "",
        "```json",
        json.dumps({"settings": settings, "machine": machine}, indent=2),
        "```",
        "",
        (
            "Written by `benchmarks/estimators_page.py` from `benchmarks/results/estimators.json`;"
            " `benchmarks/README.md` has the commands."
        ),
    ]
    return "\n".join(lines) + "\n"


def reading(results: Row) -> list[str]:
    """What the tables show, in sentences that their figures decide."""
    runs = _by_estimator(results)
    auc = {name: float(np.mean(_pooled([run["kept"] for run in some]))) for name, some in runs.items()}
    loss = {name: float(np.mean([run["kept"]["loss"] for run in some])) for name, some in runs.items()}
    best, cheapest = max(auc, key=lambda name: auc[name]), min(loss, key=lambda name: loss[name])
    told = [
        (
            f"**`{best}` finds the truth best** of the estimators after this much training: AUC a subject"
            f" {auc[best]:.3f}; the others"
            f" {', '.join(f'`{name}` {value:.3f}' for name, value in auc.items() if name != best)}."
        )
    ]
    if cheapest != best:
        told.append(
            f"The lowest validation loss by Eq. 2 is that of `{cheapest}`: {loss[cheapest]:.2f} years²,"
            f" {loss[best]:.2f} for `{best}`. So the estimator that points best is not the one that lowers the"
            " paper's loss most."
        )
    floor_auc: dict[str, list[float]] = {}
    for row in results["floors"]:
        floor_auc.setdefault(row["method"], []).append(row["subject_auc"])
    floor = {name: float(np.mean(values)) for name, values in floor_auc.items()}
    above = [f"{name} ({value:.3f})" for name, value in floor.items() if value > auc[best]]
    below = [f"{name} ({value:.3f})" for name, value in floor.items() if value <= auc[best]]
    if below:
        told.append(f"It lies above {', '.join(below)}.")
    if above:
        told.append(f"**It loses to {', '.join(above)}**, which need no training.")
    return [" ".join(told)]


def localisation(results: Row) -> list[str]:
    """Where the kept masks point."""
    names = ["estimator", "epochs", "seconds", "AUC a subject", "n", "smoothed", "population AUC", "mean B"]
    rows = []
    for name, runs in _by_estimator(results).items():
        kept = [run["kept"] for run in runs]
        values, smooth = _pooled(kept), _pooled([one["smoothed"] for one in kept])
        rows.append(
            [
                name,
                over_seeds(runs, "epochs", ".0f"),
                over_seeds(runs, "seconds", ".0f"),
                mean_of(values),
                len(values),
                mean_of(smooth),
                over_seeds(kept, "population_auc", ".3f"),
                over_seeds(kept, "mask_mean", ".2f"),
            ]
        )
    return [
        "## Where the maps point",
        "",
        (
            "AUC of the truth against the other voxels of the brain; 0.5 is chance. `smoothed`: by a Gaussian of"
            f" {results['settings']['blur_voxels']:g} voxel."
        ),
        "",
        *table(names, rows),
        "",
    ]


def floors(results: Row) -> list[str]:
    """What needs no training."""
    if not results["floors"]:
        return []
    like, samples = results["floors"][0]["matched_to"], results["settings"]["floor_samples"]
    sigma = over_seeds(results["floors"], "mean_sigma", ".2f")
    found: dict[str, list[Row]] = {}
    for row in results["floors"]:
        found.setdefault(row["method"], []).append(row)
    rows = []
    for method, some in found.items():
        values = _pooled(some)
        rows.append(
            [
                method,
                mean_of(values),
                len(values),
                over_seeds(some, "population_auc", ".3f"),
                over_seeds(some, "seconds_a_subject", ".3f"),
            ]
        )
    return [
        (
            "Floors need no training. Where the network's response is locally linear, 1 - B is a function of |gradient|"
            " alone, so a learned mask that adds nothing ends here. Noise is matched: each subject's sigma is the root"
            f" mean square of what `{like}` places in its brain (mean {sigma} SD). Noisy volumes a subject: {samples}."
        ),
        "",
        *table(["floor", "AUC a subject", "n", "population AUC", "seconds a subject"], rows),
        "",
    ]


def losses(results: Row) -> list[str]:
    """What the noise costs."""
    names = ["estimator", "loss, years²", "recalibrated", "clean MAE, years", "noisy MAE, raw", "recalibrated"]
    clean = over_seeds([row["noise_floor"] for row in results["seeds"]], "clean_mae", ".2f")
    rows = []
    for name, runs in _by_estimator(results).items():
        kept = [run["kept"] for run in runs]
        loss, straight, raw, mended = (
            over_seeds(kept, key, ".2f") for key in ("loss", "recalibrated_loss", "noisy_mae", "recalibrated_mae")
        )
        rows.append([name, loss, straight, clean, raw, mended])
    return [
        "## What the noise costs, on the validation split",
        "",
        (
            "The loss is Eq. 2 of the paper, squared error plus r times the mean of -log B; `recalibrated` after the"
            " least-squares line from noisy prediction to age, fitted on training subjects. Both are computed alike for"
            " every estimator, whatever it was trained with."
        ),
        "",
        *table(names, rows),
        "",
    ]


def epochs(results: Row) -> list[str]:
    """Every epoch of every run."""
    names = [
        "estimator",
        "seed",
        "epoch",
        "seconds",
        "AUC a subject (95 %)",
        "population AUC",
        "loss",
        "recalibrated loss",
        "noisy MAE",
        "recalibrated MAE",
        "mean B",
    ]
    figures = ("loss", "recalibrated_loss", "noisy_mae", "recalibrated_mae", "mask_mean")
    rows = []
    for name, runs in _by_estimator(results).items():
        for run in runs:
            for row in run["curve"]:
                kept = " (kept)" if row["epoch"] == run["kept_epoch"] else ""
                each = number(row["subject_auc"], ".3f") + between(row["subject_auc_interval"], ".3f")
                population, rest = number(row["population_auc"], ".3f"), [number(row[key], ".2f") for key in figures]
                seconds = number(row["seconds"], ".0f")
                rows.append([name, run["seed"], f"{row['epoch']}{kept}", seconds, each, population, *rest])
    return ["## After each epoch", "", *table(names, rows), ""]


def predictors(results: Row) -> list[str]:
    """How good the predictors are, and the noise floor."""
    names = ["seed", "test MAE, years (95 %)", "n", "predicting the mean", "validation MAE: clean", "B = 0", "B = 1"]
    rows = []
    for row in results["seeds"]:
        test, floor = row["predictor"]["test"], row["noise_floor"]
        rows.append(
            [
                row["seed"],
                number(test["mae"], ".2f") + between(test["mae_interval"], ".2f"),
                test["n"],
                number(test["mean_predictor_mae"], ".2f"),
                *(number(floor[key], ".2f") for key in ("clean_mae", "mae_at_0", "mae_at_1")),
            ]
        )
    return ["## The predictors", "", *table(names, rows), ""]


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table's lines, in Markdown."""
    marks = ["---", *["---:"] * (len(names) - 1)]
    return [f"| {' | '.join(str(cell) for cell in row)} |" for row in (names, marks, *rows)]


def number(value: float | None, form: str) -> str:
    """A number in its form, or a dash where there is none."""
    return NONE if value is None else format(value, form)


def between(bounds: Sequence[float] | None, form: str) -> str:
    """An interval in brackets, or nothing."""
    return f" ({bounds[0]:{form}} to {bounds[1]:{form}})" if bounds else ""


def over_seeds(rows: Sequence[Row], key: str, form: str) -> str:
    """The mean of a figure over seeds, with its range where they differ."""
    values = [float(row[key]) for row in rows if row.get(key) is not None]
    if not values:
        return NONE
    low, high = format(min(values), form), format(max(values), form)
    return format(float(np.mean(values)), form) + (f" ({low} to {high})" if low != high else "")


def mean_of(values: Sequence[float]) -> str:
    """The mean with its interval by subject."""
    return number(float(np.mean(values)), ".3f") + between(interval(values), ".3f") if values else NONE


def _pooled(rows: Sequence[Row]) -> list[float]:
    """The AUC of every subject of every seed."""
    return [value for row in rows for value in row["subject_aucs"]]


def _by_estimator(results: Row) -> dict[str, list[Row]]:
    names = results["settings"]["estimators"]
    return {name: [run for run in results["runs"] if run["estimator"] == name] for name in names}


if __name__ == "__main__":
    main()
