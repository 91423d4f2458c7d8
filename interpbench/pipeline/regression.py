"""Train a network to predict one number a volume: mean squared error, Adam, best epoch by validation MAE."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from interpbench.errors import InterpbenchError
from interpbench.interfaces import Sample
from interpbench.layout import layout_for, settle
from interpbench.network import NetworkPredictor
from interpbench.options import check_options, option
from interpbench.pipeline.augmentation import Augmentation
from interpbench.precision import PRECISIONS, arithmetic
from interpbench.progress import track
from interpbench.schedule import SCHEDULES, learning_rate_schedule

log = logging.getLogger("interpbench")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a predictor is trained; the defaults are the paper's."""

    epochs: int = option(40, "passes over the training split", minimum=1)
    batch_size: int = option(8, "subjects a step", minimum=1)
    learning_rate: float = option(1e-4, "Adam's step size; the highest one where the schedule is onecycle", above=0)
    schedule: str = option("step", "step: divided by 10 every so many epochs; onecycle: up and down once",
                           choices=SCHEDULES)
    milestones_every: int = option(10, "epochs between two divisions of the learning rate by 10", minimum=1)
    weight_decay: float = option(0.0, "L2 penalty on the weights (decoupled from the gradient)", minimum=0)
    precision: str = option("float32", "arithmetic of the convolutions", choices=PRECISIONS)
    flip: float = option(0.0, "probability of mirroring a training volume left to right", minimum=0, maximum=1)
    shift: int = option(0, "largest random shift of a training volume along each axis, in voxels", minimum=0)
    noise: float = option(0.0, "standard deviation of the noise added to a training volume", minimum=0)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class Trained:
    """The best epoch's weights, and how the training went."""

    module: nn.Module
    best_epoch: int
    curve: list[dict[str, Any]]  # a row an epoch


def train_network(
    predictor: NetworkPredictor,
    module: nn.Module,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    settings: TrainingSettings,
    *,
    scale: float,
    offset: float,
    left_right: int = 0,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Trained:
    """Minimise the mean of `(read_out(module(x)) - (y - offset) / scale)**2` over the training split.

    Args:
        predictor: whose `read_out` turns the network's output into a number.
        module: the network; it is trained in place.
        validation: chooses the epoch whose weights are kept; the last one's are where it is empty.
        scale, offset: put the target to unit variance and zero mean; in the target's unit.
        left_right: the axis of `(I, J, K)` that a flip mirrors.

    Raises:
        InterpbenchError: the loss is no longer a number.
    """
    device = torch.device(device)
    generator = torch.Generator().manual_seed(seed)
    settle(module, device).requires_grad_(True)
    augment = Augmentation(flip=settings.flip, shift=settings.shift, noise=settings.noise, left_right=left_right)
    optimiser = torch.optim.AdamW(module.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = math.ceil(len(training) / settings.batch_size)
    schedule = learning_rate_schedule(
        optimiser, settings.schedule, settings.learning_rate,
        epochs=settings.epochs, steps=steps, milestones_every=settings.milestones_every,
    )  # fmt: skip

    curve: list[dict[str, Any]] = []
    best, best_epoch, best_score = copy.deepcopy(module.state_dict()), 0, math.inf
    bar = track(range(1, settings.epochs + 1), "training", unit="epoch")
    for epoch in bar:
        started = time.perf_counter()
        module.train()
        rate = float(optimiser.param_groups[0]["lr"])
        squares = 0.0
        for samples in _batches(training, settings.batch_size, generator):
            volumes = augment(torch.stack([sample.volume for sample in samples]), generator)
            targets = torch.tensor([(sample.target - offset) / scale for sample in samples], device=device)
            outputs = _forward(predictor, module, volumes, settings.precision, device)
            loss = (outputs - targets).square().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            squares += float(loss.detach()) * len(samples)
        if not math.isfinite(squares):
            raise InterpbenchError(
                f"Training diverged in epoch {epoch}: the loss is {squares}. Use a learning rate below {rate:g}."
            )
        errors = [
            abs(value - sample.target)
            for value, sample in zip(
                predict_samples(predictor, module, validation, settings, scale=scale, offset=offset, device=device),
                validation,
                strict=True,
            )
        ]
        score = sum(errors) / len(errors) if errors else -epoch  # without a validation split the last epoch wins
        if score < best_score:
            best, best_epoch, best_score = copy.deepcopy(module.state_dict()), epoch, score
        row = {"epoch": epoch, "learning_rate": rate, "training_rmse": scale * math.sqrt(squares / len(training)),
               "validation_mae": score if errors else math.nan}
        curve.append(row)
        log.info("training, epoch %d of %d: validation error %.2f", epoch, settings.epochs, row["validation_mae"])
        bar.set_postfix(validation_mae=f"{row['validation_mae']:.2f}", seconds=f"{time.perf_counter() - started:.1f}")
    module.load_state_dict(best)
    module.eval()
    return Trained(module, best_epoch, curve)


@torch.no_grad()
def predict_samples(
    predictor: NetworkPredictor,
    module: nn.Module,
    samples: Sequence[Sample],
    settings: TrainingSettings,
    *,
    scale: float,
    offset: float,
    device: torch.device | str = "cpu",
) -> list[float]:
    """Predict each sample, in the target's unit."""
    device = torch.device(device)
    module.eval()
    values: list[float] = []
    for start in range(0, len(samples), settings.batch_size):
        some = [samples[index] for index in range(start, min(start + settings.batch_size, len(samples)))]
        volumes = torch.stack([sample.volume for sample in some])
        outputs = _forward(predictor, module, volumes, settings.precision, device)
        values += (outputs.double() * scale + offset).tolist()
    return values


def _forward(
    predictor: NetworkPredictor, module: nn.Module, volumes: Tensor, precision: str, device: torch.device
) -> Tensor:
    volumes = volumes.to(device, non_blocking=True).contiguous(memory_format=layout_for(device))
    with arithmetic(device, precision):
        outputs = module(volumes)
    return predictor.read_out(outputs).float()


def _batches(samples: Sequence[Sample], size: int, generator: torch.Generator) -> Iterator[list[Sample]]:
    """Every sample once, in random order, in batches that differ by one at most: batch norm never sees one alone."""
    order = torch.randperm(len(samples), generator=generator)
    for part in order.tensor_split(math.ceil(len(samples) / size)):
        yield [samples[int(index)] for index in part]
