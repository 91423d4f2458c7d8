"""`adopt`: a user's own trained network becomes a model folder like any other."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort.choosing import log
from interpbench.errors import InputError, InterpbenchError, ResourceError, UsageError, did_you_mean
from interpbench.files.atomic import sha256_of
from interpbench.files.run_folder import RunFolder
from interpbench.host.ask_predictor import predict_one
from interpbench.host.components import make_component
from interpbench.host.foreign import asking, trouble
from interpbench.host.registry import one_line
from interpbench.images.recipe import Recipe
from interpbench.options import options_json
from interpbench.predictor.failing_layer import failing_layer
from interpbench.predictor.made_up import made_up_volumes
from interpbench.predictor.model import RECORD, WEIGHTS, save_predictor
from interpbench.predictor.network import NetworkPredictor
from interpbench.predictor.readout import check_readout
from interpbench.predictor.steadiness import NetworkTrial
from interpbench.predictor.trial import KINDS, LARGE, refuse_findings, try_builds, try_network
from interpbench.predictor.weight_names import strip_prefix
from interpbench.predictor.weights import load_weights, read_weights
from interpbench.run.identity import distribution_of
from interpbench.run.places import check_places

COMPONENT = "torch"  # the predictor for networks that are not built here
NOT_NAMED = "class"  # the column that holds an adopted classifier's classes, where nobody says which


def adopt(
    factory: str,
    weights: str | Path,
    out: str | Path,
    *,
    recipe: Recipe | Mapping[str, Any],
    arguments: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    bins: tuple[float, float] | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    unit: str = "years",
    training_age_range: tuple[float, float] | None = None,
    target: str | None = None,
    classes: Sequence[str] = (),
    target_class: str | None = None,
    accept: Sequence[str] = (),
) -> dict[str, Any]:
    """Turn a network of your own into a model folder.

    The prediction is `read_out(network(volume)) * scale + offset`. The read-out is the network's one output, one
    column of several (`options={"column": 1}`), or the expectation over soft bins, as SFCN has. Whether the bins
    hold probabilities already, or scores that a softmax turns into them, is found out on one trial volume.

    A classifier has `classes`, one for each output of its network in their order, or two for one output, which is then
    the logit of the second. The prediction is the logit of `target_class`; see `interpbench.predictor.network`.

    Args:
        factory: `module:function` or `module:Class`; imported and called. It runs as you.
        weights: a safetensors file, or a state dict, read with `weights_only=True`. Every name and shape must fit;
            what wrappers put before the names is taken off, and it is said. See `interpbench.predictor.weight_names`.
        out: the model folder.
        recipe: how an image becomes the network's input; `voxel_size` in mm and `shape` at least.
        arguments: the factory's keyword arguments.
        options: of the predictor `torch`, by name.
        bins: lower edge of the first and upper edge of the last soft bin, in the unit.
        scale, offset: from the read-out to the unit.
        unit: of the prediction.
        training_age_range: youngest and oldest that the network was trained on; predictions beyond are warned about.
        target: the column of the participants' table that it predicts: age, where it is None and there are no classes.
        classes: of a classifier, as that column has them.
        target_class: whose logit is the prediction, where a step names no other; the last class where it is None.
        accept: kinds of findings of the trial that do not refuse the network, where they are meant: `chance`, `batch`,
            `gradient`, `constant`, `stuck` (see `interpbench.predictor.trial`). They become warnings, in
            `model.json` and beside each result.

    The network is tried on volumes that are made up, and what is found stands in `model.json` as `trial`.

    Returns:
        The content of `model.json`.

    Raises:
        UsageError: the factory is not there, or cannot be called so; something of a regressor's given for classes.
        InputError: the weights do not fit, are not finite, or cannot be read; the output is squashed; it gives
            several numbers, and none was named; the trial found what was not accepted.
    """
    given = {"weights": Path(weights), "out": out, "options": options, "arguments": arguments}
    check_places("adopt", given)
    asked: dict[str, Any] = {**(options or {}), "factory": factory}
    if arguments is not None:
        asked["arguments"] = json.dumps(dict(arguments))
    if bins is not None:
        asked |= {"bins_start": bins[0], "bins_stop": bins[1]}
    classes = [word.strip() for word in classes]
    _check_accepted(accept)
    _check_classes(classes, asked, scale=scale, offset=offset)
    column = target or ("age" if not classes else NOT_NAMED)
    blank, installed = make_component("predictor", COMPONENT, asked)
    blank = blank.aimed_at(column.lower(), classes, target_class)
    grid = recipe if isinstance(recipe, Recipe) else Recipe.from_json(recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = _built(blank, grid, factory)
        with asking("the trial"):
            trial = torch.randn(1, 1, *grid.shape)
    with asking("the trial"):
        state = strip_prefix(read_weights(Path(weights)), module, weights)
        load_weights(module, state, weights)
    module.eval()
    _check_inputs(module, factory)
    if asked.get("bins_start") is not None and "bins_hold" not in asked:
        asked["bins_hold"] = "probabilities" if _holds_probabilities(blank, module, trial) else "scores"
        log.info("%s: the bins hold %s", factory, asked["bins_hold"])
        blank = make_component("predictor", COMPONENT, asked)[0].aimed_at(column.lower())
    predictor: NetworkPredictor = blank.loaded(module, grid, unit=unit, scale=scale, offset=offset)
    shape = "x".join(str(edge) for edge in grid.shape)
    try:
        value = predict_one(predictor, trial)
    except (InputError, ResourceError):  # of its outputs: it says what to do
        raise
    except InterpbenchError as error:
        layer = failing_layer(module, trial)
        why = f"{layer}." if layer else str(error)
        raise InputError(f"{factory} cannot predict a volume of {shape} voxels: {why}{_hint(module)}") from error
    log.info("%s: accepts %s voxels, predicts %.2f %s for noise", factory, shape, value, predictor.unit)
    said = check_readout(predictor, trial, factory)

    def again() -> NetworkPredictor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            other = _built(blank, grid, factory)
        load_weights(other, module.state_dict(), weights)  # converted, and told, when the first was filled
        twin: NetworkPredictor = blank.loaded(other, grid, unit=unit, scale=scale, offset=offset)
        return twin

    found, told = _tried(predictor, again, factory, accept)
    asked_of = {
        "options": options_json(predictor),
        "recipe": grid.to_json(),
        "unit": predictor.unit,
        "scale": scale,
        "offset": offset,
        "weights_sha256": sha256_of(weights),
        "training_age_range": training_age_range,
    }
    if column != "age":
        asked_of |= {"target": predictor.target_column, "classes": classes, "target_class": predictor.target_class}
    if accept:
        asked_of |= {"accepted": sorted(accept)}
    run = RunFolder.open(out, "adopt", {**asked_of, "command": {"weights": weights}})
    details: dict[str, Any] = {"distribution": distribution_of(installed), "trial": found, "warnings": [*said, *told]}
    if training_age_range is not None:
        details["training_age_range"] = list(training_age_range)
    record = save_predictor(run.path, predictor, name=COMPONENT, details=details)
    run.end([WEIGHTS, RECORD])
    return record


def _built(blank: NetworkPredictor, grid: Recipe, factory: str) -> torch.nn.Module:
    """The network that the factory makes.

    Raises:
        UsageError: it fails.
        ResourceError: memory is too short for it.
    """
    try:
        return blank.build(grid.shape)
    except (InterpbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:  # another's code: an exit too
        told = trouble(error, f"factory {factory!r}")
        if isinstance(told, ResourceError):
            raise told from error
        arguments = getattr(blank, "arguments", "")
        raise UsageError(f"factory {factory!r} failed on {arguments}: {one_line(error)}.") from error


def _check_classes(classes: Sequence[str], options: Mapping[str, Any], *, scale: float, offset: float) -> None:
    """Refuse invalid classes, and options of a regressor beside classes.

    Raises:
        UsageError: naming it.
    """
    if not classes:
        return
    if len(classes) < 2 or len(set(classes)) < len(classes) or not all(classes):
        raise UsageError(f"classes must be at least two different words, one per output, got {', '.join(classes)}.")
    foreign = [name for name in ("bins_start", "bins_stop", "column") if name in options]
    foreign += [name for name, value, usual in (("scale", scale, 1.0), ("offset", offset, 0.0)) if value != usual]
    if foreign:
        raise UsageError(f"the prediction of a classifier is a logit: omit {', '.join(foreign)}.")


def _check_accepted(accept: Sequence[str]) -> None:
    for kind in accept:
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS)
            raise UsageError(f"an accepted problem must be one of {', '.join(KINDS)}, got {kind!r}.{hint}")


def _check_inputs(module: torch.nn.Module, factory: str) -> None:
    """Refuse a network that requires more inputs than the volume.

    Raises:
        InputError: naming the inputs.
    """
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # a scripted module tells nothing of itself
        return
    names = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if len(names) > 1:
        raise InputError(
            f"{factory} needs {len(names)} inputs ({', '.join(names)}), but a predictor gets only the volume: wrap"
            " it in a network with one input that sets the others."
        )


def _hint(module: torch.nn.Module) -> str:
    """A sentence about a first convolution that is not 3D with one input channel; empty for one that is."""
    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    name, first = next(((name, part) for name, part in module.named_modules() if isinstance(part, kinds)), ("", None))
    if first is None or (isinstance(first, torch.nn.Conv3d) and first.in_channels == 1):
        return ""
    channels = "1 input channel" if first.in_channels == 1 else f"{first.in_channels} input channels"
    wants = f"is a {type(first).__name__} of {channels}"
    return f" Its first convolution, {name!r}, {wants}: a predictor gets volumes with one channel."


def _tried(
    predictor: NetworkPredictor, again: Callable[[], NetworkPredictor], factory: str, accept: Sequence[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The trial's figures for the record, and the warnings that it leaves.

    Args:
        again: builds the same predictor from nothing.

    Raises:
        InputError: what was found and not accepted.
    """
    with asking("the trial"):
        volumes = made_up_volumes(predictor.recipe, 2 if math.prod(predictor.recipe.shape) >= LARGE else 4)
    found = try_network(predictor, volumes, "made-up volumes")
    if not any(one.kind == "chance" and one.certain for one in found.findings):
        found = NetworkTrial((*try_builds(predictor, again(), volumes[[0, -2]]), *found.findings), found.figures)
    told = refuse_findings(
        found.findings, factory, accept, " If this is intended, `--accept {kind}` adopts it with this warning."
    )
    for sentence in told:
        log.warning("%s", sentence)
    figures = {"volumes": "made up", "n": len(volumes), **found.figures, "found": [one.kind for one in found.findings]}
    return {**figures, "accepted": sorted(set(accept))}, told


@torch.no_grad()
def _holds_probabilities(blank: Any, module: torch.nn.Module, trial: Tensor) -> bool:
    """Whether the outputs are positive and add up to 1 already: a second softmax would flatten them."""
    with asking("the predictor", trial):
        outputs = blank.tensor_among(blank.named_outputs(module(trial)), "holds the soft bins")
    return bool((outputs >= 0).all() and ((outputs.sum(1) - 1).abs() < 1e-3).all())
