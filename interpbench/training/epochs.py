"""Train a network with Adam for any goal, and keep the epoch with the best validation figure."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from interpbench.contract.interfaces import Sample
from interpbench.errors import InterpbenchError
from interpbench.host.foreign import asking
from interpbench.options import check_options, option
from interpbench.predictor.layout import layout_for, settle
from interpbench.predictor.precision import PRECISIONS, arithmetic
from interpbench.progress import track
from interpbench.training.augmentation import Augmentation
from interpbench.training.checkpoint import Checkpoint
from interpbench.training.schedule import SCHEDULES, learning_rate_schedule

log = logging.getLogger("interpbench")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a predictor is trained; the defaults are the paper's."""

    epochs: int = option(40, "number of training epochs", minimum=1)
    batch_size: int = option(8, "number of subjects in a training step", minimum=1)
    learning_rate: float = option(
        1e-4, "learning rate of Adam; the highest one for schedule=onecycle", above=0, maximum=1e6
    )
    schedule: str = option(
        "step",
        "schedule of the learning rate: step divides it by 10 at intervals, onecycle raises and lowers it once",
        choices=SCHEDULES,
    )
    milestones_every: int = option(
        10, "number of epochs between divisions of the learning rate by 10, for schedule=step", minimum=1
    )
    weight_decay: float = option(
        0.0, "weight decay of AdamW, per step and unit of learning rate", minimum=0, maximum=1e3
    )
    precision: str = option("float32", "number format of the convolutions", choices=PRECISIONS)
    flip: float = option(0.0, "probability that a training volume is mirrored left to right", minimum=0, maximum=1)
    shift: int = option(
        0, "maximum random shift of a training volume along each axis, in voxels", minimum=0, maximum=100
    )
    noise: float = option(
        0.0, "SD of the noise added to a training volume, in SDs of the normalised volume", minimum=0, maximum=1e3
    )

    def __post_init__(self) -> None:
        check_options(self)


class Goal(Protocol):
    """The goal of a training: its loss and its validation figures."""

    def read(self, output: Any) -> Tensor:
        """The values for the loss, float32 `(B, ...)`, from the network's output."""

    def loss(self, read: Tensor, samples: Sequence[Sample]) -> Tensor:
        """The mean loss over a batch, a tensor of one number."""

    def trained(self, loss: float) -> Mapping[str, float]:
        """The figures of the training curve for the mean loss of an epoch, by name."""

    def validated(self, read: Tensor, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Figures of held-out samples, by name; the lowest first one chooses the epoch. NaN without samples."""


@dataclass(frozen=True)
class Trained:
    """The result of a training: the best epoch's weights, and the training curve."""

    module: nn.Module
    best_epoch: int
    curve: list[dict[str, Any]]  # a row an epoch


def train_epochs(
    module: nn.Module,
    goal: Goal,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    settings: TrainingSettings,
    *,
    left_right: int = 0,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
) -> Trained:
    """Minimise the goal's loss over the training split.

    Args:
        module: the network; it is trained in place.
        validation: chooses the epoch whose weights are kept; the last one's are where it is empty.
        left_right: the axis of `(I, J, K)` that a flip mirrors.
        checkpoint: a file written after each epoch; where it is there at the start, training goes on from it and ends
            with the same bytes on a CPU.

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
        optimiser,
        settings.schedule,
        settings.learning_rate,
        epochs=settings.epochs,
        steps=steps,
        milestones_every=settings.milestones_every,
    )

    curve: list[dict[str, Any]] = []
    best, best_epoch, best_score = copy.deepcopy(module.state_dict()), 0, math.inf
    kept = Checkpoint(checkpoint, network=module, optimiser=optimiser, schedule=schedule)
    if (found := kept.find(device)) is not None:
        curve, best, best_epoch, best_score = (found[name] for name in ("curve", "best", "best_epoch", "best_score"))
        generator.set_state(found["generator"].cpu())
        log.info("training continues after epoch %d", len(curve))
    with track((), "training", total=(settings.epochs - len(curve)) * steps, unit="step") as bar:
        for epoch in range(len(curve) + 1, settings.epochs + 1):
            bar.set_description(f"training, epoch {epoch} of {settings.epochs}")
            started = time.perf_counter()
            module.train()
            rate = float(optimiser.param_groups[0]["lr"])
            total = 0.0
            for samples in _batches(training, settings.batch_size, generator):
                volumes = augment(torch.stack([sample.volume for sample in samples]), generator)
                loss = goal.loss(_read(goal, module, volumes, settings.precision, device), samples)
                optimiser.zero_grad(set_to_none=True)
                with asking("the network", volumes):
                    loss.backward()
                optimiser.step()
                schedule.step()
                bar.update()
                total += float(loss.detach()) * len(samples)
            if not math.isfinite(total):
                raise InterpbenchError(
                    f"Training diverged in epoch {epoch}: the loss is {total}. Use a learning rate below {rate:g}."
                )
            figures = goal.validated(read_samples_of(goal, module, validation, settings, device), validation)
            name, score = next(iter(figures.items()))
            if not validation:
                score = -epoch  # the last epoch wins
            if score < best_score:
                best, best_epoch, best_score = copy.deepcopy(module.state_dict()), epoch, score
            curve.append({"epoch": epoch, "learning_rate": rate, **goal.trained(total / len(training)), **figures})
            told = {key: f"{value:.2f}" for key, value in figures.items()}
            log.info("training, epoch %d of %d: %s %s", epoch, settings.epochs, name.replace("_", " "), told[name])
            bar.set_postfix(told, seconds=f"{time.perf_counter() - started:.1f}")
            kept.keep(
                curve=curve, best=best, best_epoch=best_epoch, best_score=best_score, generator=generator.get_state()
            )
    module.load_state_dict(best)
    module.eval()
    return Trained(module, best_epoch, curve)


@torch.no_grad()
def read_samples_of(
    goal: Goal,
    module: nn.Module,
    samples: Sequence[Sample],
    settings: TrainingSettings,
    device: torch.device | str = "cpu",
) -> Tensor:
    """The goal's values for samples, `(n, ...)`; the network is put in eval mode."""
    device = torch.device(device)
    module.eval()
    found = []
    for start in range(0, len(samples), settings.batch_size):
        some = [samples[index] for index in range(start, min(start + settings.batch_size, len(samples)))]
        volumes = torch.stack([sample.volume for sample in some])
        found.append(_read(goal, module, volumes, settings.precision, device))
    return torch.cat(found) if found else torch.empty(0, device=device)


def _read(goal: Goal, module: nn.Module, volumes: Tensor, precision: str, device: torch.device) -> Tensor:
    volumes = volumes.to(device, non_blocking=True).contiguous(memory_format=layout_for(device))
    with asking("the network", volumes):
        with arithmetic(device, precision):
            output = module(volumes)
        return goal.read(output).float()


def _batches(samples: Sequence[Sample], size: int, generator: torch.Generator) -> Iterator[list[Sample]]:
    """Every sample once, in random order, in batches of nearly equal size: batch norm never gets one sample."""
    order = torch.randperm(len(samples), generator=generator)
    for part in order.tensor_split(math.ceil(len(samples) / size)):
        yield [samples[int(index)] for index in part]
