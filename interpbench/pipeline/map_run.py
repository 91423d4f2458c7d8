"""One explainer over many subjects, into one run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpbench import store
from interpbench.cohort import Subject
from interpbench.errors import InputError, InterpbenchError, PluginError
from interpbench.interfaces import Explainer, Predictor
from interpbench.pipeline.checking import MAP, doubts_about
from interpbench.pipeline.components import has_seed
from interpbench.pipeline.mapping import Explained, explained, subject_seed
from interpbench.pipeline.prediction import outside_training, predict_one
from interpbench.pipeline.provenance import target_of_run
from interpbench.pipeline.selection import log
from interpbench.prepared import Prepared
from interpbench.progress import track
from interpbench.volume import write_map


@dataclass(frozen=True, kw_only=True)
class MapRun:
    """What is the same for every subject of a run."""

    run: store.RunFolder
    explainer: Explainer
    predictor: Predictor
    trained: Mapping[str, Any]  # the predictor's record, where it has one
    method: str
    distribution: str
    seed: int
    device: torch.device

    def product(self, subject: Subject, name: str = MAP) -> Path:
        """Where a subject's map belongs, or one of its extras."""
        return self.run.product(subject.id, f"desc-{label_of(self.method)}_{name}.nii.gz")

    def explain(
        self, subjects: Sequence[Subject], batch_size: int
    ) -> tuple[list[Path], list[tuple[Subject, InterpbenchError]]]:
        """Make every map that is not there yet.

        Returns:
            The paths of all maps, and who has none, and why.
        """
        left = [subject for subject in subjects if not self._is_done(subject)]
        if len(left) < len(subjects):
            log.info("%d of %d maps are there already", len(subjects) - len(left), len(subjects))
        groups = [left[start : start + batch_size] for start in range(0, len(left), batch_size)]
        failures: list[tuple[Subject, InterpbenchError]] = []
        for group in track(groups, f"explaining with {self.method}", unit="subject" if batch_size == 1 else "batch"):
            for subject, error in self._explain_group(group):
                log.warning("no map: sub-%s: %s", subject.id, error)
                failures.append((subject, error))
        failed = {subject.id for subject, _ in failures}
        return [self.product(subject) for subject in subjects if subject.id not in failed], failures

    def _is_done(self, subject: Subject) -> bool:
        product = self.product(subject)
        if not self.run.done(product):
            return False
        record = store.read_json(store.sidecar_of(product))
        if any(record.get(name) != value for name, value in hashes_of(subject).items()):
            return False
        return all(self.run.done(self.product(subject, name)) for name in record.get("extras", ()))

    def _explain_group(self, group: Sequence[Subject]) -> Iterator[tuple[Subject, InterpbenchError]]:
        """Write the maps of some subjects, and tell who failed."""
        ready: list[tuple[Subject, Prepared, float]] = []
        for subject in group:
            try:
                prepared = self.predictor.recipe.prepare(subject)
                ready.append((subject, prepared, predict_one(self.predictor, prepared.volume[None].to(self.device))))
            except (InputError, PluginError) as error:
                yield subject, error
        if not ready:
            return
        volumes = torch.stack([prepared.volume for _, prepared, _ in ready]).to(self.device)
        labels = [subject.id for subject, _, _ in ready]
        found = explained(self.explainer, self.predictor, volumes, labels, self.method, self.seed)
        for (subject, prepared, prediction), one in zip(ready, found, strict=True):
            if isinstance(one, Explained):
                self._write(subject, prepared, prediction, one)
            else:
                yield subject, one

    def _write(self, subject: Subject, prepared: Prepared, prediction: float, found: Explained) -> None:
        """Extras first: a map that is marked as done has all of them."""
        map, unit = found.map.cpu(), self.predictor.unit
        store.sidecar_of(self.product(subject)).unlink(missing_ok=True)
        record = self._record(subject, prediction)
        for name, values in found.extras.items():
            self._write_one(self.product(subject, name), prepared, values.cpu(), {**record, "extra": name})
        doubts = [*prepared.warnings, *doubts_about(map), outside_training(prediction, self.trained, unit)]
        whole = {
            **record,
            "signed": self.run.manifest["signed"],
            "extras": list(found.extras),
            "warnings": [doubt for doubt in doubts if doubt],
        }
        self._write_one(self.product(subject), prepared, map, whole)

    def _write_one(self, product: Path, prepared: Prepared, values: Tensor, record: Mapping[str, Any]) -> None:
        store.sidecar_of(product).unlink(missing_ok=True)  # never an old sidecar beside a new map
        write_map(product, prepared.to_source_grid(values), like=prepared.source)
        self.run.mark_done(product, record)

    def _record(self, subject: Subject, prediction: float) -> dict[str, Any]:
        """Where a map and its extras come from."""
        seeded = has_seed(type(self.explainer))
        return {
            "participant_id": f"sub-{subject.id}",
            "method": self.method,
            "distribution": self.distribution,
            "options": self.run.manifest["options"],
            "seed": self.seed,
            "subject_seed": subject_seed(self.seed, subject.id, self.method) if seeded else None,
            **target_of_run(self.predictor),
            "predictor_sha256": self.run.manifest["predictor_sha256"],
            **hashes_of(subject),
            "image": str(subject.image.absolute()),
            "mask": str(subject.mask.absolute()) if subject.mask else None,
            "prediction": prediction,
            "unit": self.predictor.unit,
            "age": subject.age,
            "versions": self.run.manifest["versions"],
        }


def label_of(method: str) -> str:
    """The method in a file's name: a BIDS label holds letters and digits only."""
    return method.replace("-", "").replace("_", "")


def hashes_of(subject: Subject) -> dict[str, str | None]:
    """What a sidecar says of the files that a map was made from."""
    mask = store.sha256_of(subject.mask) if subject.mask else None
    return {"image_sha256": store.sha256_of(subject.image), "mask_sha256": mask}
