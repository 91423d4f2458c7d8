"""Does the map change when the network forgets what it learned?

After Adebayo et al. 2018, Sanity checks for saliency maps.

A map that stays the same when the weights are shuffled does not show what the network learned. A method that must learn
is fitted again to each shuffled network: otherwise it would show the old one, and the check would say nothing.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench import (
    Case,
    InterpbenchError,
    Measure,
    Metric,
    NotApplicable,
    Predictor,
    UsageError,
    check_options,
    option,
)
from interpbench.errors import ResourceError
from interpbench_measures.shuffling import LEVELS, randomised
from interpbench_measures.similarity import on_common_scale, spearman, ssim
from interpbench_measures.surrogate import random_like, smoothness

log = logging.getLogger("interpbench")

WORDS = {"last": "the last layer", "half": "the last half of the layers", "all": "all layers"}


@dataclass(frozen=True, kw_only=True)
class Randomisation(Metric):
    """How like its map is to the map of the same method on a network with shuffled weights, inside the brain."""

    repeats: ClassVar[bool] = True

    levels: tuple[str, ...] = option(LEVELS, f"layers whose weights are shuffled, some of {','.join(LEVELS)}")
    pairs: int = option(5, "number of pairs of random maps for the chance level", minimum=1)

    def __post_init__(self) -> None:
        check_options(self)
        unknown = [level for level in self.levels if level not in LEVELS]
        if unknown or not self.levels or len(set(self.levels)) < len(self.levels):
            known, given = ", ".join(LEVELS), ",".join(self.levels)
            raise UsageError(f"levels of Randomisation must be some of {known}, each once, got {given!r}.")

    @property
    def measures(self) -> tuple[Measure, ...]:
        found = []
        for kind, words in (("spearman", "Rank correlation"), ("ssim", "Structural similarity")):
            for level in self.levels:
                help = f"{words} with the map after the weights of {WORDS[level]} are shuffled"
                first = kind == "spearman" and level == "all"
                found.append(
                    Measure(
                        name=f"randomised_{kind}_{level}",
                        unit="",
                        direction="lower",
                        help=help,
                        title=f"Same map with shuffled weights of {WORDS[level]} ({words.lower()})",
                        family="randomisation",
                        question=words.lower(),
                        leads=int(first),
                        column=first,
                        chance_by=f"chance_{kind}",
                        ceiling_by="refitted_spearman" if kind == "spearman" else "",
                    )
                )
        refitted = "Rank correlation with the map of a second fit to the same network; 1 for methods without fitting"
        found.append(_shown("refitted_spearman", "Same map by a second fit (rank correlation)", refitted))
        for kind, words in (("spearman", "Rank correlation"), ("ssim", "Structural similarity")):
            help = f"{words} of two random maps of the same values and smoothness"
            found.append(_shown(f"chance_{kind}", f"Likeness of random maps ({words.lower()})", help))
        return tuple(found)

    def measure(self, case: Case) -> Mapping[str, float | Sequence[float]]:
        brain = case.brain.cpu().numpy()
        figures: dict[str, float | Sequence[float]] = {}
        reasons = []
        for level in self.levels:
            found, reason = _randomised(case, level, brain)
            figures |= {f"randomised_spearman_{level}": found[0], f"randomised_ssim_{level}": found[1]}
            reasons.append(reason)
        if all(reasons):
            raise NotApplicable(reasons[-1])
        refitted = _refitted(case) if case.learned else case.map  # no fit, no difference
        figures["refitted_spearman"] = likeness(case.map, refitted, brain)[0]
        figures["chance_spearman"], figures["chance_ssim"] = self._chance(case, brain)
        return figures

    def _chance(self, case: Case, brain: NDArray[np.bool_]) -> tuple[float, float]:
        scaled, generator = on_common_scale(case.map.cpu().numpy(), brain), case.generator("random maps")
        sigma = smoothness(scaled, brain)
        found = []
        for _ in range(self.pairs):
            first, second = (random_like(scaled, brain, sigma, generator) for _ in range(2))
            found.append((spearman(first, second, brain), ssim(first, second, brain)))
        rank, structure = np.mean(found, axis=0)
        return float(rank), float(structure)


def likeness(first: Tensor, second: Tensor, brain: NDArray[np.bool_]) -> tuple[float, float]:
    """Rank correlation and structural similarity of `|map|` inside the brain; NaN where one of them is constant.

    Args:
        first, second: `(I, J, K)`; each is brought to its own scale from 0 to 1 for the structural similarity.
        brain: `(I, J, K)`.
    """
    one, two = (map.abs().double().cpu().numpy() for map in (first, second))
    rank = spearman(one, two, brain)
    if math.isnan(rank):
        return math.nan, math.nan
    return rank, ssim(on_common_scale(one, brain), on_common_scale(two, brain), brain)


def _shown(name: str, title: str, help: str) -> Measure:
    return Measure(name=name, unit="", direction=None, help=help, title=title, family="randomisation")


def _randomised(case: Case, level: str, brain: NDArray[np.bool_]) -> tuple[tuple[float, float], str]:
    """Both likenesses at one level, and why they are NaN, "" where they are not."""
    other, reason = case.once(f"weights shuffled: {level}", partial(_shuffled, case, level))
    try:
        if not reason:
            return likeness(case.map, case.explain(predictor=other), brain), ""
    except ResourceError:
        raise
    except InterpbenchError as error:  # the method, or its fit, cannot cope with such a network
        reason = str(error)
    log.info("sub-%s, %s, weights of %s shuffled: %s", case.subject, case.method, WORDS[level], reason)
    return (math.nan, math.nan), reason


def _shuffled(case: Case, level: str) -> tuple[Predictor | None, str]:
    """The shuffled predictor, or why there is none that a map can be made of."""
    try:
        other = randomised(case.predictor, level, case.run_seed)
    except NotApplicable as error:
        return None, str(error)
    if other.fingerprint == case.predictor.fingerprint:
        return None, f"the weights of {WORDS[level]} are all equal, so shuffling changes nothing"
    volume = case.volume[None].detach().clone().requires_grad_(True)  # (1, 1, I, J, K)
    with torch.enable_grad():
        prediction = other.predict(volume).sum()
        if not bool(torch.isfinite(prediction)):
            return None, f"with the weights of {WORDS[level]} shuffled the prediction is not finite"
        if not prediction.requires_grad:
            return other, ""
        gradient = torch.autograd.grad(prediction, volume, allow_unused=True)[0]
    if gradient is None or not bool(gradient.any()) or not bool(torch.isfinite(gradient).all()):
        return None, f"with the weights of {WORDS[level]} shuffled the gradient is zero or not finite"
    return other, ""


def _refitted(case: Case) -> Tensor:
    """The map of the method fitted again: a predictor in a module of its own asks for that, whatever its weights."""
    return case.explain(predictor=case.once("the same weights again", partial(copy.deepcopy, case.predictor)))
