"""One explainer over many subjects, into one run folder.

While the method works on some subjects, the next are read and the maps of those before are written, by other threads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpbench import store
from interpbench.cohort import Subject
from interpbench.doubts import Doubt, as_record, from_record
from interpbench.errors import InputError, InterpbenchError, PluginError
from interpbench.interfaces import Explainer, Predictor
from interpbench.pipeline.checking import MAP, doubts_about
from interpbench.pipeline.components import has_seed
from interpbench.pipeline.mapping import Explained, explained, subject_seed
from interpbench.pipeline.overlap import AHEAD, Do, ahead, behind, let_go
from interpbench.pipeline.prediction import outside_training, predict_one
from interpbench.pipeline.provenance import target_of_run
from interpbench.pipeline.selection import log
from interpbench.prepared import Prepared
from interpbench.progress import track
from interpbench.recipe import Recipe
from interpbench.typical import Typical, unlike
from interpbench.untouched import Restore, remembered
from interpbench.volume import write_map


@dataclass(frozen=True, eq=False)
class Origin:
    """What a map is told from, and what it needs to come back onto its image's grid; a few bytes."""

    subject: Subject
    way_back: Prepared  # without its voxels
    hashes: Mapping[str, str | None]


Read = tuple[Tensor, Origin]  # the volume (1, I, J, K), and where it is from


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
    recipe: Recipe  # the predictor's
    typical: Typical | None = None  # of the images that the predictor was trained on
    doubts: Mapping[str, Sequence[str]] = field(default_factory=dict)  # about subjects, beside those of their images
    ahead: int = AHEAD  # batches that are read before, or written after, the one at hand

    def product(self, subject: Subject, name: str = MAP) -> Path:
        """Where a subject's map belongs, or one of its extras."""
        return self.run.product(subject.id, f"desc-{label_of(self.method)}_{name}.nii.gz")

    def explain(
        self, subjects: Sequence[Subject], batch_size: int, *, fail_fast: bool = False
    ) -> tuple[list[Path], list[tuple[Subject, InterpbenchError]]]:
        """Make every map that is not there yet; with `fail_fast`, up to the first failure.

        Returns:
            The paths of all maps, and who has none, and why.
        """
        with ahead(self._is_done, subjects, self.ahead) as done:
            left = [subject for subject, there in zip(subjects, done, strict=True) if not there]
        if len(left) < len(subjects):
            log.info("%d of %d maps are there already", len(subjects) - len(left), len(subjects))
        groups = [left[start : start + batch_size] for start in range(0, len(left), batch_size)]
        put_back = remembered(self.predictor.module)
        failures: list[tuple[Subject, InterpbenchError]] = []
        what = track(groups, f"explaining with {self.method}", unit="subject" if batch_size == 1 else "batch")
        with behind(self.ahead) as do, ahead(self._read_group, groups, self.ahead) as read:
            for group in what:
                for subject, error in self.explain_group(group, next(read), put_back, do):
                    log.warning("no map: sub-%s: %s", subject.id, error)
                    let_go(error)
                    failures.append((subject, error))
                if failures and fail_fast:
                    break
        failed = {subject.id for subject, _ in failures}
        made = [self.product(subject) for subject in subjects if subject.id not in failed]
        return [path for path in made if not fail_fast or path.is_file()], failures

    def doubts_of(self, subjects: Iterable[Subject]) -> dict[str, tuple[Doubt, ...]]:
        """The doubts about every map that is there, by label, as its sidecar has them."""
        found = {}
        for subject in subjects:
            sidecar = store.sidecar_of(self.product(subject))
            if sidecar.is_file():
                record = store.read_json(sidecar)
                found[subject.id] = from_record(record if isinstance(record, dict) else {})
        return found

    def _is_done(self, subject: Subject) -> bool:
        product = self.product(subject)
        if not self.run.done(product):
            return False
        record = store.read_json(store.sidecar_of(product))
        try:
            if any(record.get(name) != value for name, value in hashes_of(subject).items()):
                return False
        except InputError:
            return False  # and why is told when it is to be read
        return all(self.run.done(self.product(subject, name)) for name in record.get("extras", ()))

    def read(self, subject: Subject) -> Read | InputError:
        """A subject's volume and origin, or why it is refused."""
        try:
            hashes = hashes_of(subject)  # before the voxels: where the file changes in between, the map counts as old
            prepared = self.recipe.prepare(subject)
        except InputError as error:
            return error
        doubts = (*unlike(self.typical, prepared.volume, prepared.brain), *self.doubts.get(subject.id, ()))
        way_back = dataclasses.replace(prepared.without_voxels(), warnings=(*prepared.warnings, *doubts))
        return prepared.volume, Origin(subject, way_back, hashes)

    def _read_group(self, group: Sequence[Subject]) -> list[Read | InputError]:
        return [self.read(subject) for subject in group]

    def explain_group(
        self, group: Sequence[Subject], read: Sequence[Read | InputError], put_back: Restore, do: Do
    ) -> list[tuple[Subject, InterpbenchError]]:
        """Have the maps of some subjects written, and tell who failed."""
        failures: dict[str, InterpbenchError] = {}
        volumes, origins, records = [], [], []
        for subject, one in zip(group, read, strict=True):
            if isinstance(one, InputError):
                failures[subject.id] = one
                continue
            volume, origin = one
            try:
                prediction = predict_one(self.predictor, volume[None].to(self.device))
            except (InputError, PluginError) as error:
                failures[subject.id] = error
                continue
            volumes.append(volume)
            origins.append(origin)
            records.append(self.record(origin, prediction))
        if volumes:
            labels = [origin.subject.id for origin in origins]
            stacked = torch.stack(volumes).to(self.device)
            found = explained(
                self.explainer, self.predictor, stacked, labels, self.method, self.seed, put_back=put_back
            )
            for origin, record, result in zip(origins, records, found, strict=True):
                if not isinstance(result, Explained):
                    failures[origin.subject.id] = result
                elif not bool(result.map.any()):  # it would be taken for an answer
                    why = "the map is zero everywhere: it says nothing about this subject"
                    failures[origin.subject.id] = PluginError(f"method {self.method!r}: {why}.")
                else:
                    do(self.write, origin, record, _kept(result))
        return [(subject, failures[subject.id]) for subject in group if subject.id in failures]

    def write(self, origin: Origin, record: Mapping[str, Any], found: Explained) -> None:
        """Write what was found, on the image's grid. Extras first: a map that is marked as done has all of them."""
        subject, prepared = origin.subject, origin.way_back
        store.sidecar_of(self.product(subject)).unlink(missing_ok=True)
        for name, values in found.extras.items():
            self._write_one(self.product(subject, name), prepared, values, {**record, "extra": name})
        outside = outside_training(record["prediction"], self.trained, record["unit"])
        doubts = [*prepared.warnings, *doubts_about(found.map), *found.notes, outside]
        whole = {
            **record,
            "signed": self.run.manifest["signed"],
            "extras": list(found.extras),
            **as_record(doubt for doubt in doubts if doubt),
        }
        self._write_one(self.product(subject), prepared, found.map, whole)

    def _write_one(self, product: Path, prepared: Prepared, values: Tensor, record: Mapping[str, Any]) -> None:
        store.sidecar_of(product).unlink(missing_ok=True)  # never an old sidecar beside a new map
        write_map(product, prepared.to_source_grid(values), like=prepared.source)
        self.run.mark_done(product, record)

    def record(self, origin: Origin, prediction: float) -> dict[str, Any]:
        """Where a map and its extras come from."""
        subject = origin.subject
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
            **origin.hashes,
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
    """What a sidecar says of the files that a map was made from.

    Raises:
        InputError: one of them cannot be read.
    """
    try:
        mask = store.sha256_of(subject.mask) if subject.mask else None
        return {"image_sha256": store.sha256_of(subject.image), "mask_sha256": mask}
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _kept(found: Explained) -> Explained:
    """Copies on the CPU: the method may go on to use its tensors for the next subject, before these are written."""
    extras = {name: values.to("cpu", copy=True) for name, values in found.extras.items()}
    return dataclasses.replace(found, map=found.map.to("cpu", copy=True), extras=extras)
