"""A predictor is tried before a step uses it, and what is doubtful about it is passed on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort import Subject
from interpbench.errors import InputError
from interpbench.interfaces import Predictor
from interpbench.model import doubts_of
from interpbench.readout import check_readout
from interpbench.recipe import Recipe
from interpbench.registry import one_line
from interpbench.steadiness import Trial, try_answers
from interpbench.trial import equal_predictions, refuse

log = logging.getLogger("interpbench")

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
    found = Trial()
    if len(volumes):
        try:
            found = try_answers(predictor, volumes)
        except Exception as error:  # another's code: whoever predicts with it next tells what went wrong
            log.debug("%s could not be tried: %s", who, one_line(error))
    refuse(found.findings, who, accepted, ADOPT_AGAIN if record else "")
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
