"""`trust`: what a record would import, for the user to look at without importing it, and the user's word kept."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpbench.errors import InputError, InterpbenchError, UsageError
from interpbench.files.atomic import sha256_of
from interpbench.files.records import read_record
from interpbench.files.run_folder import MANIFEST
from interpbench.host import trust_store
from interpbench.host.registry import Kind, discover
from interpbench.host.trust import code_named, record_digest
from interpbench.options import typed_options

# Each record with options: its kind of component, the key with the component's name, the weights beside it.
_RECORDS: Mapping[str, tuple[Kind, str, str | None]] = {
    "model.json": ("predictor", "predictor", "model.safetensors"),
    "fitted.json": ("explainer", "method", "state.safetensors"),
    MANIFEST: ("explainer", "method", None),  # of a folder of maps
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a record would import.

    `code` are the options that name what is imported, `others` the rest; `origins` says for each name where its module
    would come from; `weights` is a sentence about the file beside the record.
    """

    place: Path
    component: str
    digest: str
    code: Mapping[str, str]
    others: Mapping[str, Any]
    origins: Mapping[str, str]
    weights: str
    trusted: bool


def request_of(folder: str | Path) -> Request:
    """Read what a folder of `train`, `adopt`, `fit` or `explain` would import, importing none of it.

    Raises:
        InputError: no record there, or one that cannot be read.
        UsageError: it names no installed component.
    """
    folder = Path(folder)
    name = next((name for name in _RECORDS if (folder / name).is_file()), None)
    if name is None:
        raise InputError(f"{folder}: has no {' or '.join(_RECORDS)}: there is nothing to allow.")
    kind, key, weights = _RECORDS[name]
    place = folder / name
    record = read_record(place, {key: str, "options": dict}, "record of a network or method")
    try:
        component = discover().load(kind, record[key])
        code = code_named(component, typed_options(component, record["options"]))
    except UsageError as error:
        raise InputError(f"{place}: {error}") from error
    digest = record_digest(place, record["options"])
    return Request(
        place=place,
        component=f"{kind} {record[key]}",
        digest=digest,
        code=code,
        others={option: value for option, value in record["options"].items() if option not in code},
        origins={one: origin_of(one) for one in code.values()},
        weights="" if weights is None else _weights(folder / weights, record.get("sha256")),
        trusted=_is_trusted(digest, code),
    )


def allow(request: Request) -> Path:
    """Keep the user's word that this very record may import what it names; returns the file that says so.

    Raises:
        UsageError, InputError, ResourceError: it cannot be kept.
    """
    return trust_store.keep(request.digest, request.code, request.place)


def origin_of(name: str) -> str:
    """Where the module of `module:name` would be imported from, which is only looked up: a file, or why there is none.

    Only the first part of a dotted name is looked up: to find a module in a package, Python imports the package.
    """
    top = name.partition(":")[0].partition(".")[0]
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError, AttributeError, OSError):  # odd names, and modules without a place
        spec = None
    if spec is None:
        return "not found: neither installed nor on PYTHONPATH"
    if spec.submodule_search_locations:
        return ", ".join(spec.submodule_search_locations)
    return "part of Python itself" if spec.origin in ("built-in", "frozen") else str(spec.origin)


def _is_trusted(digest: str, code: Mapping[str, str]) -> bool:
    try:
        return trust_store.kept(digest) == dict(code)
    except InterpbenchError:  # told when it is to be written
        return False


def _weights(file: Path, recorded: object) -> str:
    if not file.is_file():
        return f"{file} is missing"
    found = sha256_of(file)
    return f"{file}, SHA-256 {found}, {'as recorded' if found == recorded else 'NOT the recorded one'}"
