"""One training of U-noise, with or without pretraining, and what it had reached after which time of the processor."""

from __future__ import annotations

import logging
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from case import Case
from noise_run import CPU, after_every_step, first_network, listening, mean_auc, restart, schedule_of

from interpbench import Sample
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.frozen import frozen_copy
from interpbench_unoise.pretraining import pretrain
from interpbench_unoise.training import train_noise_model
from interpbench_unoise.unet import UNet

FIGURES = ("validation_loss", "validation_error", "validation_penalty", "noisy_mae", "recalibrated_mae")


class StepClock(logging.Handler):
    """The time of the processor that steps of training take: it stands still while anything is validated or measured.

    A log handler, for the training tells at the end of each epoch that its validation is done.

    Args:
        measure: the AUC now; None where nobody knows the truth.
        every: steps of the noise model between two measurements.
    """

    def __init__(self, measure: Callable[[], float] | None, every: int) -> None:
        super().__init__(logging.INFO)
        self.measure, self.every = measure, every
        self.seconds: list[float] = []  # of each step
        self.ends: list[int] = []  # steps at the end of each epoch
        self.pretraining_steps = 0
        self.aucs: list[dict[str, Any]] = []
        self._since = time.process_time()

    @property
    def total(self) -> float:
        """Seconds of all steps so far, those of the pretraining among them."""
        return sum(self.seconds)

    def noise_model_begins(self) -> None:
        """All steps so far were of the pretraining."""
        self.pretraining_steps, self.ends = len(self.seconds), []
        self._since = time.process_time()

    def step(self, *_: Any) -> None:
        """After a step of an optimiser."""
        self.seconds.append(time.process_time() - self._since)
        self._since = time.process_time()

    def measured_step(self, *_: Any) -> None:
        """After a step of the noise model's optimiser."""
        self.step()
        steps = len(self.seconds) - self.pretraining_steps
        if self.measure is not None and steps % self.every == 0:
            row = {"step": steps, "cpu_seconds": round(self.total, 2), "auc": round(self.measure(), 5)}
            logging.getLogger("interpbench").info("step %(step)d, %(cpu_seconds).0f s: AUC %(auc).4f", row)
            self.aucs.append(row)
            self._since = time.process_time()

    def emit(self, record: logging.LogRecord) -> None:
        """An epoch ended, its validation included."""
        if ", epoch " in record.getMessage():
            self.ends.append(len(self.seconds))
            self._since = time.process_time()


def step_costs(case: Case, explainer: UNoise, training: Sequence[Sample], steps: int) -> dict[str, float]:
    """Median seconds of the processor for a step of the pretraining and one of the noise model.

    Args:
        steps: that are timed of each, after one that warms up.
    """
    few = training[: (steps + 1) * explainer.batch_size]
    clock = train(case, replace(explainer, pretrain_epochs=1, epochs=1), few, few[:1], StepClock(None, 1))[0]
    first = clock.pretraining_steps
    return {
        "pretraining": statistics.median(clock.seconds[1:first]),
        "noise_model": statistics.median(clock.seconds[first + 1 :]),
    }


def train(
    case: Case,
    explainer: UNoise,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    clock: StepClock,
    network: UNet | None = None,
) -> tuple[StepClock, list[dict[str, Any]], list[dict[str, Any]]]:
    """As `UNoise.fit` does it, in steps that the clock counts.

    Returns:
        The clock, and the curves of the pretraining and of the noise model, a row an epoch.
    """
    network = network or first_network(explainer)
    ways: dict[str, Any] = {"device": CPU, "precision": explainer.precision}
    quick = frozen_copy(case.predictor, training[0].volume[None], explainer.precision)
    curve: list[dict[str, Any]] = []
    with listening(clock):
        if explainer.pretrain_epochs:
            with after_every_step(clock.step):
                curve = pretrain(
                    network, training, validation, schedule_of(explainer, explainer.pretrain_epochs), **ways
                )
        restart(network, explainer)
        clock.noise_model_begins()
        with after_every_step(clock.measured_step):
            noise = train_noise_model(
                network,
                quick,
                training,
                validation,
                explainer.objective,
                schedule_of(explainer, explainer.epochs),
                **ways,
            )
    return clock, curve, noise


def run_arm(
    case: Case, explainer: UNoise, training: Sequence[Sample], test: Sequence[Sample], every: int
) -> dict[str, Any]:
    """Train, and measure on the way.

    Args:
        test: whose maps are held against the truth; nobody where it is unknown.
        every: steps between two measurements of the AUC.

    Returns:
        Seconds of the processor in steps (`cpu_seconds`, of which `pretraining_seconds`); the `curve` of the noise
        model, a row an epoch; the `aucs`, a row a measurement; and the AUC of the weights that are kept, those of the
        epoch of the lowest validation loss.
    """
    network = first_network(explainer)
    measure = (lambda: mean_auc(network, case, test)) if test else None
    clock, before, noise = train(case, explainer, training, case.validation, StepClock(measure, every), network)
    rows = [
        {
            "epoch": row["epoch"],
            "cpu_seconds": round(sum(clock.seconds[:end]), 2),
            **{name: round(row[name], 5) for name in FIGURES},
        }
        for row, end in zip(noise, clock.ends, strict=True)
    ]
    return {
        "pretrain_epochs": explainer.pretrain_epochs,
        "epochs": explainer.epochs,
        "steps": len(clock.seconds) - clock.pretraining_steps,
        "cpu_seconds": round(clock.total, 2),
        "pretraining_seconds": round(sum(clock.seconds[: clock.pretraining_steps]), 2),
        "reconstruction": [round(row["validation_loss"], 5) for row in before],
        "curve": rows,
        "aucs": clock.aucs,
        "kept_auc": round(measure(), 5) if measure else None,
    }


def epochs_within(budget: float, costs: dict[str, float], pretrain_epochs: int, steps: int) -> int:
    """How many epochs of the noise model fit into the time that the pretraining leaves, one at least.

    Args:
        budget: seconds of the processor.
        costs: from `step_costs`.
        steps: in an epoch.
    """
    left = budget - pretrain_epochs * steps * costs["pretraining"]
    return max(1, math.floor(left / (steps * costs["noise_model"])))


def evenly(samples: Sequence[Sample], number: int) -> list[Sample]:
    """So many of the subjects, at even steps of their rank by age."""
    ranked = sorted(samples, key=lambda sample: sample.target)
    some = min(number, len(ranked))
    return [ranked[int((place + 0.5) * len(ranked) / some)] for place in range(some)]
