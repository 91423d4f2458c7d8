"""The curves of `estimators.py`: localisation and losses against seconds of training."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from interpbench.report.curves import COLOURS, STROKES, plain_numbers

PANELS = {
    "subject_auc": "AUC of the truth, mean over subjects",
    "loss": "validation loss, Eq. 2 (years²)",
    "recalibrated_loss": "the same, recalibrated (years²)",
}


def curves_png(results: Mapping[str, Any]) -> bytes:
    """Draw a line for each seed, in the colour of its estimator."""
    canvas = Figure(figsize=(11, 3.6), layout="constrained")
    FigureCanvasAgg(canvas)
    for panel, axes in zip(PANELS, canvas.subplots(1, len(PANELS)), strict=True):
        for index, name in enumerate(results["settings"]["estimators"]):
            style = {"color": COLOURS[index % len(COLOURS)], "linestyle": STROKES[index % len(STROKES)]}
            for number, run in enumerate(one for one in results["runs"] if one["estimator"] == name):
                seconds, values = ([row[key] for row in run["curve"]] for key in ("seconds", panel))
                label = name if number == 0 else None
                axes.plot(seconds, values, marker="o", markersize=3, linewidth=1.2, label=label, **style)
        losses = [row[panel] for run in results["runs"] for row in run["curve"] if row[panel] is not None]
        if panel != "subject_auc" and losses and min(losses) > 0:
            axes.set_yscale("log")
            plain_numbers(axes.yaxis)
        axes.set_title(PANELS[panel], fontsize=10, loc="left")
        axes.set_xlabel("seconds of training")
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    if results["runs"]:
        canvas.axes[0].legend(frameon=False, fontsize=8)
    image = io.BytesIO()
    canvas.savefig(image, dpi=150, format="png")
    return image.getvalue()
