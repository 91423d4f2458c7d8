"""A selection of samples with the targets of a training; samples are read when they are used."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import overload

import torch

from interpbench import Predictor, Sample
from interpbench_unoise.batches import in_order


class ChosenSamples(Sequence[Sample]):
    """The samples at some positions of a sequence.

    Args:
        samples: read anew whenever one is asked for, so that the memory they take is the sequence's own business.
        targets: of each chosen place.
    """

    def __init__(self, samples: Sequence[Sample], targets: dict[int, float]) -> None:
        self._samples = samples
        self._places = list(targets)
        self._targets = list(targets.values())

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        return dataclasses.replace(self._samples[self._places[index]], target=self._targets[index])


def with_target(samples: Sequence[Sample]) -> ChosenSamples:
    """The samples whose target is known."""
    targets = {place: samples[place].target for place in range(len(samples))}
    return ChosenSamples(samples, {place: target for place, target in targets.items() if not math.isnan(target)})


@torch.no_grad()
def with_prediction(
    samples: Sequence[Sample], predictor: Predictor, *, device: torch.device, batch_size: int
) -> ChosenSamples:
    """All samples, with the prediction without noise as target; it is computed once."""
    found: list[float] = []
    for batch in in_order(samples, batch_size, device, "predicting"):
        for place, _ in batch.parts():
            found += predictor.predict(batch.volumes[place]).float().tolist()
    return ChosenSamples(samples, dict(enumerate(found)))
