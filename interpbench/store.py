"""The run folder: a manifest that says whose it is, done markers, the list of failures.

A run folder holds `manifest.json` (what was asked), one folder a subject with its products, beside each product
a sidecar `.json` that is written last and carries the product's SHA-256, and `failures.tsv` where subjects failed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from interpbench import __version__
from interpbench.atomic import atomic_path, plain, read_json, sha256_of, write_json, write_text, write_tsv
from interpbench.errors import ConflictError, InputError, UsageError

__all__ = ["RunFolder", "atomic_path", "plain", "read_json", "sha256_of", "sidecar_of", "write_json", "write_text",
           "write_tsv"]

RECORDED_PACKAGES = ("torch", "monai", "nibabel", "numpy", "scipy")
NOT_IDENTITY = ("versions", "started", "command")  # recorded in a manifest, but they do not make it another run


@dataclass(frozen=True)
class RunFolder:
    """One run's output folder; made by `RunFolder.open`.

    `resumed` says whether the same run had been there before.
    """

    path: Path
    manifest: Mapping[str, Any]
    resumed: bool = False

    @classmethod
    def open(cls, out: Path | str, kind: str, manifest: Mapping[str, Any]) -> Self:
        """Take the folder for this run, or go on in it where the same run began.

        Args:
            out: the folder; made where it is missing.
            kind: the word of the command, `explain` say.
            manifest: all that decides the results, JSON-ready (`arguments`, hashes of the inputs, ...). Of it,
                `versions`, `started` and `command` are recorded without making it another run.

        Raises:
            ConflictError: the folder holds another run, or files that no run of ours wrote.
        """
        out = Path(out)
        asked = {"kind": kind, "interpbench": __version__, **plain(manifest)}
        asked.setdefault("versions", _versions())
        asked.setdefault("started", datetime.now(UTC).isoformat(timespec="seconds"))
        place = out / "manifest.json"
        if place.exists():
            found = read_json(place)
            if not isinstance(found, dict):
                raise ConflictError(f"{place} is no run's manifest. Give another output folder.")
            difference = _first_difference(_identity(found), _identity(asked))
            if difference:
                raise ConflictError(
                    f"{out} holds another run ({found.get('kind')}, started {found.get('started')}): {difference}. "
                    "Give another output folder, or remove that one."
                )
            return cls(out, found, resumed=True)
        if out.exists() and not out.is_dir():
            raise ConflictError(f"{out} is a file; the output must be a folder.")
        if out.is_dir() and any(not name.startswith(".") for name in os.listdir(out)):
            raise ConflictError(f"{out} is not empty and holds no run of interpbench. Give another output folder.")
        write_json(place, asked)
        return cls(out, asked)

    @property
    def identity(self) -> str:
        """SHA-256 of what makes this run itself."""
        return hashlib.sha256(json.dumps(_identity(self.manifest), sort_keys=True).encode()).hexdigest()

    def product(self, subject: str, name: str) -> Path:
        """Where a subject's file belongs: `OUT/sub-X/sub-X_<name>`.

        Raises:
            UsageError: the id or the name would lead out of the folder.
        """
        folder, file = f"sub-{subject}", f"sub-{subject}_{name}"
        for part in (folder, file):
            if Path(part).name != part or "\\" in part or "\0" in part:
                raise UsageError(f"{part!r} is no name for a file below {self.path}.")
        return self.path / folder / file

    def mark_done(self, product: Path, record: Mapping[str, Any]) -> None:
        """Write the sidecar that marks a product as done: `record`, the file's name and SHA-256, the run's identity."""
        stamp = {"file": product.name, "sha256": sha256_of(product), "run": self.identity}
        write_json(sidecar_of(product), {**record, **stamp})

    def done(self, product: Path) -> bool:
        """Whether this run finished the product and its bytes are still those."""
        sidecar = sidecar_of(product)
        if not (sidecar.is_file() and product.is_file()):
            return False
        try:
            record = read_json(sidecar)
        except InputError:
            return False
        ours = isinstance(record, dict) and record.get("run") == self.identity
        return bool(ours and record.get("sha256") == sha256_of(product))

    def write_failures(self, rows: Sequence[Mapping[str, Any]]) -> Path | None:
        """List the subjects that failed in `failures.tsv`; without any, an old list is removed."""
        place = self.path / "failures.tsv"
        if not rows:
            place.unlink(missing_ok=True)
            return None
        write_tsv(place, rows, ("participant_id", "file", "message"))
        return place


def sidecar_of(product: Path) -> Path:
    """The JSON file that stands beside a product."""
    name = product.name.removesuffix(".gz")
    return product.with_name(name.removesuffix(Path(name).suffix) + ".json")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in manifest.items() if name not in NOT_IDENTITY}


def _first_difference(there: Any, here: Any, where: str = "") -> str:
    """A sentence about the first place where two JSON values differ; empty where they do not."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*here, *there]):
            found = _first_difference(there.get(name), here.get(name), f"{where}.{name}".lstrip("."))
            if found:
                return found
        return ""
    return "" if there == here else f"{where} is {json.dumps(there)} there and {json.dumps(here)} here"
