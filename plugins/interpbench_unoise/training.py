"""Training of the noise model: the U-Net with a sigmoid, followed by the frozen predictor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interpbench import Predictor, Sample
from interpbench.kit import arithmetic
from interpbench_unoise.batches import Batch, in_order
from interpbench_unoise.loop import Schedule, train_by_epochs
from interpbench_unoise.noise import Noise, generator_on, standard_normal
from interpbench_unoise.objective import objective, penalty_of
from interpbench_unoise.recalibration import Recalibration
from interpbench_unoise.unet import UNet

DRAWS = 128  # of noise in a validation, at least: it puts the standard error of the variance at an eighth of it
VALIDATION_SEED = 20_211_231  # the same noise in every validation, so that epochs differ by the mask alone


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The objective that the noise model minimises."""

    noise: Noise
    r: float  # squared unit of the target
    penalty_over: str  # "brain" or "volume"
    estimator: str

    def where(self, brains: Tensor) -> Tensor:
        """1 where noise is added and penalised."""
        return brains if self.penalty_over == "brain" else torch.ones_like(brains)


def mask_logits(network: UNet, volumes: Tensor, precision: str = "float32") -> Tensor:
    """The logits of the mask B, `(B, 1, I, J, K)` float32."""
    with arithmetic(volumes.device, precision):
        logits = network(volumes)
    return torch.as_tensor(logits.float())


def noise_step(
    network: UNet,
    predictor: Predictor,
    batch: Batch,
    aim: Objective,
    epsilon: Tensor,
    *,
    recalibration: Recalibration,
    precision: str = "float32",
) -> tuple[Tensor, Tensor]:
    """Add the gradient of a batch's objective to the gradients of the network's weights.

    The predictor gives its gradient by the noisy volume and is done with before the U-Net's backward pass begins, so
    that only one of the two takes memory at a time.

    Args:
        epsilon: `(B, 1, I, J, K)`, standard normal.
        recalibration: the running line from noisy prediction to target; it takes in this batch at the end.

    Returns:
        The noisy predictions and the mean of -log B of each subject, `(B,)` both.
    """
    predictions, penalties = [], []
    for place, part in batch.parts():
        logits = mask_logits(network, part.volumes, precision)
        scalar, seen, penalty = objective(
            predictor,
            part.volumes,
            part.targets,
            logits,
            aim.where(part.brains),
            noise=aim.noise,
            r=aim.r,
            epsilon=epsilon[place],
            estimator=aim.estimator,
            slope=recalibration.slope,
            precision=precision,
        )
        (scalar * (len(part) / len(batch))).backward()
        predictions.append(seen)
        penalties.append(penalty)
    found = torch.cat(predictions)
    recalibration.update(found, batch.targets)
    return found, torch.cat(penalties)


def train_noise_model(
    network: UNet,
    predictor: Predictor,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    aim: Objective,
    schedule: Schedule,
    *,
    device: torch.device,
    precision: str = "float32",
    checkpoint: Path | None = None,
) -> list[dict[str, Any]]:
    """Train the noise model, in place.

    Returns:
        The curve, a row an epoch: `validation_loss` is what the estimator minimises, on held-out subjects and in the
        target's squared unit: r times the penalty plus `validation_error`, which is the squared error for `paper` and
        `antithetic`, and for `recalibrated` the variance that noise adds to a recalibrated prediction. The squared
        error of a few subjects is mostly their error without noise, which no mask changes and no epoch is told by.
    """
    recalibration = Recalibration()

    def step(batch: Batch, generator: torch.Generator) -> None:
        noise_step(
            network,
            predictor,
            batch,
            aim,
            standard_normal(batch.volumes, generator),
            recalibration=recalibration,
            precision=precision,
        )

    def validate() -> dict[str, float]:
        noisy, goal, penalty = noisy_predictions(
            network,
            predictor,
            validation or training,
            aim,
            device=device,
            precision=precision,
            batch_size=schedule.batch_size,
        )
        line = recalibration.slope * noisy + recalibration.intercept if aim.estimator == "recalibrated" else noisy
        error = float(np.square(line - goal).mean())
        if aim.estimator == "recalibrated":
            error = recalibration.slope**2 * noise_variance(
                network, predictor, validation or training, aim, device=device, precision=precision
            )
        return {
            "validation_loss": error + aim.r * float(penalty.mean()),
            "validation_error": error,
            "validation_penalty": float(penalty.mean()),
            "noisy_mae": float(np.abs(noisy - goal).mean()),
            "recalibrated_mae": float(np.abs(line - goal).mean()),
            "slope": recalibration.slope,
        }

    return train_by_epochs(
        network,
        training,
        schedule,
        what="noise model",
        device=device,
        step=step,
        validate=validate,
        checkpoint=checkpoint,
        remembered={"moments": recalibration.moments},
    )


@torch.no_grad()
def noise_variance(
    network: UNet,
    predictor: Predictor,
    samples: Sequence[Sample],
    aim: Objective,
    *,
    device: torch.device,
    precision: str = "float32",
) -> float:
    """The variance part of the squared error, mean of ((f+ - f-) / 2)^2 over subjects and antithetic draws of noise.

    There are as many draws as make `DRAWS` with all subjects together, the same at every call.
    """
    generator = generator_on(device, VALIDATION_SEED)
    total, number = 0.0, max(1, math.ceil(DRAWS / len(samples)))
    for batch in in_order(samples, 1, device):
        sigma = aim.noise.sigma(torch.sigmoid(mask_logits(network, batch.volumes, precision)))
        moved, where = batch.volumes + aim.noise.shift * aim.where(batch.brains), aim.where(batch.brains)
        for _ in range(number):
            noise = where * sigma * standard_normal(batch.volumes, generator)
            with arithmetic(device, precision):
                plus, minus = predictor.predict(torch.cat([moved + noise, moved - noise])).double()
            total += float((plus - minus) / 2) ** 2 / number
    return total / len(samples)


@torch.no_grad()
def noisy_predictions(
    network: UNet,
    predictor: Predictor,
    samples: Sequence[Sample],
    aim: Objective,
    *,
    device: torch.device,
    precision: str = "float32",
    batch_size: int = 4,
    what: str = "",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each subject's noisy prediction, its target, and the mean of -log B; the noise is the same in every call."""
    generator = generator_on(device, VALIDATION_SEED)
    rows: list[Tensor] = []
    for batch in in_order(samples, batch_size, device, what):
        epsilon = standard_normal(batch.volumes, generator)
        for place, part in batch.parts():
            logits, where = mask_logits(network, part.volumes, precision), aim.where(part.brains)
            sigma = aim.noise.sigma(torch.sigmoid(logits))
            with arithmetic(device, precision):
                found = predictor.predict(part.volumes + where * (aim.noise.shift + sigma * epsilon[place]))
            rows.append(torch.stack([found.float(), part.targets, penalty_of(logits, where)]).cpu())
    noisy_values, goal, penalty_values = torch.cat(rows, dim=1).double().numpy()
    return noisy_values, goal, penalty_values
