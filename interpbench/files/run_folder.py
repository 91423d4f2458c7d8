"""The output folder of a run: a manifest that identifies the run, markers of finished files, a list of failures.

A run folder holds `manifest.json` (what was asked), one folder a subject with its products, beside each product
a sidecar `.json` that is written last and carries the product's SHA-256, and `failures.tsv` where subjects failed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from interpbench.errors import ConflictError, InputError, UsageError
from interpbench.files.atomic import (
    make_folder,
    plain,
    read_json,
    remove,
    remove_temporaries,
    write_json,
    write_text,
    write_tsv,
)
from interpbench.files.hashes import Hashes
from interpbench.files.locks import FolderLock, alone
from interpbench.files.records import Maybe, fault_in, is_path
from interpbench.files.software import software
from interpbench.files.table import read_table
from interpbench.files.written.every_run import FAILURE_COLUMNS, INPUT_COLUMNS

log = logging.getLogger("interpbench")

MANIFEST, FAILURES, SUMS, INPUTS = "manifest.json", "failures.tsv", "SHA256SUMS", "inputs.tsv"
NOT_IDENTITY = ("started", "process", "command")  # in a manifest, but they do not make it another run
_ASKED = {"kind": str, "interpbench": str, "versions": dict, "process": Maybe(dict), "command": Maybe(dict)}
NEVER_ANEW = ("kind", "method", "aggregator", "target_class")  # a run that differs in one of these is never taken over


@dataclass(frozen=True)
class RunFolder:
    """One run's output folder; made by `RunFolder.open`.

    `resumed` says whether the same run had been there before.
    """

    path: Path
    manifest: Mapping[str, Any]
    resumed: bool = False
    hold: FolderLock | None = None
    hashes: Hashes = field(default_factory=Hashes, compare=False)  # of what lies in it

    @classmethod
    def open(
        cls,
        out: Path | str,
        kind: str,
        manifest: Mapping[str, Any],
        *,
        anew: Sequence[str] | None = None,
        hashes: Hashes | None = None,
    ) -> Self:
        """Start this run in the folder, or continue the same run in it.

        Where nobody else is at work in it, what a killed process was writing is removed.

        Args:
            out: the folder; made where it is missing.
            kind: the word of the command, `explain` say.
            manifest: all that decides the results, JSON-ready (`arguments`, hashes of the inputs, ...), to which the
                versions of the packages that compute are added. Of it, `started`, `process` and `command` are
                recorded without making it another run.
            anew: where another run of the same kind and method left the folder, it is taken over with a warning, and
                these files and folders in it are removed, for nobody may go on from them; what is done carries the
                old run's identity and is made again. None refuses.
            hashes: of the command's files.

        Raises:
            ConflictError: the folder holds another run that is still at work, or may not be taken over, or files that
                no run of ours wrote.
        """
        out, hashes = Path(out), hashes or Hashes()
        asked = {"kind": kind, **software(), **plain(manifest)}
        asked.setdefault("started", datetime.now(UTC).isoformat(timespec="seconds"))
        process = {"host": platform.node(), "pid": os.getpid(), "python": platform.python_version()}
        asked.setdefault("process", process)
        refuse_foreign(out)
        make_folder(out)
        hold = FolderLock.on(out)
        alone = hold.alone()
        try:
            if alone is False:
                hold.share()  # and who was alone in it has written the manifest
            place = out / MANIFEST
            if not place.exists():
                refuse_foreign(out)
                write_json(place, asked)
                return cls(out, asked, hold=hold, hashes=hashes)
            found = read_json(place)
            if fault := fault_in(found, _ASKED):
                raise ConflictError(f"{place} is not the manifest of a run: {fault}. Give another output folder.")
            difference = _first_difference(_identity(found), _identity(asked))
            if alone:
                remove_temporaries(out)
            if not difference:
                if found.get("command") != asked.get("command"):  # the same run, from a folder that moved say
                    found = {**found, "command": asked.get("command")}
                    write_json(place, found)
                return cls(out, found, resumed=True, hold=hold, hashes=hashes)
            who = f"{out} holds another run ({found.get('kind')}, started {found.get('started')}): {difference}."
            if alone is False:
                raise ConflictError(f"{who} That run is still active{_by(found)}. Give another output folder, or wait.")
            if anew is None or any(found.get(name) != asked.get(name) for name in NEVER_ANEW):
                raise ConflictError(f"{who} Give another output folder, or delete this one.")
            log.warning("%s Its results are computed again.", who)
            for name in anew:
                remove(out / name)
            write_json(place, asked)
            return cls(out, asked, hold=hold, hashes=hashes)
        finally:
            hold.share()

    @property
    def identity(self) -> str:
        """SHA-256 of the run's identity."""
        return hashlib.sha256(json.dumps(_identity(self.manifest), sort_keys=True).encode()).hexdigest()

    def product(self, subject: str, name: str) -> Path:
        """The path of a subject's file: `OUT/sub-X/sub-X_<name>`.

        Raises:
            UsageError: the id or the name would lead out of the folder.
        """
        folder, file = f"sub-{subject}", f"sub-{subject}_{name}"
        for part in (folder, file):
            if Path(part).name != part or "\\" in part or "\0" in part:
                raise UsageError(f"{part!r} is not a valid file name below {self.path}.")
        return self.path / folder / file

    def mark_done(self, product: Path, record: Mapping[str, Any]) -> None:
        """Write the sidecar that marks a product as done: `record`, the file's name and SHA-256, the run's identity."""
        stamp = {"file": product.name, "sha256": self.hashes.of(product), "run": self.identity}
        write_json(sidecar_of(product), {**record, **stamp})

    def done(self, product: Path) -> bool:
        """Whether this run finished the product and its bytes are unchanged."""
        sidecar = sidecar_of(product)
        if not (sidecar.is_file() and product.is_file()):
            return False
        try:
            record = read_json(sidecar)
        except InputError:
            return False
        ours = isinstance(record, dict) and record.get("run") == self.identity
        return bool(ours and record.get("sha256") == self.hashes.of(product))

    def write_inputs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """List the files that the run reads, with their SHA-256, in `inputs.tsv`; `verify` hashes them again.

        A file in the folder that also holds this run's is named from here, so that the two can move together.
        """
        if not rows:  # a predictor and a method that are known by their versions alone
            return
        here = self.path.absolute()
        named = [{**row, "file": path_from(here, Path(row["file"]))} for row in rows]
        with alone(self.path / ".inputs.lock"):
            write_tsv(self.path / INPUTS, named, tuple(INPUT_COLUMNS))

    def inputs(self) -> list[tuple[Path, str]]:
        """The files that `inputs.tsv` lists, each with its SHA-256; empty without such a list."""
        place = self.path / INPUTS
        rows = [row.cells for row in read_table(place)[1]] if place.is_file() else []
        return [(Path(os.path.normpath(self.path / str(row["file"]))), str(row["sha256"])) for row in rows]

    def write_failures(self, rows: Sequence[Mapping[str, Any]], about: Collection[str] | None = None) -> Path | None:
        """List the subjects that failed in `failures.tsv`; without any, an old list is removed.

        Args:
            about: labels of all subjects that were tried. What the list says of others, who may be at work in other
                processes, stays. None for everybody.
        """
        place = self.path / FAILURES
        with contextlib.nullcontext() if about is None else alone(self.path / ".failures.lock"):
            kept = [] if about is None or not place.is_file() else _other_rows(place, about)
            rows = sorted([*kept, *rows], key=lambda row: str(row["participant_id"])) if kept else rows
            if not rows:
                place.unlink(missing_ok=True)
                return None
            write_tsv(place, rows, tuple(FAILURE_COLUMNS))
        return place

    def failures(self) -> list[dict[str, str | None]]:
        """The rows of `failures.tsv`; empty without such a list."""
        place = self.path / FAILURES
        blank = {"participant_id": "unknown", "file": None, "message": None}
        return [{**blank, **row.cells} for row in read_table(place)[1]] if place.is_file() else []

    def end(self, names: Iterable[str], no_longer: Iterable[str] = ()) -> None:
        """Mark a run as complete, once all its files are there.

        Args:
            names: of files in its folder; those that are there get their SHA-256 into `SHA256SUMS`, which
                `sha256sum --check` reads as well.
            no_longer: what was needed to go on, and is removed.
        """
        lines = [
            f"{self.hashes.of(self.path / name)}  {name}\n" for name in sorted(names) if (self.path / name).is_file()
        ]
        text, place = "".join(lines), self.path / SUMS
        if not place.is_file() or place.read_text(encoding="utf-8") != text:
            write_text(place, text)
        for name in no_longer:
            remove(self.path / name)


def read_sums(path: Path) -> dict[str, str]:
    """The SHA-256 of each file in a `SHA256SUMS`, by file name.

    Raises:
        InputError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # a name may hold what else ends a line
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from error
    pairs = [line.split("  ", 1) for line in lines if "  " in line]
    wrong = next((name for _, name in pairs if not is_path(name)), None)
    if wrong is not None:
        raise InputError(f"{path}: {wrong[:60]!r} is not a valid file name.")
    return {name: sha256 for sha256, name in pairs}


def refuse_foreign(out: Path) -> None:
    """Refuse an output that is a file, or a folder with other contents than a run.

    Raises:
        ConflictError: naming it.
    """
    if out.exists() and not out.is_dir():
        raise ConflictError(f"{out} is a file; the output must be a folder.")
    if out.is_dir() and not (out / MANIFEST).exists() and any(not file.name.startswith(".") for file in out.iterdir()):
        raise ConflictError(f"{out} is not empty and does not hold an interpbench run. Give another output folder.")


def path_from(folder: Path, file: Path) -> str:
    """The name of a file in a folder's list: relative to the folder if the file is in or beside it."""
    return os.path.relpath(file, folder) if file.is_relative_to(folder.parent) else str(file)


def _other_rows(place: Path, about: Collection[str]) -> list[Mapping[str, Any]]:
    """The rows of a list of failures that are about other subjects."""
    _, rows = read_table(place)
    tried = {f"sub-{label}" for label in about}
    return [row.cells for row in rows if row.cells.get("participant_id") not in tried]


def _by(manifest: Mapping[str, Any]) -> str:
    process = manifest.get("process")
    return f", started by process {process.get('pid')} on {process.get('host')}" if isinstance(process, dict) else ""


def sidecar_of(product: Path) -> Path:
    """The path of the JSON file beside a product."""
    name = product.name.removesuffix(".gz")
    return product.with_name(name.removesuffix(Path(name).suffix) + ".json")


def _identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in manifest.items() if name not in NOT_IDENTITY}


def _first_difference(there: Any, here: Any, where: str = "") -> str:
    """A sentence about the first place where two JSON values differ; empty if they are equal."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*here, *there]):
            found = _first_difference(there.get(name), here.get(name), f"{where}.{name}".lstrip("."))
            if found:
                return found
        return ""
    return "" if there == here else f"{where} is {json.dumps(there)} in that run and {json.dumps(here)} in this one"
