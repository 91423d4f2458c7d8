"""A predictor is tried before a step uses it, and what is doubtful about it is passed on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort.reading import first_volumes
from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Predictor
from interpbench.errors import InputError
from interpbench.host.foreign import asking
from interpbench.host.registry import one_line
from interpbench.images.recipe import Recipe
from interpbench.predictor.model import doubts_of
from interpbench.predictor.readout import check_readout
from interpbench.predictor.steadiness import LARGE, NetworkTrial, try_answers
from interpbench.predictor.trial import equal_predictions, refuse_findings
from interpbench.progress import track
from interpbench.run.provenance import predictor_record

log = logging.getLogger("interpbench")

SOME = 16  # subjects that are predicted to see whether predictions are equal, where volumes are not large
ADOPT_AGAIN = " Where that is meant, `interpbench adopt --accept {kind}` allows it, with a warning."


def try_before_use(predictor: Predictor, volumes: Tensor, who: str, record: Mapping[str, Any]) -> tuple[str, ...]:
    """Refuse a predictor whose answers depend on chance or on the batch, are squashed, or are the same for everybody.

    It is asked four times more than `check_readout` asks it: a model of an old record, or one whose code changed, or a
    plugin's, is tried like any other.

    Args:
        volumes: the first of those that it will see, `(B, 1, I, J, K)`; none, no trial.
        who: how a message calls the predictor.
        record: the predictor's; empty where it has none.

    Returns:
        What is doubtful about the predictor, which belongs beside each of its results; it is logged.

    Raises:
        InputError: what it does that it must not, and was not accepted when it was adopted.
    """
    accepted = accepted_in(record)
    found = NetworkTrial()
    if len(volumes):
        try:
            found = try_answers(predictor, volumes)
        except Exception as error:  # another's code: whoever predicts with it next tells what went wrong
            log.debug("%s could not be tried: %s", who, one_line(error))
    refuse_findings(found.findings, who, accepted, ADOPT_AGAIN if record else "")
    said = check_readout(predictor, volumes, who, stuck="stuck" in accepted)
    known = [one for one in doubts_of(record) if one.partition(": ")[2] not in {two.partition(": ")[2] for two in said}]
    for sentence in known:
        log.warning("%s", sentence)
    return (*known, *said)


def accepted_in(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of findings that whoever adopted a model took upon themselves."""
    trial = record.get("trial")
    accepted = trial.get("accepted") if isinstance(trial, Mapping) else None
    return tuple(str(one) for one in accepted) if isinstance(accepted, list | tuple) else ()


def doubts_of_cohort(predictor: Predictor, who: str | Path, subjects: Sequence[Subject]) -> list[str]:
    """What is doubtful about a predictor on a cohort, before any run: `try_before_use`, and equal predictions.

    Args:
        who: its model folder, or its name.
        subjects: the cohort's; a few of them, evenly from first to last, are predicted.

    Raises:
        InputError: as `try_before_use`.
    """
    few = SOME if math.prod(predictor.recipe.shape) < LARGE else 4
    places = sorted({round(place * (len(subjects) - 1) / max(few - 1, 1)) for place in range(few)}) if subjects else []
    chosen = [subjects[place] for place in places]
    device = torch.device("cpu")
    doubts = try_before_use(predictor, first_volumes(chosen, predictor.recipe, device), str(who), predictor_record(who))
    volume_of, predictions = volumes_of(chosen, predictor.recipe, device), dict[str, float]()
    for place, subject in enumerate(track(chosen, "Trying the predictor", unit="subject")):
        volume = volume_of(place)
        try:
            if volume is not None:
                with torch.no_grad(), asking("the predictor", volume):
                    predictions[subject.id] = float(predictor.predict(volume).double().reshape(()))
        except Exception as error:  # another's code
            raise InputError(f"{who}: cannot predict sub-{subject.id}: {one_line(error)}.") from error
    equal = equal_of_subjects(predictor, chosen, predictions, device)
    for sentence in equal:
        log.warning("%s", sentence)
    return [*doubts, *equal]


def equal_of_subjects(
    predictor: Predictor, subjects: Sequence[Subject], predictions: Mapping[str, float], device: torch.device
) -> list[str]:
    """Sentences on subjects whose predictions are one number exactly, such as the floor of a ReLU at the end.

    Args:
        predictions: by label.
    """
    there = [subject for subject in subjects if subject.id in predictions]
    volume_of = volumes_of(there, predictor.recipe, device)
    found = equal_predictions([predictions[subject.id] for subject in there], predictor, volume_of)
    return [one.sentence for one in found]


def volumes_of(subjects: Sequence[Subject], recipe: Recipe, device: torch.device) -> Callable[[int], Tensor | None]:
    """A function that reads the volume `(1, 1, I, J, K)` of the subject at a place; None where it is refused."""

    def read(place: int) -> Tensor | None:
        try:
            return recipe.prepare(subjects[place]).volume[None].to(device)
        except InputError:
            return None

    return read
