"""The case that a metric is given, of each subject and each method."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort.choosing import log
from interpbench.cohort.samples import Samples, target_of
from interpbench.cohort.subjects import Subject
from interpbench.contract.everyone import Everyone
from interpbench.contract.interfaces import Predictor
from interpbench.contract.metric import Case
from interpbench.errors import InterpbenchError
from interpbench.host.ask_explainer import subject_seed
from interpbench.host.components import has_seed
from interpbench.host.foreign import asking
from interpbench.images.prepared import Prepared
from interpbench.images.volume import Volume
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.maps import MapSource
from interpbench.pipeline.benchmarking.refits import Refits
from interpbench.pipeline.benchmarking.truths import distractors_of, truth_of

MEAN_OF = 100  # training subjects at most, for the mean volume


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasuringContext:
    """What is the same for every subject of a benchmark."""

    predictor: Predictor
    device: torch.device
    maps: MapSource
    refits: Refits
    seed: int
    batch_size: int
    forward: Callable[[Tensor], Tensor]
    truth: Volume | None  # one for all
    regions: Tensor | None
    mean_volume: Tensor | None
    everyone: Mapping[str, Everyone | str] = field(default_factory=dict)  # by contestant; or why there is nobody

    def cases(
        self, subject: Subject, prepared: Prepared, found: Mapping[str, Tensor], contestants: Sequence[Contestant]
    ) -> list[Case]:
        """One case for each contestant with a map.

        Args:
            found: maps by method, not blurred.
        """
        volume, brain = prepared.volume.to(self.device), prepared.brain.to(self.device)
        with asking("the predictor", volume[None]):
            prediction = float(self.forward(volume[None])[0])
        truth, distractors = truth_of(subject, self.truth, prepared), distractors_of(subject, prepared)
        common = {
            "subject": subject.id,
            "predictor": self.predictor,
            "volume": volume,
            "brain": brain,
            "prediction": prediction,
            "target": target_of(subject, self.predictor),
            "seed": subject_seed(self.seed, subject.id, "measures"),
            "run_seed": self.seed,
            "voxel_size": self.predictor.recipe.voxel_size,
            "truth": None if truth is None else truth.to(self.device),
            "distractors": None if distractors is None else distractors.to(self.device),
            "mean_volume": self.mean_volume,
            "regions": self.regions,
            "batch_size": self.batch_size,
            "forward": self.forward,
            "shared": {},
        }
        kept: dict[tuple[Any, ...], Tensor] = {}
        return [
            Case(
                method=one.name,
                copy_of=one.method if one.blur else None,
                map=one.finished(found[one.method], brain),
                signed=one.signed,
                learned=one.explainer.learned,
                reference=self._reference(one, volume),
                training_seconds=one.training_seconds,
                again=self._again(one, subject.id, volume, brain, found[one.method], kept),
                **self._others(one.name),
                **common,  # type: ignore[arg-type]
            )
            for one in contestants
            if one.method in found
        ]

    def _others(self, contestant: str) -> dict[str, Any]:
        known = self.everyone.get(contestant, "")
        return {"alone": known} if isinstance(known, str) else {"everyone": known}

    def _reference(self, contestant: Contestant, volume: Tensor) -> Tensor | None:
        if contestant.blur:
            return None
        try:
            with asking(f"method {contestant.method!r}, asked for its reference,", volume[None]):
                reference = contestant.explainer.reference(volume[None])
                return None if reference is None else reference[0]
        except InterpbenchError as error:  # measures that need none go on
            log.warning("%s: %s", contestant.name, error)
            return None

    def _again(
        self, contestant: Contestant, subject: str, volume: Tensor, brain: Tensor, map: Tensor, kept: dict[Any, Tensor]
    ) -> Callable[..., Tensor]:
        """Explains the subject again; what a method gives in new circumstances is kept for its smoothed copy.

        Args:
            map: the first one, before any smoothing.
            kept: maps of this subject by method and circumstances.
        """

        def again(
            *, predictor: Predictor | None = None, volume: Tensor | None = None, seed: int | None = None
        ) -> Tensor:
            if (predictor, volume, seed) == (None, None, None):
                return contestant.finished(self._made(contestant, subject, original), brain)
            key = (contestant.method, None if predictor is None else predictor.fingerprint, _digest(volume), seed)
            if key not in kept:
                unchanged = predictor is None and volume is None and not has_seed(type(contestant.explainer))
                seen = original if volume is None else volume
                kept[key] = map if unchanged else self._made(contestant, subject, seen, predictor, seed)
            return contestant.finished(kept[key], brain)

        original = volume
        return again

    def _made(
        self,
        contestant: Contestant,
        subject: str,
        volume: Tensor,
        predictor: Predictor | None = None,
        seed: int | None = None,
    ) -> Tensor:
        # A predictor around the very same network is the same one, counted or timed say.
        if predictor is not None and contestant.explainer.learned and predictor.module is not self.predictor.module:
            fitted = self.refits.of(contestant.explainer, predictor, contestant.method)
            contestant = dataclasses.replace(contestant, explainer=fitted)
        return self.maps.make(contestant, subject, volume, predictor=predictor, seed=seed)


def _digest(volume: Tensor | None) -> str | None:
    return None if volume is None else hashlib.sha256(volume.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def mean_of(samples: Samples) -> Tensor | None:
    """The mean of up to `MEAN_OF` volumes `(1, I, J, K)`; None of none."""
    some = samples[:MEAN_OF]
    if not some:
        return None
    total = torch.zeros(some[0].volume.shape, dtype=torch.float64)
    for sample in some:
        total += sample.volume.double()
    return (total / len(some)).float()
