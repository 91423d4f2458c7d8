"""A predictor on disk: a folder with `model.safetensors` and `model.json`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from interpbench.contract.interfaces import Predictor
from interpbench.errors import ConflictError, InputError, UsageError
from interpbench.files import records
from interpbench.files.atomic import atomic_path, sha256_of, write_json
from interpbench.files.hashes import Hashes
from interpbench.files.records import NUMBER, ListOf, MapOf, Maybe
from interpbench.host import trust
from interpbench.host.foreign import asking
from interpbench.host.registry import discover
from interpbench.images.recipe import Recipe
from interpbench.options import options_json
from interpbench.predictor.layout import settle
from interpbench.predictor.network import NetworkPredictor
from interpbench.predictor.weights import load_weights, read_weights

WEIGHTS = "model.safetensors"
RECORD = "model.json"
_NEEDED: Mapping[str, Any] = {
    "predictor": str,
    "options": dict,
    "recipe": dict,
    "unit": str,
    "scale": NUMBER,
    "offset": NUMBER,
    "sha256": str,
    "target": Maybe(str),
    "target_class": Maybe(str),
    "classes": Maybe(ListOf(str)),
    "split": Maybe(str),
    "training_age_range": Maybe(ListOf(NUMBER, 2)),
    "training_range": Maybe(ListOf(NUMBER, 2)),
    "training_mean": Maybe(NUMBER),
    "training_counts": Maybe(MapOf(NUMBER)),
    "metrics": Maybe({"subjects": Maybe(NUMBER), "test": Maybe(dict)}),
}


def save_predictor(
    folder: str | Path, predictor: NetworkPredictor, *, name: str, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Write a model folder: first the weights, last the record with their hash.

    Args:
        folder: made if it is not there.
        predictor: with its weights.
        name: the component's name, by which it is found again.
        details: what else to keep: `distribution`, `training_age_range`, `metrics`, `split`, ...

    Returns:
        The record, as `model.json` holds it.

    Raises:
        ConflictError: another program's `model.json` is in the folder.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_foreign(folder)
    (folder / RECORD).unlink(missing_ok=True)  # never an old record beside new weights
    state = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in predictor.module.state_dict().items()}
    with atomic_path(folder / WEIGHTS) as path:
        save_file(state, path)
    record = {
        "predictor": name,
        "options": options_json(predictor),
        "recipe": predictor.recipe.to_json(),
        "unit": predictor.unit,
        "scale": predictor.scale,
        "offset": predictor.offset,
        **_task_of(predictor),
        **details,
        "fingerprint": predictor.fingerprint,
        "sha256": sha256_of(folder / WEIGHTS),
    }
    write_json(folder / RECORD, record)
    trust.remember(folder / RECORD, predictor)
    return read_model_record(folder)


def _refuse_foreign(folder: Path) -> None:
    if os.path.lexists(folder / RECORD):
        try:
            read_model_record(folder)
        except InputError as error:
            raise ConflictError(f"{folder / RECORD} exists already and is not a model record: {error}") from error


def load_predictor(
    source: str | Path, device: str = "cpu", target: str | None = None, *, trust_factory: trust.Names = ()
) -> Predictor:
    """Load a model folder, or by name a registered predictor without weights.

    Args:
        source: the folder that `train` or `adopt` wrote, or a component's name.
        device: where its weights go: `"cpu"`, `"cuda"`, ...
        target: of a classifier, the class whose logit it predicts; None for the one on record.
        trust_factory: what the record may import, exactly as it stands there, `"module:name"`; needed for a network of
            your own where neither you wrote the record, by `adopt` say, nor allowed it by `interpbench trust`.

    Returns:
        The predictor, frozen, in eval mode.

    Raises:
        InputError: no model there, a file that is damaged or changed, weights of another architecture; a record that
            names code which is not allowed. Nothing that it names was imported then.
        UsageError: it has no such class.
    """
    return open_predictor(source, device, target, trust_factory=trust_factory)[0]


def open_predictor(
    source: str | Path,
    device: str = "cpu",
    target: str | None = None,
    *,
    trust_factory: trust.Names = (),
    hashes: Hashes | None = None,
) -> tuple[Predictor, dict[str, Any]]:
    """A predictor as `load_predictor` gives it, and its record; an empty one where it has no folder.

    Args:
        hashes: of the command's input files.
    """
    folder = Path(source)
    if not folder.is_dir():
        return _by_name(str(source), target), {}
    record = read_model_record(folder)
    predictor, options = _checked(record, folder, trust_factory)
    try:
        with asking(f"{folder / RECORD}: predictor {record['predictor']!r}", what="cannot be made"):
            blank = predictor(**options)
        recipe = Recipe.from_json(record["recipe"])
    except UsageError as error:
        raise InputError(f"{folder / RECORD}: {error}") from error
    blank = _aimed(blank, record, target, folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError(f"{folder}: {WEIGHTS} is missing; train again or copy the whole model folder.")
    if (hashes or Hashes()).of(weights) != record["sha256"]:
        raise InputError(
            f"{weights}: its SHA-256 differs from the one in {RECORD}: the file is damaged or belongs to another model."
        )
    like = torch.empty(1, 1, *recipe.shape, device="meta")
    with torch.random.fork_rng(devices=[]), asking(f"{folder}: its network", like, what="cannot be built"):
        module = blank.build(recipe.shape)
    load_weights(module, read_weights(weights), weights)
    with asking(f"{folder}: its network", like, what=f"cannot be put on {device}"):
        settle(module, torch.device(device))
        scale, offset = float(record["scale"]), float(record["offset"])
        return blank.loaded(module, recipe, unit=record["unit"], scale=scale, offset=offset), record


def read_model_record(folder: str | Path) -> dict[str, Any]:
    """Read `model.json` of a model folder.

    Raises:
        InputError: it is missing, no JSON, lacks something, or holds something of another kind.
    """
    path = Path(folder) / RECORD
    if not path.is_file():
        raise InputError(f"{folder}: is not a model folder, {RECORD} is missing. `interpbench train` writes one.")
    return records.read_record(path, _NEEDED, "model record")


def doubts_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Warnings about a predictor: those of its record, and whether it has learned anything.

    Args:
        record: the content of `model.json`; an empty one of a predictor without a folder.
    """
    given = record.get("warnings")
    told = [one for one in given if isinstance(one, str)] if isinstance(given, list | tuple) else []
    metrics = record.get("metrics")
    figures = metrics.get("test") if isinstance(metrics, Mapping) else None
    poor = no_better(figures, str(record.get("unit", ""))) if isinstance(figures, Mapping) else None
    return tuple(dict.fromkeys([*told, poor] if poor else told))


def no_better(figures: Mapping[str, Any], unit: str) -> str | None:
    """A warning if a predictor is, or may be, no better than predicting the mean or majority; None otherwise.

    Args:
        figures: of the test split: `n`; `mae` and `mean_predictor_mae`, or `accuracy` and `majority_accuracy`; the
            interval of `mae` or `accuracy`.
        unit: of the prediction.
    """
    classes = "accuracy" in figures
    own = _number(figures.get("accuracy" if classes else "mae"))
    blind = _number(figures.get("majority_accuracy" if classes else "mean_predictor_mae"))
    if own is None or blind is None:
        return None
    bounds = figures.get("accuracy_interval" if classes else "mae_interval")
    low, high = map(_number, bounds) if isinstance(bounds, list | tuple) and len(bounds) == 2 else (None, None)
    worst, sign = (low, 1) if classes else (high, -1)  # more accuracy is better, and less error
    behind = sign * own <= sign * blind
    if not behind and worst is not None and sign * worst > sign * blind:
        return None
    what = f"predicting the majority class {figures.get('majority_class')!r}" if classes else "predicting the mean"
    measure, tail, digits = ("accuracy", "", 3) if classes else ("mean absolute error", f" {unit}", 2)
    interval = "" if low is None or high is None else f" (95 % interval {low:.{digits}f} to {high:.{digits}f})"
    how = "is" if behind else "may be"
    return (
        f"the predictor {how} no better than {what}: {measure} {own:.{digits}f}{tail}{interval}"
        f" against {blind:.{digits}f}{tail}, n = {figures.get('n')} of the test split"
    )


def _number(value: Any) -> float | None:
    """The value if it is a finite number; None otherwise."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e300:
        return None
    return float(value)


def _task_of(predictor: NetworkPredictor) -> dict[str, Any]:
    """The entries of a record about the target; empty for age."""
    if predictor.classes:
        return {
            "task": "classification",
            "target": predictor.target_column,
            "classes": list(predictor.classes),
            "target_class": predictor.target_class,
        }
    return {} if predictor.target_column == "age" else {"task": "regression", "target": predictor.target_column}


def _aimed(blank: NetworkPredictor, record: Mapping[str, Any], target: str | None, folder: Path) -> NetworkPredictor:
    classes = [str(one) for one in record.get("classes") or ()]
    try:
        return blank.aimed_at(str(record.get("target") or "age"), classes, target or record.get("target_class"))
    except UsageError as error:
        raise UsageError(f"{folder}: {error}") from error


def _checked(
    record: Mapping[str, Any], folder: Path, allowed: trust.Names
) -> tuple[type[NetworkPredictor], dict[str, Any]]:
    """The installed class that a record names, and its options, whose code is allowed."""
    predictor = _class_named(record["predictor"], folder)
    try:
        return predictor, trust.checked_options(predictor, record["options"], folder / RECORD, allowed)
    except UsageError as error:
        raise InputError(f"{folder / RECORD}: {error}") from error


def _class_named(name: str, source: str | Path) -> type[NetworkPredictor]:
    found = discover().load("predictor", name)
    if not issubclass(found, NetworkPredictor):
        raise InputError(f"{source}: predictor {name!r} is not a network with weights, so it has no model folder.")
    return found


def _by_name(name: str, target: str | None) -> Predictor:
    if "/" in name or name.startswith("."):
        raise InputError(f"{name}: no such model folder.")
    registry = discover()
    known = sorted(component.name for component in registry.components("predictor"))
    if name not in known:
        installed = ", ".join(known) or "none"
        raise InputError(f"{name}: no such model folder, and no such predictor. Installed: {installed}.")
    found = registry.load("predictor", name)
    if issubclass(found, NetworkPredictor):
        raise UsageError(f"Predictor {name!r} needs weights: give the model folder that `interpbench train` wrote.")
    with asking(f"predictor {name!r}", what="cannot be made"):
        predictor: Predictor = found()
        _ = predictor.module, predictor.recipe.shape, predictor.target_class  # asked for without a guard later on
    if target not in (None, predictor.target_class):
        raise UsageError(f"Predictor {name!r} has no class {target!r}: omit the target class.")
    return predictor
