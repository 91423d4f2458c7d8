"""The folder of a fit: the state that a method learned, and the record that vouches for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpbench.contract.interfaces import Explainer, Predictor
from interpbench.errors import InputError, UsageError
from interpbench.files.atomic import atomic_path, write_json
from interpbench.files.hashes import Hashes
from interpbench.files.records import NUMBER, ListOf, Maybe, read_record
from interpbench.host.components import make_component
from interpbench.host.foreign import asking
from interpbench.host.learned import Learned
from interpbench.host.registry import discover
from interpbench.host.trust import Names, checked_options
from interpbench.predictor.weights import read_weights
from interpbench.run.identity import IdentityPart
from interpbench.run.study import Study

STATE, RECORD, TIMES, WORKSPACE = "state.safetensors", "fitted.json", "times.json", "checkpoints"
_NEEDED = {
    "method": str,
    "options": dict,
    "predictor_sha256": str,
    "sha256": str,
    "target_class": Maybe(str),
    "subjects": Maybe(NUMBER),
    "record": Maybe({"warnings": Maybe(ListOf(str)), "diagnostics": Maybe(dict)}),
}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted method, as its folder has it."""

    explainer: Explainer
    record: Mapping[str, Any]  # the content of `fitted.json`

    @property
    def warnings(self) -> list[str]:
        """What the method found doubtful while it learned."""
        return list((self.record.get("record") or {}).get("warnings") or ())


def load_fitted(
    folder: str | Path, predictor: Predictor, *, method: str | None = None, trust_factory: Names = ()
) -> Explainer:
    """Find a fitted explainer again.

    Args:
        predictor: the one that it was fitted to.
        method: the one expected; None for any.
        trust_factory: what the record may import, where options of the method name code.

    Raises:
        InputError: nothing fitted there, damaged, or fitted to another predictor; code that is not allowed.
        UsageError: another method.
    """
    return _fitted(Path(folder), predictor, predictor.fingerprint, Hashes(), method, trust_factory).explainer


def open_fitted(folder: str | Path, study: Study, *, method: str | None = None, trust_factory: Names = ()) -> Fitted:
    """Find a fitted explainer again, with its record; as `load_fitted`."""
    return _fitted(Path(folder), study.predictor, study.fingerprint, study.hashes, method, trust_factory)


def _fitted(
    folder: Path, predictor: Predictor, fingerprint: str, hashes: Hashes, method: str | None, allowed: Names
) -> Fitted:
    record = read_fitted(folder)
    if method is not None and method != record["method"]:
        raise UsageError(f"{folder} was fitted with method {record['method']!r}, not {method!r}.")
    if record.get("target_class") != predictor.target_class:
        there, here = _logit_of(record.get("target_class")), _logit_of(predictor.target_class)
        raise InputError(
            f"{folder} was fitted to {there}, not to {here}. Fit the method to this class, or give the other class."
        )
    if record["predictor_sha256"] != fingerprint:
        raise InputError(
            f"{folder} was fitted to another predictor ({record['predictor_sha256'][:12]}) than this one"
            f" ({fingerprint[:12]}). Fit the method to this predictor."
        )
    state = folder / STATE
    if not state.is_file() or hashes.of(state) != record["sha256"]:
        raise InputError(f"{state}: missing, or its SHA-256 differs from the one in {RECORD}: fit again.")
    options = checked_options(
        discover().load("explainer", record["method"]), record["options"], folder / RECORD, allowed
    )
    explainer, _ = make_component("explainer", record["method"], options)
    learned = read_weights(state)
    measured = {**(record.get("record") or {}), **_times(folder)}
    with asking(f"method {record['method']!r}", what=f"cannot use its state in {state}"):
        fitted: Explainer = explainer.with_state(learned).with_record(measured)
    return Fitted(fitted, record)


def read_learned(folder: str | Path, study: Study) -> IdentityPart:
    """The identity part of a fitted method: the hash of its record, which vouches for that of its state."""
    files = [study.input_file("fitted", Path(folder) / name) for name in (RECORD, STATE)]
    return IdentityPart({"learned": {"record_sha256": files[0].sha256, "state_sha256": files[1].sha256}}, files)


def _logit_of(target_class: str | None) -> str:
    return "a predictor without classes" if target_class is None else f"the logit of class {target_class!r}"


def read_fitted(folder: str | Path) -> dict[str, Any]:
    """The record of a fitted explainer: `method`, `options`, `predictor_sha256`, `record`, ...

    Raises:
        InputError: there is none in this folder.
    """
    path = Path(folder) / RECORD
    if not path.is_file():
        raise InputError(f"{folder}: is not a folder of a fit, {RECORD} is missing. `interpbench fit` writes it.")
    return read_record(path, _NEEDED, "record of a fitted explainer")


def _times(folder: Path) -> dict[str, Any]:
    """The durations in a record, which are no part of what was learned."""
    place = folder / TIMES
    return read_record(place, {"training_seconds": Maybe(NUMBER)}, "record of times") if place.is_file() else {}


def write_fitted(folder: Path, learned: Learned, identity: Mapping[str, Any], hashes: Hashes) -> None:
    """Write the state, then the record that vouches for it, with what else it says."""
    from safetensors.torch import save_file

    with atomic_path(folder / STATE) as path:
        save_file(dict(learned.state), path)
    measured = dict(learned.record)
    if "training_seconds" in measured:
        write_json(folder / TIMES, {"training_seconds": measured.pop("training_seconds")})
    write_json(folder / RECORD, {**identity, "sha256": hashes.of(folder / STATE), "record": measured})
