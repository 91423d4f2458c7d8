"""The U-Net first learns to reconstruct the volume: voxel-wise mean squared error (Bintsi et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench import Sample, arithmetic
from interpbench_unoise.loop import Batch, Schedule, in_order, train_by_epochs
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

    def loss(batch: Batch) -> Tensor:
        with arithmetic(device, precision):
            output = network(batch.volumes)
        return F.mse_loss(output.float(), batch.volumes)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        held_out = validation or training
        losses = [(float(loss(batch)), len(batch.targets)) for batch in in_order(held_out, schedule.batch_size, device)]
        return {"validation_loss": sum(value * number for value, number in losses) / len(held_out)}

    return train_by_epochs(
        network, training, schedule, what="pretraining", device=device,
        step=lambda batch, generator: loss(batch), validate=validate, checkpoint=checkpoint,
    )  # fmt: skip
