"""Diagnostics of a fit: the noise floor before training, and the learned mask after it."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from interpbench import Predictor, Sample
from interpbench_unoise.batches import in_order
from interpbench_unoise.noise import generator_on, standard_normal
from interpbench_unoise.recalibration import recalibrated
from interpbench_unoise.training import VALIDATION_SEED, Objective, mask_logits, noisy_predictions
from interpbench_unoise.unet import UNet

log = logging.getLogger("interpbench")

LINE_SUBJECTS = 120  # of the training split, to fit the line from noisy prediction to target
COMPARED = 20  # subjects whose maps are compared with each other
SMALLEST_SIGMA = 1e-12  # below it, a mask that rounds to 0 would make the mean of log10 infinite
COLLAPSED = 0.999  # correlation between subjects' maps from which on everybody has the same


@torch.no_grad()
def noise_floor(
    predictor: Predictor, samples: Sequence[Sample], aim: Objective, *, device: torch.device, batch_size: int
) -> dict[str, float]:
    """Mean absolute error of the clean prediction, at B = 0 and B = 1 everywhere, and of predicting the mean.

    At B = 0 every voxel has the least noise there can be. Where that ruins the prediction already, no mask can
    save it, and none is learned.
    """
    errors: dict[str, list[float]] = {"clean_mae": [], "mae_at_0": [], "mae_at_1": []}
    all_goals: list[float] = []
    generator = generator_on(device, VALIDATION_SEED)
    for batch in in_order(samples, batch_size, device, "measuring errors under noise"):
        all_goals += batch.targets.tolist()
        epsilon = standard_normal(batch.volumes, generator)
        for place, part in batch.parts():
            where, inputs = aim.where(part.brains), [part.volumes]
            for mask in (0.0, 1.0):
                sigma = aim.noise.sigma(torch.full_like(where, mask))
                inputs.append(part.volumes + where * (aim.noise.shift + sigma * epsilon[place]))
            for name, volumes in zip(errors, inputs, strict=True):
                errors[name] += (predictor.predict(volumes) - part.targets).abs().tolist()
    spread = float(np.abs(np.array(all_goals) - np.mean(all_goals)).mean())
    found = {name: float(np.mean(values)) for name, values in errors.items()}
    return {**found, "mean_predictor_mae": spread, "n": len(samples)}


@torch.no_grad()
def diagnose(
    network: UNet,
    predictor: Predictor,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    aim: Objective,
    *,
    device: torch.device,
    precision: str,
    batch_size: int,
) -> dict[str, Any]:
    """Figures of the mask on held-out subjects, and of the error under its noise.

    Returns:
        `mask_mean`, `mask_sd`, `share_below_0.01`, `share_above_0.99` over brain voxels; `mean_log10_sigma`, their mean
        of log10 of the noise's SD, which compares the noise of masks of another range; `noisy_mae` raw and
        `recalibrated_mae` after the least-squares line fitted on training subjects, with `bias`; `penalty`, the mean of
        -log B; `map_correlation`, the mean over pairs of subjects; n.
    """
    settings: dict[str, Any] = {"device": device, "precision": precision, "batch_size": batch_size}
    some = [training[place] for place in range(min(LINE_SUBJECTS, len(training)))]
    line = noisy_predictions(network, predictor, some, aim, **settings, what="recalibrating")
    noisy, goal, penalty = noisy_predictions(network, predictor, validation, aim, **settings)
    straightened = recalibrated(line[0], line[1], noisy)
    values: list[list[float]] = []
    maps: list[tuple[torch.Tensor, torch.Tensor]] = []
    for batch in in_order(validation, batch_size, device, "measuring the mask"):
        logits = torch.cat([mask_logits(network, part.volumes, precision) for _, part in batch.parts()])
        masks = torch.sigmoid(logits).cpu()
        inside = batch.brains.cpu() > 0
        for mask, brain in zip(masks[:, 0], inside[:, 0], strict=True):
            seen = mask[brain].double()
            sigma = aim.noise.sigma(seen).clamp(min=SMALLEST_SIGMA)
            shares = [(seen < 0.01).double().mean(), (seen > 0.99).double().mean()]
            values.append([float(one) for one in (seen.mean(), seen.var(), *shares, sigma.log10().mean())])
            if len(maps) < COMPARED:
                maps.append((mask, brain))
    mean, variance, low, high, log_sigma = np.mean(np.array(values, dtype=float), axis=0)
    return {
        "mask_mean": float(mean),
        "mask_sd": math.sqrt(float(variance)),
        "share_below_0.01": float(low),
        "share_above_0.99": float(high),
        "mean_log10_sigma": float(log_sigma),
        "noisy_mae": float(np.abs(noisy - goal).mean()),
        "recalibrated_mae": float(np.abs(straightened - goal).mean()),
        "bias": float((noisy - goal).mean()),
        "penalty": float(penalty.mean()),
        "map_correlation": _correlation(maps),
        "n": len(validation),
    }


def diagnostic_warnings(floor: dict[str, float], after: dict[str, Any] | None, unit: str) -> list[str]:
    """Warnings about the maps of a fit; empty without a problem.

    Args:
        floor: from `noise_floor`.
        after: from `diagnose`; None before training.
    """
    found = []
    clean, spread = floor["clean_mae"], floor["mean_predictor_mae"]
    if clean > 0.9 * spread:
        found.append(
            f"The predictor's own error, {clean:.2f} {unit}, is no better than predicting the mean"
            f" ({spread:.2f} {unit}): it uses nothing that a map could show."
        )
    if floor["mae_at_0"] > max(2 * clean, clean + 0.25 * spread):
        found.append(
            f"Even the minimum noise destroys the prediction: {floor['mae_at_0']:.2f} {unit} at B ="
            f" 0, {clean:.2f} {unit}"
            " without noise. No mask can correct this: lower v_min (and v_max)."
        )
    if floor["mae_at_1"] < clean + 0.05 * spread:
        found.append(
            f"The maximum noise hardly increases the error: {floor['mae_at_1']:.2f} {unit} at B = 1,"
            f" {clean:.2f} {unit} without noise. Every voxel tolerates it, so none stands out: raise v_max."
        )
    if after is None:
        return found
    if after["share_below_0.01"] > 0.95:
        found.append(f"The mask collapsed to no noise in {after['share_below_0.01']:.0%} of the brain: raise r.")
    if after["share_above_0.99"] > 0.95:
        found.append(f"The mask saturated at full noise in {after['share_above_0.99']:.0%} of the brain: lower r.")
    if after["mask_sd"] < 0.01:
        found.append(f"The mask is flat inside the brain (SD {after['mask_sd']:.4f}): the maps cannot rank voxels.")
    if after["recalibrated_mae"] > clean + 0.25 * spread:
        found.append(
            f"With the learned noise the error is {after['recalibrated_mae']:.2f} {unit} even after recalibration,"
            f" {clean:.2f} {unit} without noise: the noise hides what the predictor uses. Lower r."
        )
    if after["map_correlation"] is not None and after["map_correlation"] > COLLAPSED:
        found.append(
            f"Every subject has the same map (mean correlation {after['map_correlation']:.4f}): it shows the"
            " population, not the subject."
        )
    return found


def _correlation(maps: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> float | None:
    """Mean correlation over pairs of subjects at voxels that are brain in all; None if undefined."""
    common = torch.stack([brain for _, brain in maps]).all(dim=0)
    if len(maps) < 2 or int(common.sum()) < 2:
        return None
    values = torch.stack([mask[common] for mask, _ in maps]).double().numpy()
    if bool((np.ptp(values, axis=1) == 0).any()):
        return None
    together = np.corrcoef(values)
    return float(together[np.triu_indices(len(maps), 1)].mean())


def log_floor(floor: dict[str, float], found: Sequence[str], unit: str) -> None:
    """Log the noise floor before the training."""
    log.info(
        "noise floor: mean absolute error %.2f %s without noise,"
        " %.2f with minimum noise (B = 0), %.2f with maximum noise (B = 1), n = %d",
        floor["clean_mae"],
        unit,
        floor["mae_at_0"],
        floor["mae_at_1"],
        floor["n"],
    )
    for sentence in found:
        log.warning("%s", sentence)
