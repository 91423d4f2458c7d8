"""One training of the noise model, measured after every epoch against the truth and on the validation split."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from case import Case
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from interpbench import Sample
from interpbench.kit import arithmetic, settle
from interpbench.options import options_json
from interpbench_unoise.diagnostics import LINE_SUBJECTS
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.loop import Schedule
from interpbench_unoise.recalibration import recalibrated
from interpbench_unoise.training import mask_logits, noisy_predictions, train_noise_model
from interpbench_unoise.unet import UNet

PROBE_STEPS = 4  # of an epoch, to tell how long one takes
SHARED = ("batch_size", "learning_rate", "milestones_every", "patience", "seed", "clip")  # of explainer and schedule

CPU = torch.device("cpu")

log = logging.getLogger("interpbench")


def train_measured(
    explainer: UNoise, network: UNet, case: Case, *, budget: float | None, blur: float, device: torch.device
) -> dict[str, Any]:
    """Train the noise model in place, and measure after every epoch; only training is timed.

    Args:
        network: pretrained; it ends with the weights of the epoch of the lowest validation loss.
        budget: seconds of training; None trains `explainer.epochs` epochs.
        blur: SD of the smoothing, in voxels.

    Returns:
        `curve`, a row an epoch; `kept`, the same figures for the weights that are kept, with those of the smoothed maps
        and `rms_sigma`, each test subject's root-mean-square sigma over its brain.
    """
    settings: dict[str, Any] = {"device": device, "precision": explainer.precision}
    epochs = explainer.epochs
    if budget is not None:
        few = case.training[: PROBE_STEPS * explainer.batch_size]
        rows = train_noise_model(
            copy.deepcopy(network),
            case.predictor,
            few,
            few[:1],
            explainer.objective,
            schedule_of(explainer, 2),
            **settings,
        )
        epochs = max(1, round(budget * len(few) / (max(rows[-1]["seconds"], 1e-3) * len(case.training))))
    measured = AfterEpoch(lambda: measure(network, case, explainer, device))
    with listening(measured):
        curve = train_noise_model(
            network,
            case.predictor,
            case.training,
            case.validation,
            explainer.objective,
            schedule_of(explainer, epochs),
            **settings,
        )
    rows, so_far = [], 0.0
    for row, found in zip(curve, measured.rows, strict=True):
        so_far += row["seconds"]
        rows.append(
            {
                "epoch": row["epoch"],
                "seconds": round(so_far, 2),
                "validation_loss": row["validation_loss"],
                **{key: value for key, value in found.items() if key != "subject_aucs"},
            }
        )
    losses = [row["validation_loss"] for row in rows]
    maps = maps_of(network, case, device)
    kept = {
        **measure(network, case, explainer, device),
        "smoothed": case.localise(case.blurred(maps, blur)),
        "rms_sigma": rms_sigma(maps, explainer, case),
    }
    return {
        "options": options_json(explainer),
        "epochs": epochs,
        "kept_epoch": rows[losses.index(min(losses))]["epoch"],
        "seconds": rows[-1]["seconds"],
        "curve": rows,
        "kept": kept,
    }


@torch.no_grad()
def measure(network: UNet, case: Case, explainer: UNoise, device: torch.device) -> dict[str, Any]:
    """Where the maps of the test subjects point, and what the noise costs on the validation split.

    Returns:
        As `Case.localise`; `mask_mean` over the test subjects' brains; `noisy_mae` raw and `recalibrated_mae`, in the
        predictor's unit; `loss`, Eq. 2 of the paper, and `recalibrated_loss`, the same after the least-squares line
        fitted on training subjects: the same two for every estimator, whatever it was trained with.
    """
    aim = explainer.objective
    settings: dict[str, Any] = {"device": device, "precision": explainer.precision, "batch_size": explainer.batch_size}
    line = noisy_predictions(network, case.predictor, case.training[:LINE_SUBJECTS], aim, **settings)
    noisy, goal, penalty = noisy_predictions(network, case.predictor, case.validation, aim, **settings)
    straight = recalibrated(line[0], line[1], noisy)
    maps = maps_of(network, case, device)
    shares = [float(1 - map[sample.brain].double().mean()) for map, sample in zip(maps, case.test, strict=True)]
    extra = aim.r * float(penalty.mean())
    return {
        **case.localise(maps),
        "mask_mean": float(np.mean(shares)),
        "penalty": float(penalty.mean()),
        "noisy_mae": float(np.abs(noisy - goal).mean()),
        "recalibrated_mae": float(np.abs(straight - goal).mean()),
        "loss": float(np.square(noisy - goal).mean()) + extra,
        "recalibrated_loss": float(np.square(straight - goal).mean()) + extra,
    }


@torch.no_grad()
def maps_of(network: UNet, case: Case, device: torch.device) -> list[Tensor]:
    """1 - B of each test subject, `(I, J, K)`."""
    return [torch.sigmoid(-mask_logits(network, one.volume[None].to(device)))[0, 0].cpu() for one in case.test]


@torch.no_grad()
def mean_auc(network: UNet, case: Case, test: Sequence[Sample]) -> float:
    """AUC of the truth inside the brain by 1 - B, mean over subjects."""
    found = []
    for one in test:
        with arithmetic(CPU):
            found.append(case.subject_auc(-network(one.volume[None])[0, 0], one))
    return sum(found) / len(found)


def rms_sigma(maps: Sequence[Tensor], explainer: UNoise, case: Case) -> list[float]:
    """Each test subject's root-mean-square sigma over its brain, in SDs of the normalised volume."""
    sigmas = [
        explainer.objective.noise.sigma(1 - map[sample.brain].double())
        for map, sample in zip(maps, case.test, strict=True)
    ]
    return [float(sigma.square().mean().sqrt()) for sigma in sigmas]


def first_network(explainer: UNoise) -> UNet:
    """The U-Net with its first weights, as `UNoise.fit` makes it on a CPU."""
    with torch.random.fork_rng():
        torch.manual_seed(explainer.seed)
        return settle(UNet(explainer.channels, explainer.blocks), CPU)


def restart(network: UNet, explainer: UNoise) -> None:
    """Begin the noise model at the mask `start`, as `UNoise.fit` does."""
    with torch.random.fork_rng():
        torch.manual_seed(explainer.seed)
        network.restart_last(math.log(explainer.start / (1 - explainer.start)))


@contextmanager
def listening(handler: logging.Handler) -> Iterator[None]:
    """Have a handler told of what interpbench reports meanwhile."""
    level = log.level
    log.addHandler(handler)
    log.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextmanager
def after_every_step(call: Callable[..., None]) -> Iterator[None]:
    """Have something called after each step of any optimiser."""
    hook = register_optimizer_step_post_hook(call)
    try:
        yield
    finally:
        hook.remove()


class AfterEpoch(logging.Handler):
    """Measures whenever the noise model's training reports that an epoch has ended; a log handler.

    The plugin's own training loop is what is compared, so nothing is put into it, and nothing of it is copied here.
    """

    def __init__(self, measure: Callable[[], dict[str, Any]]) -> None:
        super().__init__(logging.INFO)
        self.measure = measure
        self.rows: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("noise model, epoch "):
            self.rows.append(self.measure())


def schedule_of(explainer: UNoise, epochs: int) -> Schedule:
    """The explainer's training, for this many epochs."""
    return Schedule(
        epochs=epochs,
        kind=explainer.schedule,
        **{name: getattr(explainer, name) for name in SHARED},
    )
