"""`verify`: whether the files of a run are those that it wrote, and its inputs those that it read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpbench.errors import InputError
from interpbench.files.atomic import TEMPORARY, is_file, read_json, sha256_of
from interpbench.files.records import Maybe, fault_in
from interpbench.files.run_folder import INPUTS, MANIFEST, SUMS, RunFolder, read_sums
from interpbench.maps.network_map import FOLDER as NETWORK
from interpbench.maps.sources import MissingImage, MovedImages, SourceImages
from interpbench.progress import track

_WEIGHTS = {"model.json": "model.safetensors", "fitted.json": "state.safetensors"}
_INPUTS = ("image", "mask")
_SIDECARS = ("sub-*/*.json", "sub-*/anat/*.json", f"{NETWORK}/sub-*/*.json")
_SIDECAR = {"file": Path, "sha256": str, **{name: Maybe(Path) for name in _INPUTS}}


@dataclass(frozen=True)
class Misfit:
    """A file that differs from its record; `str()` gives one line."""

    file: Path
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass(frozen=True)
class Verified:
    """What `verify` found: how many files were hashed, and which do not fit."""

    files: int
    misfits: tuple[Misfit, ...]


def verify(out: str | Path, root: str | Path | None = None) -> Verified:
    """Hash every file of a run again, and every file that it read.

    Args:
        out: a folder of `train`, `fit`, `explain`, `aggregate`, `benchmark` and the like, with runs inside it.
        root: where the images moved, as for `aggregate`; None for where they were.

    Raises:
        InputError: there is no run in it.
    """
    out = Path(out)
    if not out.exists():
        raise InputError(f"{out}: no such folder.")
    if not any(out.glob(f"**/{MANIFEST}")):
        raise InputError(f"{out}: is not the folder of a run: it has no {MANIFEST}.")
    known: dict[Path, str] = {}
    misfits: list[Misfit] = []
    for file, sha256, by in _recorded(out, misfits, None if root is None else MovedImages(root)):
        if file in known and known[file] != sha256:
            misfits.append(Misfit(file, f"two records have different hashes of it, the second is {by}"))
        known.setdefault(file, sha256)
    hashed = 0
    for file, sha256 in track(sorted(known.items()), "verifying", unit="file"):
        if not is_file(file):
            misfits.append(Misfit(file, "is missing"))
            continue
        hashed += 1
        if sha256_of(file) != sha256:
            misfits.append(Misfit(file, f"its content differs from the record (SHA-256 {sha256[:12]}...)"))
    misfits += [Misfit(file, message) for file, message in _strangers(out, known)]
    return Verified(hashed, tuple(sorted(misfits, key=lambda one: str(one.file))))


def _recorded(out: Path, misfits: list[Misfit], moved: MovedImages | None) -> Iterator[tuple[Path, str, str]]:
    """Each file with a SHA-256 on record, and which record that is."""
    for sums in sorted(out.glob(f"**/{SUMS}")):
        for name, sha256 in read_sums(sums).items():
            yield sums.parent / name, sha256, f"in {sums}"
    for folder in sorted(path.parent for path in out.glob(f"**/{MANIFEST}")):
        manifest = _read(folder / MANIFEST, misfits)
        for record, weights in _WEIGHTS.items():
            if (folder / record).is_file() and isinstance(sha := _read(folder / record, misfits).get("sha256"), str):
                yield folder / weights, sha, f"in {folder / record}"
        yield from _inputs(RunFolder(folder, manifest), SourceImages(manifest, moved), misfits)
        run = RunFolder(folder, manifest).identity
        for sidecar in sorted(one for place in _SIDECARS for one in folder.glob(place)):
            yield from _of_sidecar(sidecar, run, SourceImages(manifest, moved), misfits)


def _inputs(run: RunFolder, images: SourceImages, misfits: list[Misfit]) -> Iterator[tuple[Path, str, str]]:
    """The files that a run read, where they were, or where they are now."""
    for file, sha256 in run.inputs():
        try:
            there = file if file.is_file() else images.find(str(file), sha256)
            yield there, sha256, f"in {run.path / INPUTS}"
        except MissingImage as gone:
            misfits.append(Misfit(gone.file, gone.why))


def _of_sidecar(
    sidecar: Path, run: str, images: SourceImages, misfits: list[Misfit]
) -> Iterator[tuple[Path, str, str]]:
    record = _read(sidecar, misfits)
    if "file" not in record or "sha256" not in record:
        return
    if fault := fault_in(record, _SIDECAR):
        misfits.append(Misfit(sidecar, fault))
        return
    if record.get("run") != run:
        misfits.append(Misfit(sidecar, "belongs to an earlier run in this folder"))
    yield sidecar.parent / Path(record["file"]).name, record["sha256"], f"in {sidecar}"
    for name in _INPUTS:
        if isinstance(record.get(name), str) and isinstance(record.get(f"{name}_sha256"), str):
            try:
                yield images.find(record[name], record[f"{name}_sha256"]), record[f"{name}_sha256"], f"in {sidecar}"
            except MissingImage as gone:
                misfit = Misfit(gone.file, gone.why)
                if misfit not in misfits:  # several maps may be of one image
                    misfits.append(misfit)


def _strangers(out: Path, known: Mapping[Path, str]) -> Iterator[tuple[Path, str]]:
    """The files in a folder that no record lists."""
    runs = {path.parent for path in out.glob(f"**/{MANIFEST}")}
    for file in sorted({file for run in runs for file in run.glob("**/*")}):
        if not file.is_file() or file in known:
            continue
        if TEMPORARY.fullmatch(file.name):
            yield file, "was being written when its process ended; running the same command again removes it"
        elif file.name.endswith((".nii", ".nii.gz", ".safetensors")):
            yield file, "has no record: it is unfinished, or does not belong to this run"


def _read(path: Path, misfits: list[Misfit]) -> dict[str, Any]:
    try:
        found = read_json(path)
    except InputError as error:
        misfits.append(Misfit(path, str(error).removeprefix(f"{path}: ")))
        return {}
    return found if isinstance(found, dict) else {}
