"""U-noise in 3D (Bintsi et al. 2021; Koker et al. 2021, arXiv 2101.05791): which voxels tolerate little noise?

A U-Net f_psi gives a mask B = f_psi(X) in (0, 1) and with it the standard deviation of the noise that is added to each
voxel. It is trained to add as much as it can (-r log B) while the frozen predictor's answer stays right. A voxel that
tolerates little noise is important: importance = 1 - B, inside the brain.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from interpbench import Explainer, InputError, Predictor, Sample, UsageError, brain_of, check_options, option
from interpbench.kit import PRECISIONS, settle
from interpbench_unoise.chosen import with_prediction, with_target
from interpbench_unoise.diagnostics import diagnose, diagnostic_warnings, log_floor, noise_floor
from interpbench_unoise.frozen import frozen_copy
from interpbench_unoise.loop import Schedule
from interpbench_unoise.noise import NOISE_FORMS, Noise
from interpbench_unoise.objective import ESTIMATORS
from interpbench_unoise.pretraining import pretrain
from interpbench_unoise.training import Objective, mask_logits, train_noise_model
from interpbench_unoise.unet import UNet


@dataclass(frozen=True, kw_only=True)
class UNoise(Explainer):
    """Learns how much noise each voxel tolerates before the prediction gets worse."""

    learned: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {
            "v_min": 1.0,
            "v_max": 5.0,
            "r": 0.1,
            "estimator": "paper",
            "noise_form": "scaled",
            "target": "label",
            "penalty_over": "volume",
            "epochs": 50,
            "pretrain_epochs": 50,
            "batch_size": 2,
            "learning_rate": 1e-4,
            "schedule": "step",
            "milestones_every": 10,
            "channels": 16,
            "blocks": 5,
            "patience": 0,
            "clip": 0.0,
            "start": 0.5,
            "precision": "float32",
        },
        "quick": {"epochs": 2},
    }

    v_min: float = option(
        0.0,
        "SD of the noise at the most important voxels (mask B = 0), in SDs of the normalised volume",
        minimum=0,
        maximum=1e6,
    )
    v_max: float = option(
        1.0,
        "SD of the noise at the least important voxels (mask B = 1), in SDs of the normalised volume",
        above=0,
        maximum=1e6,
    )
    r: float = option(
        0.5,
        "weight of the penalty -log B, in the squared unit of the target, such as years²; a larger one adds more noise",
        above=0,
        maximum=1e9,
    )
    noise_form: str = option(
        "scaled",
        "form of the noise: v_min is part of the SD (scaled) or added to the image (equation1 of the paper)",
        choices=NOISE_FORMS,
    )
    penalty_over: str = option(
        "brain", "voxels that noise is added to, and that the penalty is averaged over", choices=("brain", "volume")
    )
    target: str = option(
        "label",
        "target of the prediction under noise: the label, or the prediction without noise",
        choices=("label", "prediction"),
    )
    estimator: str = option(
        "recalibrated",
        "estimator of the gradient: paper uses one draw of noise, antithetic two opposite ones; recalibrated allows"
        " for a shift of all predictions",
        choices=ESTIMATORS,
    )
    channels: int = option(16, "number of channels after the first block of the U-Net", minimum=1)
    blocks: int = option(
        5, "number of downsampling blocks of the U-Net, and of upsampling blocks", minimum=1, maximum=7
    )
    start: float = option(0.1, "value of the mask B in every voxel at the start of training", above=0, maximum=0.99)
    pretrain_epochs: int = option(
        0, "number of epochs in which the U-Net is pretrained as an autoencoder, before the noise model", minimum=0
    )
    epochs: int = option(10, "number of training epochs of the noise model", minimum=1)
    batch_size: int = option(4, "number of subjects in a training step", minimum=1)
    learning_rate: float = option(
        2e-3, "learning rate of Adam; the highest one for schedule=onecycle", above=0, maximum=1e6
    )
    schedule: str = option("onecycle", "schedule of the learning rate", choices=("step", "onecycle"))
    milestones_every: int = option(
        10, "number of epochs between divisions of the learning rate by 10, for schedule=step", minimum=1
    )
    patience: int = option(
        5, "number of epochs without a lower validation loss after which training stops; 0 for never", minimum=0
    )
    clip: float = option(0.0, "maximum norm of the gradient of the weights; 0 for no limit", minimum=0)
    precision: str = option("float32", "number format of the convolutions in training", choices=PRECISIONS)
    seed: int = option(0, "seed of weights, batches and noise")

    _network: ClassVar[UNet | None] = None  # once fitted: of the instance

    def __post_init__(self) -> None:
        check_options(self)
        if self.v_max <= self.v_min:
            raise UsageError(f"v_max must be above v_min ({self.v_min:g}), got {self.v_max:g}.")

    @property
    def objective(self) -> Objective:
        """The objective of the noise model."""
        noise = Noise(self.v_min, self.v_max, self.noise_form)
        return Objective(noise=noise, r=self.r, penalty_over=self.penalty_over, estimator=self.estimator)

    def fit(
        self,
        predictor: Predictor,
        training: Sequence[Sample],
        validation: Sequence[Sample],
        workspace: Path | None = None,
    ) -> Self:
        """Train the U-Net as the noise model, after `pretrain_epochs` epochs as an autoencoder.

        Raises:
            InputError: nobody in `training` has a target, where `target` is `label`.
        """
        aim, precision = self.objective, self.precision
        device = next(iter(predictor.module.parameters()), torch.empty(0)).device
        size: dict[str, Any] = {"device": device, "batch_size": self.batch_size}
        if self.target == "label":
            training, validation = with_target(training), with_target(validation)
        else:
            training, validation = (with_prediction(some, predictor, **size) for some in (training, validation))
        if not training:
            known = "has an age" if not predictor.classes else "has a class"
            raise InputError(f"No training subject {known}: use target=prediction, which needs none.")
        held_out = validation or training
        floor = noise_floor(predictor, held_out, aim, **size)
        log_floor(floor, diagnostic_warnings(floor, None, predictor.unit), predictor.unit)
        quick = frozen_copy(predictor, training[0].volume[None].to(device), precision)
        ways: dict[str, Any] = {"device": device, "precision": precision}

        with torch.random.fork_rng():
            torch.manual_seed(self.seed % 2**64)
            network = UNet(self.channels, self.blocks)
        settle(network, device)
        kept = {name: None if workspace is None else workspace / f"{name}.pt" for name in ("pretraining", "noise")}
        curves = {}
        if self.pretrain_epochs:
            curves["pretraining"] = pretrain(
                network,
                training,
                validation,
                self._schedule(self.pretrain_epochs),
                checkpoint=kept["pretraining"],
                **ways,
            )
        with torch.random.fork_rng():
            torch.manual_seed(self.seed % 2**64)
            network.restart_last(math.log(self.start / (1 - self.start)))
        curves["noise_model"] = train_noise_model(
            network, quick, training, validation, aim, self._schedule(self.epochs), checkpoint=kept["noise"], **ways
        )
        after = diagnose(network, quick, training, held_out, aim, precision=precision, **size)
        record = {
            "curves": {name: [_without(row, "seconds") for row in rows] for name, rows in curves.items()},
            "training_seconds": sum(row["seconds"] for rows in curves.values() for row in rows),
            "noise_floor": floor,
            "diagnostics": after,
            "selection": {
                "error": after["recalibrated_mae"],
                "clean_error": floor["clean_mae"],
                "unit": predictor.unit,
                "amount": after["mean_log10_sigma"],
                "amount_name": "mean log10 sigma over brain voxels",
                "validation_loss": min(row["validation_loss"] for row in curves["noise_model"]),
            },
            "warnings": diagnostic_warnings(floor, after, predictor.unit),
        }
        return self._fitted(network, record)

    @torch.no_grad()
    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        """1 - B inside the brain, 0 outside."""
        if self._network is None:
            raise UsageError("unoise must be fitted to a predictor before it can explain.")
        network = self._network.to(volumes.device)
        # one subject at a time: convolutions may pick another algorithm for another batch, and round otherwise
        importance = torch.cat([torch.sigmoid(-mask_logits(network, volume[None])) for volume in volumes])
        return importance[:, 0] * brain_of(volumes)

    def state(self) -> dict[str, Tensor]:
        if self._network is None:
            return {}
        # contiguous: the network keeps its weights in the layout that is fast, which safetensors does not store
        return {name: values.detach().contiguous() for name, values in self._network.state_dict().items()}

    def with_state(self, state: Mapping[str, Tensor]) -> Self:
        with torch.random.fork_rng():
            network = UNet(self.channels, self.blocks)
        network.load_state_dict(dict(state))
        return self._fitted(settle(network, torch.device("cpu")), self._record)

    def _fitted(self, network: torch.nn.Module, record: Mapping[str, Any]) -> Self:
        fitted = copy.copy(self)
        object.__setattr__(fitted, "_network", network.eval().requires_grad_(False))
        object.__setattr__(fitted, "_record", record)
        return fitted

    def _schedule(self, epochs: int) -> Schedule:
        return Schedule(
            epochs=epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            kind=self.schedule,
            milestones_every=self.milestones_every,
            patience=self.patience,
            seed=self.seed,
            clip=self.clip,
        )


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
