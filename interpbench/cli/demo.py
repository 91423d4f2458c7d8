"""`interpbench demo`: every step on the phantom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import say


@click.command()
@click.argument("out", type=flags.PATH)
@flags.seed
@flags.device
@flags.common_options(verbosity=1)
def demo(out: Path, seed: int, device: str) -> None:
    """Run every step on a phantom, and write a page with the results.

    The steps are phantom, train, fit, explain, aggregate and benchmark. Then open OUT/index.html in a browser.
    """
    from interpbench import pipeline

    record = pipeline.demo(out, seed=seed, device=device)
    say(demo_figures(record))
    say(f"Open {out / 'index.html'}, and {out / 'benchmark' / 'index.html'}")


def demo_figures(record: Mapping[str, Any]) -> str:
    """The figures of `demo.json`, one on each line."""
    unit, test, found = record["unit"], record["predictor"], record["localisation"]
    floor, after = record["noise_floor"], record["diagnostics"]
    lines = [
        (
            f"predictor: mean absolute error {test['mae']:.2f} {unit}{_interval(test['mae_interval'])},"
            f" predicting the mean {test['mean_predictor_mae']:.2f} {unit}, n = {test['n']} test subjects"
        ),
        (
            f"noise floor: error {floor['clean_mae']:.2f} {unit} without noise, {floor['mae_at_0']:.2f} with the"
            f" minimum (B = 0), {floor['mae_at_1']:.2f} with the maximum (B = 1), n = {floor['n']} validation subjects"
        ),
        (
            f"learned noise: error {after['noisy_mae']:.2f} {unit} raw, {after['recalibrated_mae']:.2f} recalibrated,"
            f" n = {after['n']} validation subjects"
        ),
        (
            f"mask B in the brain: mean {after['mask_mean']:.3f}, SD {after['mask_sd']:.3f},"
            f" {after['share_below_0.01']:.1%} below 0.01, {after['share_above_0.99']:.1%} above 0.99;"
            f" correlation of two subjects' maps {_number(after['map_correlation'])}"
        ),
        (
            f"AUC of the truth in the brain: {found['subject_auc']:.3f}{_interval(found['subject_auc_interval'])}"
            f" a subject, {found['population_auc']:.3f} for the population's mean, n = {found['n']} test subjects"
        ),
        *record["benchmark"]["beliefs"],
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"


def _interval(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else f" (95 % interval {bounds[0]:.3g} to {bounds[1]:.3g})"
