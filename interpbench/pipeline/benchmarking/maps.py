"""Maps on the network's grid: taken from folders of `explain` where they are there already, made and kept otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Predictor
from interpbench.errors import InputError, UsageError
from interpbench.files.atomic import read_json
from interpbench.files.records import Maybe, fault_in, read_record
from interpbench.files.run_folder import RunFolder, sidecar_of
from interpbench.host.ask_explainer import maps_of
from interpbench.images.prepared import Prepared
from interpbench.images.volume import read_volume, write_map
from interpbench.maps.files import method_label
from interpbench.maps.network_map import on_network_grid
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.run.study import Study

_NEEDED = {
    "kind": str,
    "method": Maybe(str),
    "options": Maybe(dict),
    "predictor_sha256": Maybe(str),
    "command": Maybe({"fitted": Maybe(Path)}),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class MapSource:
    """Where the maps of a benchmark come from."""

    run: RunFolder
    study: Study
    seed: int
    folders: Mapping[str, Path]  # method -> a folder of `explain`
    runs: Mapping[str, str] = field(default_factory=dict)  # method -> the identity of the run in that folder

    @property
    def predictor(self) -> Predictor:
        """The predictor that is explained."""
        return self.study.predictor

    @property
    def device(self) -> torch.device:
        """The device on which maps are computed."""
        return self.study.device

    def of(self, contestant: Contestant, subject: Subject, prepared: Prepared) -> Tensor:
        """The map of one subject by one method, `(I, J, K)`, before smoothing.

        Raises:
            InterpbenchError: the method fails, or does not apply.
        """
        if contestant.explainer.floor:  # made in no time, not worth a file
            return self.make(contestant, subject.id, prepared.volume.to(self.device))
        product = self._product(contestant, subject)
        if self.run.done(product):
            record = read_json(sidecar_of(product))
            if self.made_from(record, subject) and record.get("state_sha256") == contestant.state_sha256:
                return read_volume(product, constant_ok=True).data[0].to(self.device)
        found, source, resampled = self._taken(contestant, subject, prepared)
        if found is None:
            found = self.make(contestant, subject.id, prepared.volume.to(self.device))
        self._keep(product, found, contestant, subject, prepared, {"taken_from": source, "resampled": resampled})
        return found

    def made_from(self, record: Mapping[str, Any], subject: Subject) -> bool:
        """Whether a record was made from exactly these files and values of the subject."""
        read = self.study.read_of("benchmark", subject)
        return all(name in record and record[name] == value for name, value in read.items())

    def made_anew(self, contestant: Contestant, subject: Subject) -> bool:
        """Whether `explain` has a map of this subject, which was made again here, for it had been resampled."""
        if contestant.method not in self.folders:
            return False
        sidecar = sidecar_of(self._product(contestant, subject))
        return sidecar.is_file() and read_json(sidecar).get("resampled") is not None

    def make(
        self,
        contestant: Contestant,
        subject: str,
        volume: Tensor,
        *,
        predictor: Predictor | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """Make a map of any volume `(1, I, J, K)` with any predictor."""
        model, start = predictor or self.predictor, self.seed if seed is None else seed
        found = maps_of(contestant.explainer, model, volume[None], [subject], contestant.method, start)[0]
        if isinstance(found, Tensor):
            return found
        raise found

    def _taken(
        self, contestant: Contestant, subject: Subject, prepared: Prepared
    ) -> tuple[Tensor | None, Path | None, Path | None]:
        """The map that `explain` made of exactly this image, as the method made it, and its folder.

        Returns:
            Map and folder; or, third, the folder of a map that is there, but went to the image's grid and back.
        """
        folder = self.folders.get(contestant.method)
        if folder is None:
            return None, None, None
        name = f"sub-{subject.id}"
        path = folder / name / f"{name}_desc-{method_label(contestant.method)}_importance.nii.gz"
        sidecar = sidecar_of(path)
        if not (path.is_file() and sidecar.is_file()):
            return None, None, None
        record = read_record(sidecar, {"sha256": str}, "record of a map")
        read = self.study.read_of("explain", subject)
        if record.get("run") != self.runs[contestant.method] or any(record.get(key) != read[key] for key in read):
            return None, None, None  # an earlier run left it in the folder, or the subject is another one now
        if record.get("sha256") != self.study.hashes.of(path):
            raise InputError(f"{path}: its content differs from the hash in its sidecar; run explain again.")
        found = on_network_grid(path, record, prepared, self.study.hashes)
        return (None, None, folder) if found is None else (found.to(self.device), folder, None)

    def _product(self, contestant: Contestant, subject: Subject) -> Path:
        return self.run.product(subject.id, f"space-network_desc-{method_label(contestant.method)}_importance.nii.gz")

    def _keep(
        self,
        product: Path,
        map: Tensor,
        contestant: Contestant,
        subject: Subject,
        prepared: Prepared,
        source: Mapping[str, Path | None],
    ) -> None:
        sidecar_of(product).unlink(missing_ok=True)  # never an old sidecar beside a new map
        write_map(product, map.cpu(), affine=prepared.affine)
        record = {
            "participant_id": f"sub-{subject.id}",
            **contestant.describe(),
            **self.study.read_of("benchmark", subject),
            "seed": self.seed,
            "state_sha256": contestant.state_sha256,
            "predictor_sha256": self.run.manifest["predictor_sha256"],
            **source,
        }
        self.run.mark_done(product, {**record, "training_seconds": None})  # a time is no part of what a map is


def explained_before(folders: Sequence[str | Path], study: Study) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Folders of `explain` by method, with their manifests.

    Raises:
        UsageError: two folders of one method.
        InputError: no such folder, or maps of another predictor.
    """
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for folder in map(Path, folders):
        place = folder / "manifest.json"
        manifest = read_record(place, _NEEDED, "manifest of a run") if place.is_file() else {}
        if manifest.get("kind") != "explain":
            raise InputError(f"{folder}: is not a folder of maps; `interpbench explain` writes one.")
        if fault := fault_in(manifest, {"method": str, "options": dict, "predictor_sha256": str}):
            raise InputError(f"{place}: {fault}.")
        if manifest["predictor_sha256"] != study.fingerprint:
            raise InputError(f"{folder}: its maps explain another predictor than this one.")
        method = str(manifest["method"])
        if method in found:
            raise UsageError(f"Both {found[method][0]} and {folder} hold maps of {method!r}: give one of them.")
        found[method] = (folder, manifest)
    return found
