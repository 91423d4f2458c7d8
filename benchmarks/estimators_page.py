"""Write `docs/results/estimators.md` and its picture from what `estimators.py` measured."""

from __future__ import annotations

import argparse
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from interpbench import atomic_path
from interpbench.atomic import read_json, write_text
from interpbench.pipeline.evaluation import interval
from interpbench.report.curves import COLOURS, STROKES

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks/results/estimators.json", ROOT / "docs/results/estimators.md"
PANELS = {
    "subject_auc": "AUC of the truth, mean over subjects",
    "loss": "validation loss, Eq. 2 (years²)",
    "recalibrated_loss": "the same, recalibrated (years²)",
}

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
    settings, machine, runs, floors = (results[name] for name in ("settings", "machine", "runs", "floors"))
    names, methods = settings["estimators"], list(dict.fromkeys(row["method"] for row in floors))
    of = {name: [run for run in runs if run["estimator"] == name] for name in names}
    seeds = [row["seed"] for row in results["seeds"]]
    budget = settings["budget_seconds"]
    effort = "the same number of epochs" if budget is None else f"as many epochs as fit into {budget:g} s of training"
    lines = [
        "# Estimators of U-noise's gradient, compared",
        "",
        f"On {len(seeds)} phantoms of {settings['subjects']} subjects at {settings['voxel_size_mm']:g} mm (seeds"
        f" {', '.join(map(str, seeds))}), each with its own predictor and one pretrained U-Net from which every"
        f" estimator starts, with the same settings and {effort}. Figures are of the epoch that is kept, the one of the"
        " lowest validation loss. Intervals are 95 %, by the bootstrap over the test subjects of all seeds together."
        " Times are of training alone"
        f" ({machine['threads']} threads on {machine['cores']} cores, {machine.get('gpu', machine['device'])}).",
        "",
        f"![Localisation and validation loss against training time]({picture})",
        "",
        "## Where the maps point",
        "",
        "AUC of the truth against the other voxels of the brain, 0.5 is chance; `smoothed` by a Gaussian of"
        f" {settings['blur_voxels']:g} voxel.",
        "",
        *table(
            ["estimator", "epochs", "seconds", "AUC a subject", "n", "smoothed", "population AUC", "mean B"],
            [
                [name, several(of[name], "epochs", ".0f"), several(of[name], "seconds", ".0f"),
                 *localisation([run["kept"] for run in of[name]], [run["kept"]["smoothed"] for run in of[name]]),
                 several([run["kept"] for run in of[name]], "mask_mean", ".2f")]
                for name in names
            ],
        ),
        "",
        "Floors, which need no training: in the locally linear regime 1 - B is a function of |gradient| alone, so a"
        f" learned mask that adds nothing ends here. Noise is matched: each subject's sigma is the root mean square of"
        f" what `{floors[0]['matched_to'] if floors else names[-1]}` places in its brain"
        f" (mean {float(np.mean([row['mean_sigma'] for row in floors])) if floors else math.nan:.2f} SD),"
        f" {settings['floor_samples']} samples.",
        "",
        *table(
            ["floor", "AUC a subject", "n", "population AUC", "seconds a subject"],
            [
                [name, *localisation(rows), several(rows, "seconds_a_subject", ".3f")]
                for name, rows in ((name, [row for row in floors if row["method"] == name]) for name in methods)
            ],
        ),
        "",
        "## What the noise costs, on the validation split",
        "",
        "The loss is Eq. 2 of the paper, squared error plus r times the mean of -log B; `recalibrated` after the"
        " least-squares line from noisy prediction to age, fitted on training subjects. Both are the same for every"
        " estimator, whatever it was trained with. Means over seeds, with the range in brackets.",
        "",
        *table(
            ["estimator", "loss, years²", "recalibrated", "clean MAE, years", "noisy MAE, raw", "recalibrated"],
            [
                [name, *(several([run["kept"] for run in of[name]], key, ".2f") for key in ("loss", "recalibrated_loss")),
                 several([row["noise_floor"] for row in results["seeds"]], "clean_mae", ".2f"),
                 *(several([run["kept"] for run in of[name]], key, ".2f") for key in ("noisy_mae", "recalibrated_mae"))]
                for name in names
            ],
        ),
        "",
        "## After each epoch",
        "",
        *table(
            ["estimator", "seed", "epoch", "seconds", "AUC a subject (95 %)", "population AUC", "loss", "recalibrated loss",
             "noisy MAE", "recalibrated MAE", "mean B"],
            [
                [name, run["seed"], f"{row['epoch']}{' (kept)' if row['epoch'] == run['kept_epoch'] else ''}",
                 f"{row['seconds']:.0f}", with_interval(row["subject_auc"], row["subject_auc_interval"]),
                 f"{row['population_auc']:.3f}", *(f"{row[key]:.2f}" for key in (
                     "loss", "recalibrated_loss", "noisy_mae", "recalibrated_mae", "mask_mean"))]
                for name in names for run in of[name] for row in run["curve"]
            ],
        ),
        "",
        "## The predictors",
        "",
        *table(
            ["seed", "test MAE, years (95 %)", "n", "predicting the mean", "noise floor: clean, B = 0, B = 1 (validation)"],
            [predictor_row(row) for row in results["seeds"]],
        ),
        "",
        "## Settings",
        "",
        "```json",
        json.dumps({"settings": settings, "machine": machine}, indent=2),
        "```",
        "",
        "Written by `benchmarks/estimators_page.py` from `benchmarks/results/estimators.json`;"
        " `benchmarks/README.md` has the commands.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table's lines, in Markdown."""
    marks = ["---", *["---:"] * (len(names) - 1)]
    return [f"| {' | '.join(str(cell) for cell in row)} |" for row in (names, marks, *rows)]


def several(rows: Sequence[Row], key: str, form: str) -> str:
    """The mean of a figure over seeds, with its range where they differ."""
    values = [float(row[key]) for row in rows if row.get(key) is not None]
    if not values:
        return "–"
    mean, low, high = (format(value, form) for value in (float(np.mean(values)), min(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"


def localisation(rows: Sequence[Row], smoothed: Sequence[Row] | None = None) -> list[str]:
    """Cells: AUC a subject with its interval over all seeds' subjects, n, the smoothed one, population AUC."""

    def pooled(some: Sequence[Row]) -> tuple[list[float], str]:
        values = [value for row in some for value in row["subject_aucs"]]
        return values, with_interval(float(np.mean(values)), interval(values)) if values else "–"

    values, cell = pooled(rows)
    extra = [] if smoothed is None else [pooled(smoothed)[1]]
    return [cell, str(len(values)), *extra, several(rows, "population_auc", ".3f")]


def with_interval(value: float, bounds: Sequence[float] | None) -> str:
    return f"{value:.3f}" + (f" ({bounds[0]:.3f} to {bounds[1]:.3f})" if bounds else "")


def predictor_row(row: Row) -> list[str]:
    """Cells: seed, test MAE with its interval, n, MAE of predicting the mean, the noise floor."""
    test, floor = row["predictor"]["test"], row["noise_floor"]
    bounds = test["mae_interval"]
    spread = f" ({bounds[0]:.2f} to {bounds[1]:.2f})" if bounds else ""
    known = ", ".join(f"{floor[key]:.2f}" for key in ("clean_mae", "mae_at_0", "mae_at_1"))
    return [str(row["seed"]), f"{test['mae']:.2f}{spread}", str(test["n"]), f"{test['mean_predictor_mae']:.2f}", known]


def curves_png(results: Row) -> bytes:
    """Localisation and losses against seconds of training: a line for each seed, a colour for each estimator."""
    canvas = Figure(figsize=(11, 3.6), layout="constrained")
    FigureCanvasAgg(canvas)
    for panel, axes in zip(PANELS, canvas.subplots(1, len(PANELS)), strict=True):
        for index, name in enumerate(results["settings"]["estimators"]):
            style = {"color": COLOURS[index % len(COLOURS)], "linestyle": STROKES[index % len(STROKES)]}
            for number, run in enumerate(one for one in results["runs"] if one["estimator"] == name):
                label = name if number == 0 else None
                points = [(row["seconds"], row[panel]) for row in run["curve"]]
                axes.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.2, label=label, **style)
        if panel != "subject_auc":
            _log_scale(axes.set_yscale, [row[panel] for run in results["runs"] for row in run["curve"]])
        axes.set_title(PANELS[panel], fontsize=10, loc="left")
        axes.set_xlabel("seconds of training")
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    if results["runs"]:
        canvas.axes[0].legend(frameon=False, fontsize=8)
    image = io.BytesIO()
    canvas.savefig(image, dpi=150, format="png")
    return image.getvalue()


def _log_scale(set_scale: Callable[[str], None], values: Sequence[float | None]) -> None:
    if values and all(value is not None and value > 0 for value in values):
        set_scale("log")


if __name__ == "__main__":
    main()
