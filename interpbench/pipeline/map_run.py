"""One explainer over many subjects, into one run folder.

While the method works on some subjects, the next are read and the maps of those before are written, by other threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort.choosing import log
from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Explainer, Predictor
from interpbench.doubts import NAMED
from interpbench.errors import InputError, InterpbenchError, NotApplicable, UsageError
from interpbench.files.records import NUMBER, ListOf, Maybe, read_record
from interpbench.files.run_folder import RunFolder, sidecar_of
from interpbench.host.ask_explainer import Explained, described, explained, subject_seed
from interpbench.host.ask_predictor import predict_one
from interpbench.host.checking import MAP
from interpbench.host.components import has_seed
from interpbench.host.untouched import Restore, remembered
from interpbench.images.cut import BrainCut
from interpbench.images.typical import unlike
from interpbench.maps.files import FailedSubject, FailureWarnings, MapFiles, MapOrigin
from interpbench.maps.sources import recorded_path
from interpbench.parallel.overlap import AHEAD, Submit, ahead, behind, let_go
from interpbench.predictor.readout import bound_of
from interpbench.progress import track
from interpbench.run.provenance import target_of_run
from interpbench.run.study import Study
from interpbench.run.trying import AlikePredictions, warned

Read = tuple[Tensor, MapOrigin]  # the volume (1, I, J, K), and where it is from


@dataclass(frozen=True, kw_only=True)
class MapRun:
    """One run of an explainer: everything that is the same for each subject."""

    run: RunFolder
    study: Study
    explainer: Explainer
    method: str
    distribution: str
    seed: int
    state_sha256: str | None = None  # of what a learned method knows
    whole: bool = False  # whether maps keep what lies outside the brain
    subject_doubts: Mapping[str, Sequence[str]] = field(default_factory=dict)  # beside those of their images, by label
    ahead: int = AHEAD  # batches that are read before, or written after, the one at hand
    predictor_doubts: tuple[str, ...] = ()  # they belong beside each of its maps
    bounded: bool = False  # whether the network ends in a layer with a floor or ceiling
    predictions: dict[str, float] = field(default_factory=dict)  # of those predicted so far, by label
    details: dict[str, Any] = field(default_factory=dict)  # what the method decided by itself, once it is known
    late: list[FailedSubject] = field(default_factory=list)  # who failed when the map was written

    @property
    def predictor(self) -> Predictor:
        """The predictor that is explained."""
        return self.study.predictor

    @functools.cached_property
    def alike(self) -> AlikePredictions:
        """Notices subjects whose predictions are one number."""
        return AlikePredictions(self.predictor)

    @property
    def files(self) -> MapFiles:
        """The folder and form in which maps are written."""
        return MapFiles(
            run=self.run,
            method=self.method,
            trained=self.study.record,
            predictor_doubts=self.predictor_doubts,
            details=self.details,
        )

    def product(self, subject: Subject, name: str = MAP) -> Path:
        """The path of a subject's map, or of one of its extra maps."""
        return self.files.product(subject, name)

    def explain(
        self, subjects: Sequence[Subject], batch_size: int, *, fail_fast: bool = False
    ) -> tuple[list[Path], list[FailedSubject]]:
        """Make every map that is not there yet; with `fail_fast`, up to the first failure.

        Where the method says of two subjects, before there is any map, that it is not for this network or cannot have
        its options, no other is tried: with all of them it would be the same.

        Returns:
            The paths of all maps, and who has none, and why.
        """
        with ahead(self._is_done, subjects, self.ahead) as found_done:
            done = list(found_done)
        left = [subject for subject, there in zip(subjects, done, strict=True) if not there]
        if len(left) < len(subjects):
            log.info("%d of %d maps exist already", len(subjects) - len(left), len(subjects))
        self._tell_of_changes(left)
        made_before = self.records_of(one for one, there in zip(subjects, done, strict=True) if there)
        self.alike.know(float(record["prediction"]) for record in made_before.values())
        groups = [left[start : start + batch_size] for start in range(0, len(left), batch_size)]
        put_back = remembered(self.predictor.module)
        failures: list[FailedSubject] = []
        told = FailureWarnings()
        waiting: list[FailedSubject] = []  # to be told, until it is known whether the method says so of everybody
        made = len(subjects) - len(left)
        what = track(groups, f"explaining with {self.method}", unit="subject" if batch_size == 1 else "batch")
        with behind(self.ahead) as do, ahead(self._read_group, groups, self.ahead) as read:
            for group in what:
                found = self.explain_group(group, next(read), put_back, do)
                made += len(group) - len(found)
                for failed in found:
                    let_go(failed.error)
                    failures.append(failed)
                    (waiting if failed.for_all and not made else told).append(failed)
                if made:
                    told.extend(waiting)
                    waiting.clear()
                elif len(waiting) > 1 and not fail_fast:
                    tried = {failed.subject.id for failed in failures}
                    rest = [subject for subject in left if subject.id not in tried]
                    failures += [dataclasses.replace(waiting[0], subject=subject) for subject in rest]
                    break
                if failures and fail_fast:
                    break
        for failed in self.late:
            told.append(failed)
            failures.append(failed)
        told.count()
        without = {failed.subject.id for failed in failures}
        paths = [self.product(subject) for subject in subjects if subject.id not in without]
        return [path for path in paths if not fail_fast or path.is_file()], failures

    def records_of(self, subjects: Iterable[Subject]) -> dict[str, dict[str, Any]]:
        """The records in the sidecars of this run's maps, by label."""
        found = {}
        for subject in subjects:
            sidecar = sidecar_of(self.product(subject))
            with contextlib.suppress(InputError):  # of a map that could not be made again
                if sidecar.is_file():
                    found[subject.id] = read_record(sidecar, {"run": str, "prediction": NUMBER}, "record of a map")
        return {label: record for label, record in found.items() if record["run"] == self.run.identity}

    def tell_alike(self, subjects: Sequence[Subject]) -> dict[str, dict[str, Any]]:
        """Say whose predictions are one number; returns what the sidecars of this run's maps say, by label."""
        labelled = {subject.id: subject for subject in subjects}
        there = self.records_of(subjects)
        known = {**{label: float(record["prediction"]) for label, record in there.items()}, **self.predictions}

        def volume_of(label: str) -> Tensor | None:
            with contextlib.suppress(InputError):
                return self.study.prepared.whole(labelled[label]).volume[None].to(self.study.device)
            return None

        warned(self.alike.found({label: known[label] for label in labelled if label in known}, volume_of))
        return there

    def _is_done(self, subject: Subject) -> bool:
        product = self.product(subject)
        if not self.run.done(product):
            return False
        try:
            record = read_record(sidecar_of(product), {"extras": Maybe(ListOf(str))}, "record of a map")
            if any(record.get(name) != value for name, value in self.read_by(subject).items()):
                return False
            if record.get("network_map") is not None and not self.run.done(self.files.network_product(subject)):
                return False
            return all(self.run.done(self.product(subject, name)) for name in record.get("extras") or ())
        except (InputError, UsageError):
            return False  # and why is told when it is to be read

    def _tell_of_changes(self, subjects: Sequence[Subject]) -> None:
        """Log whose map is made again because an input of it has changed."""
        records, changed = self.records_of(subjects), []
        for subject in (one for one in subjects if one.id in records):
            with contextlib.suppress(InputError):  # told when it is to be read
                read = self.read_by(subject)
                names = [name.removesuffix("_sha256") for name in read if records[subject.id].get(name) != read[name]]
                changed += [f"sub-{subject.id} ({', '.join(names)})"] if names else []
        if changed:
            told = ", ".join(changed[:NAMED]) + (", ..." if len(changed) > NAMED else "")
            log.warning("%d maps are made again, because their inputs changed: %s", len(changed), told)

    def read(self, subject: Subject) -> Read | InputError:
        """A subject's volume and origin, or the reason why it is refused."""
        try:
            read = self.read_by(subject)  # before the voxels: where the file changes in between, the map counts as old
            prepared = self.study.prepared.whole(subject)
        except InputError as error:
            return error
        cut = BrainCut.of(prepared, whole=self.whole)
        doubts = (
            *unlike(self.study.typical, prepared.volume, prepared.brain),
            *self.subject_doubts.get(subject.id, ()),
        )
        way_back = dataclasses.replace(prepared.without_voxels(), warnings=(*prepared.warnings, *doubts))
        return prepared.volume, MapOrigin(subject, way_back, cut, read)

    def read_by(self, subject: Subject) -> dict[str, Any]:
        """The inputs of a subject's map; a map whose sidecar lists other inputs is made again."""
        read = {**self.study.read_of("explain", subject), "state_sha256": self.state_sha256}
        return {**read, "split_doubts": [str(one) for one in self.subject_doubts.get(subject.id, ())]}

    def _read_group(self, group: Sequence[Subject]) -> list[Read | InputError]:
        return [self.read(subject) for subject in group]

    def explain_group(
        self, group: Sequence[Subject], read: Sequence[Read | InputError], put_back: Restore, do: Submit
    ) -> list[FailedSubject]:
        """Explain some subjects, have their maps written, and report failures."""
        failures: dict[str, FailedSubject] = {}
        volumes, origins, records = [], [], []
        for subject, one in zip(group, read, strict=True):
            if isinstance(one, InputError):
                failures[subject.id] = FailedSubject(subject, one, unread=True)
                continue
            volume, origin = one
            try:
                prediction = predict_one(self.predictor, volume[None].to(self.study.device))
            except InterpbenchError as error:
                failures[subject.id] = FailedSubject(subject, error, unread=False)
                continue
            self.predictions[subject.id] = prediction
            self.alike.see(prediction, volume[None].to(self.study.device))
            held = bound_of(self.predictor, volume[None].to(self.study.device)) if self.bounded else None
            if held is not None:
                where = f"the network ends in {held}, where gradients are zero"
                why = f"the prediction is exactly {prediction:.6g} {self.predictor.unit}: {where}"
                origin = dataclasses.replace(origin, held=why)
            volumes.append(volume)
            origins.append(origin)
            records.append(self.record(origin, prediction))
        if volumes:
            labels = [origin.subject.id for origin in origins]
            stacked = torch.stack(volumes).to(self.study.device)
            if not self.details:
                self.details.update(described(self.explainer, self.predictor, stacked, self.method))
            found = explained(
                self.explainer, self.predictor, stacked, labels, self.method, self.seed, put_back=put_back
            )
            for origin, record, result in zip(origins, records, found, strict=True):
                subject = origin.subject
                if not isinstance(result, Explained):
                    for_all = isinstance(result, NotApplicable | UsageError)
                    failures[subject.id] = FailedSubject(subject, result, unread=False, for_all=for_all)
                    continue
                kept = _kept(result)
                nothing = origin.cut.nothing_left(kept.map)
                if nothing:  # it would be taken for an answer
                    failures[subject.id] = self.files.says_nothing(origin, nothing)
                else:
                    do(self.write, origin, record, kept)
        return [failures[subject.id] for subject in group if subject.id in failures]

    def write(self, origin: MapOrigin, record: Mapping[str, Any], found: Explained) -> None:
        """Write the maps of a subject; a subject whose maps cannot be written is added to `late`."""
        failed = self.files.write(origin, record, found)
        if failed is not None:
            self.late.append(failed)

    def record(self, origin: MapOrigin, prediction: float) -> dict[str, Any]:
        """The record of a map and its extra maps: the origin that sidecars state."""
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
            **origin.read,
            "image": recorded_path(subject.image, self.study.cohort.root),
            "mask": recorded_path(subject.mask, self.study.cohort.root) if subject.mask else None,
            "prediction": prediction,
            "unit": self.predictor.unit,
            "versions": self.run.manifest["versions"],
        }


def _kept(found: Explained) -> Explained:
    """Copies on the CPU: the method may go on to use its tensors for the next subject, before these are written."""
    extras = {name: values.to("cpu", copy=True) for name, values in found.extras.items()}
    return dataclasses.replace(found, map=found.map.to("cpu", copy=True), extras=extras)
