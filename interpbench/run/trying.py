"""A predictor is tried before a step uses it, and what is doubtful about it is passed on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort.prepared_once import PreparedOnce
from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Predictor
from interpbench.errors import InputError
from interpbench.host.foreign import asking
from interpbench.host.registry import one_line
from interpbench.predictor.last_layer import Bound
from interpbench.predictor.model import doubts_of
from interpbench.predictor.readout import bound_of, check_readout
from interpbench.predictor.steadiness import LARGE, NetworkTrial, try_answers
from interpbench.predictor.trial import equal_predictions, refuse_findings
from interpbench.progress import track

log = logging.getLogger("interpbench")

SOME = 16  # subjects that are predicted to see whether predictions are equal, where volumes are not large
ADOPT_AGAIN = " If this is intended, `interpbench adopt --accept {kind}` allows it with a warning."


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
            log.debug("%s could not be tested: %s", who, one_line(error))
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


def doubts_of_cohort(
    predictor: Predictor, who: str | Path, record: Mapping[str, Any], subjects: Sequence[Subject]
) -> list[str]:
    """What is doubtful about a predictor on a cohort, before any run: `try_before_use`, and equal predictions.

    Args:
        who: its model folder, or its name.
        record: the predictor's; empty where it has none.
        subjects: the cohort's; a few of them, evenly from first to last, are predicted.

    Raises:
        InputError: as `try_before_use`.
    """
    few = SOME if math.prod(predictor.recipe.shape) < LARGE else 4
    places = sorted({round(place * (len(subjects) - 1) / max(few - 1, 1)) for place in range(few)}) if subjects else []
    chosen, prepared = [subjects[place] for place in places], PreparedOnce(predictor.recipe)
    doubts = try_before_use(predictor, prepared.first_volumes(chosen, torch.device("cpu")), str(who), record)
    alike, predictions = AlikePredictions(predictor), dict[str, float]()
    for subject in track(chosen, "Testing the predictor", unit="subject"):
        try:
            volume = prepared.whole(subject).volume[None]
        except InputError:
            continue
        try:
            with torch.no_grad(), asking("the predictor", volume):
                predictions[subject.id] = float(predictor.predict(volume).double().reshape(()))
        except Exception as error:  # another's code
            raise InputError(f"{who}: cannot predict sub-{subject.id}: {one_line(error)}.") from error
        alike.see(predictions[subject.id], volume)
    return [*doubts, *warned(alike.found(predictions))]


def warned(sentences: list[str]) -> list[str]:
    """The sentences, each logged as a warning."""
    for sentence in sentences:
        log.warning("%s", sentence)
    return sentences


class AlikePredictions:
    """Notices predictions that are one number exactly, such as the floor of a ReLU at the end.

    Which layer made such a number is looked up while a volume is at hand that has it, so that none is read again.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._seen: set[float] = set()
        self._bounds: dict[float, Bound | None] = {}

    def know(self, predictions: Iterable[float]) -> None:
        """Take in predictions that were made before."""
        self._seen.update(predictions)

    def see(self, prediction: float, volume: Tensor) -> None:
        """Take in the prediction of a volume `(1, 1, I, J, K)`."""
        if prediction in self._seen and prediction not in self._bounds:
            self._bounds[prediction] = bound_of(self.predictor, volume)
        self._seen.add(prediction)

    def found(
        self, predictions: Mapping[str, float], volume_of: Callable[[str], Tensor | None] | None = None
    ) -> list[str]:
        """Sentences on subjects whose predictions are one number.

        Args:
            predictions: by label.
            volume_of: gives the volume `(1, 1, I, J, K)` of a subject, for numbers that were all predicted before; None
                where it cannot be had.
        """
        labels, numbers = list(predictions), list(predictions.values())

        def bound_at(place: int) -> Bound | None:
            if numbers[place] not in self._bounds:
                volume = volume_of(labels[place]) if volume_of else None
                self._bounds[numbers[place]] = None if volume is None else bound_of(self.predictor, volume)
            return self._bounds[numbers[place]]

        return [one.sentence for one in equal_predictions(numbers, self.predictor.unit, bound_at)]
