"""Pretraining of the U-Net as an autoencoder: voxel-wise mean squared error (Bintsi et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench import Sample
from interpbench_unoise.batches import Batch, in_order
from interpbench_unoise.loop import Schedule, train_by_epochs
from interpbench_unoise.training import mask_logits
from interpbench_unoise.unet import UNet


def pretrain(
    network: UNet,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    schedule: Schedule,
    *,
    device: torch.device,
    precision: str = "float32",
    checkpoint: Path | None = None,
) -> list[dict[str, Any]]:
    """Train the U-Net as an autoencoder, in place.

    Returns:
        The curve, a row an epoch; `validation_loss` is in squared units of the normalised volume.
    """

    def loss(part: Batch) -> Tensor:
        return F.mse_loss(mask_logits(network, part.volumes, precision), part.volumes)

    def step(batch: Batch, _generator: torch.Generator) -> None:
        for _, part in batch.parts():
            (loss(part) * (len(part) / len(batch))).backward()

    @torch.no_grad()
    def validate() -> dict[str, float]:
        held_out = validation or training
        total = 0.0
        for batch in in_order(held_out, schedule.batch_size, device):
            total += sum(float(loss(part)) * len(part) for _, part in batch.parts())
        return {"validation_loss": total / len(held_out)}

    return train_by_epochs(
        network,
        training,
        schedule,
        what="pretraining",
        device=device,
        step=step,
        validate=validate,
        checkpoint=checkpoint,
    )
