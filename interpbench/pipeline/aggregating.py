"""`aggregate`: the maps of many subjects as maps of their population, on the network's grid, with its picture."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from interpbench.cohort.choosing import log
from interpbench.doubts import FLAT, Doubt, as_record, count_doubts
from interpbench.errors import InputError, UsageError
from interpbench.files.atomic import read_json, write_json
from interpbench.files.failures import failure, finish
from interpbench.files.hashes import Hashes
from interpbench.files.input_paths import InputPaths
from interpbench.files.records import ListOf, Maybe, fault_in, read_record
from interpbench.files.run_folder import FAILURES, MANIFEST, RunFolder, sidecar_of
from interpbench.host.checking import checked_population
from interpbench.host.components import make_component
from interpbench.host.foreign import asking
from interpbench.images.recipe import Recipe
from interpbench.images.volume import write_map
from interpbench.maps.sources import MovedImages, SourceImages
from interpbench.parallel.overlap import AHEAD
from interpbench.parallel.overlap import ahead as read_ahead
from interpbench.pipeline.population import MapOnGrid, NoTemplate, PopulationSum, read_map
from interpbench.progress import track
from interpbench.run.identity import IdentityPart, InputFile, identity_of, input_rows, read_component, read_settings
from interpbench.run.places import check_places, refuse_taken

RECORD = "population.json"
SHOWN = 0.10  # of the brain, the paper's share
RIM = 0.10  # of the largest value
_MANIFEST = {"method": str, "unit": str, "signed": bool, "recipe": dict}
_ASKED = {
    "run": str,
    "participant_id": str,
    "sha256": str,
    "image": Path,
    "image_sha256": str,
    "mask": Maybe(Path),
    "mask_sha256": Maybe(str),
    "warnings": Maybe(ListOf(str)),
    "network_map": Maybe({"file": str, "sha256": str}),
}  # of a sidecar
_USED = (
    "participant_id",
    "sha256",
    "image",
    "image_sha256",
    "mask",
    "mask_sha256",
    "network_map",
    "warnings",
    "warning_kinds",
    "predictor_warnings",
)  # of a sidecar


def aggregate(
    maps: str | Path,
    out: str | Path,
    *,
    aggregator: str = "population",
    options: Mapping[str, Any] | None = None,
    ahead: int = AHEAD,
    root: str | Path | None = None,
) -> dict[str, Any]:
    """Put the maps of `explain` together, one subject after the other, in the order of their labels.

    Memory does not grow with their number. Each map is taken as the method made it, on the network's grid, and cut to
    the brain unless `explain` kept it whole. The images must be registered to one template.

    Args:
        maps: a folder of `explain`.
        out: `population_NAME.nii.gz` for each result of the aggregator, `population_background.nii.gz` (mean of the
            normalised images), `population_brain.nii.gz` (1 where at least half of the subjects have brain),
            `population.png`, `population.json`.
        aggregator: its name.
        options: of the aggregator.
        ahead: how many subjects are read before the one at hand, each in a thread of its own; 0 for none.
        root: where the images moved, which are looked for below it: by their path in the cohort, else by name, else by
            their bytes, which must be those that the maps were made from. None for where they were.

    Returns:
        The content of `population.json`.

    Raises:
        InputError: no maps, or images that do not share one space.
        SubjectsFailed: the population was written, but without some subjects; they are in `out/failures.tsv`.
    """
    check_places("aggregate", {"maps": Path(maps), "out": out, "options": options})
    if ahead < 0:
        raise UsageError(f"ahead must be at least 0, got {ahead}.")
    maps = Path(maps)
    manifest = _manifest(maps)
    hashes = Hashes()
    images = SourceImages(manifest, None if root is None else MovedImages(root, hashes))
    sidecars, left_out = _sidecars(maps, RunFolder(maps, manifest).identity)
    taken = InputPaths()
    for record in sidecars.values():
        for name in ("image", "mask"):
            if isinstance(record.get(name), str):
                taken.add(images.recorded(record[name]), f"the {name} of {record['participant_id']}")
    refuse_taken(taken, [("output", Path(out), True)])
    component, installed = make_component("aggregator", aggregator, options)
    explained = {name: manifest.get(name) for name in ("method", "options", "predictor_sha256", "recipe")}
    parts = [
        read_component(component, installed, hashes),
        read_settings(aggregator=aggregator, explained={**explained, "run": RunFolder(maps, manifest).identity}),
        IdentityPart(
            {"maps": {record["participant_id"]: _hashes(record) for record in sidecars.values()}},
            [InputFile("map", path.absolute(), record["sha256"]) for path, record in sidecars.items()],
        ),
    ]
    asked = identity_of("aggregate", parts, {})
    try:
        recipe = Recipe.from_json(manifest["recipe"])
    except UsageError as error:
        raise InputError(f"{maps / MANIFEST}: {error}") from error
    run = RunFolder.open(out, "aggregate", {**asked, "command": {"maps": maps, "root": root}}, anew=(), hashes=hashes)
    run.write_inputs(input_rows(parts))
    population = PopulationSum(recipe, component, aggregator)
    failures = [failure(path.parent.name, path, why) for path, why in left_out.items()]
    for path, why in left_out.items():
        log.warning("excluded: %s: %s", path.parent.name, why)
    read_one = functools.partial(_read, recipe=recipe, images=images, hashes=hashes, whole=bool(manifest.get("whole")))
    with read_ahead(read_one, sidecars.items(), ahead) as read:
        for path, record in track(sidecars.items(), "aggregating", unit="subject"):
            found = next(read)
            try:
                if isinstance(found, InputError):
                    raise found
                population.add(path, record, found)
            except NoTemplate:
                raise
            except InputError as error:
                log.warning("excluded: %s: %s", record["participant_id"], error)
                failures.append(failure(record["participant_id"], path, error))
    if not population.number:
        raise InputError(f"{maps}: none of {len(failures)} maps can be used. The first error: {failures[0]['message']}")
    summary = _write(run.path, population, manifest, asked)
    run.write_failures(failures)
    names = (*summary["files"].values(), "population_background.nii.gz", "population_brain.nii.gz")
    run.end([*names, "population.png", RECORD, FAILURES])
    common = population.predictor_doubts
    count_doubts({label: (*common, *some) for label, some in population.doubts.items()}, population.number)
    finish(failures, run.path / "failures.tsv", population.number)
    return summary


def _read(
    named: tuple[Path, Mapping[str, Any]], recipe: Recipe, images: SourceImages, hashes: Hashes, whole: bool
) -> MapOnGrid | InputError:
    """A subject's map and image, or the reason why they cannot be used."""
    try:
        path, record = named
        there = {
            name: str(images.find(str(record[name]), str(record.get(f"{name}_sha256"))))
            for name in ("image", "mask")
            if record.get(name) is not None
        }
        return read_map(path, {**record, **there}, recipe, hashes, whole=whole)
    except InputError as error:
        return error


def _hashes(record: Mapping[str, Any]) -> list[str]:
    """SHA-256 of a subject's map, and of the map on the network's grid if that is kept."""
    kept = record.get("network_map")
    return [record["sha256"], *([kept["sha256"]] if kept else [])]


def _manifest(maps: Path) -> dict[str, Any]:
    place = maps / MANIFEST
    found = read_record(place, {"kind": str}, "manifest of a run") if place.is_file() else {}
    if found.get("kind") != "explain":
        raise InputError(f"{maps}: is not a folder of maps; `interpbench explain` writes one.")
    if fault := fault_in(found, _MANIFEST):
        raise InputError(f"{place}: {fault}.")
    return found


def _sidecars(maps: Path, run: str) -> tuple[dict[Path, dict[str, Any]], dict[Path, str]]:
    """The path and record of each map, in the order of the labels; and the records that cannot be used, with reasons.

    Raises:
        InputError: there is no map that can be used.
    """
    found: dict[Path, dict[str, Any]] = {}
    left_out: dict[Path, str] = {}
    for path in sorted(maps.glob("sub-*/sub-*_importance.json")):
        try:
            record = read_record(path, _ASKED, "record of a map")
        except InputError as error:
            left_out[path] = f"{error} Run explain again."
            continue
        if record["run"] != run:
            left_out[path] = f"{path}: belongs to an earlier run in this folder: run explain again."
        else:
            found[path.with_suffix(".nii.gz")] = {name: record[name] for name in _USED if name in record}
    for path in sorted(maps.glob("sub-*/sub-*_importance.nii.gz")):
        if not sidecar_of(path).is_file():
            left_out[sidecar_of(path)] = f"{path}: has no record beside it, so it is unfinished: run explain again."
    if not found:
        why = f" The first error: {next(iter(left_out.values()))}" if left_out else ""
        raise InputError(f"{maps}: has no finished map.{why}")
    return found, left_out


def paint_above(map: Tensor, brain: Tensor) -> float:
    """The value above which a picture shows a voxel in colour.

    A map that is not thresholded itself shows its top 10 % of brain voxels; one that is shows all but the faint rim
    that smoothing leaves around what was kept.
    """
    inside = map[brain] if bool(brain.any()) else map.flatten()
    if float((inside > 0).double().mean()) <= 0.5:
        return RIM * max(float(inside.max()), 0.0)
    return float(np.quantile(inside.numpy(), 1 - SHOWN))


def _doubt(sentences: Sequence[str], *, signed: bool) -> str | None:
    """The caption's warnings: the first doubt about the predictor, where the others are listed, and a signed map."""
    told = list(sentences[:1])
    if len(sentences) > 1:
        told[0] += f" ({len(sentences) - 1} more in {RECORD})"
    if signed:
        told.append("the map is signed, and its values below 0 are not shown")
    return "; ".join(told) or None


def _write(
    folder: Path, population: PopulationSum, manifest: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    from interpbench.report.pictures import six_slices, write_picture

    with asking(f"aggregator {population.name!r}", population.background[None, None]):
        results = population.aggregator.result()
        pictured, said = population.aggregator.pictured, population.aggregator.caption
    named = checked_population(results, population.recipe.shape, population.name)
    pictured = pictured if pictured in named else next(iter(named))
    caption = said or f"population map {pictured!r}"
    for name, values in {**named, "background": population.background, "brain": population.brain}.items():
        write_map(folder / f"population_{name}.nii.gz", values, affine=population.affine)
    doubts = list(population.predictor_doubts)
    if not bool((named[pictured][population.brain] > 0).any()):
        doubts.append(
            Doubt(f"population map {pictured!r} has no value above 0 in the brain: its picture is empty", FLAT)
        )
        log.warning("%s", doubts[-1])
    title = f"Importance by {manifest['method']}: {caption}, voxels of {population.recipe.voxel_size:g} mm"
    picture = six_slices(
        named[pictured].numpy(),
        population.background.numpy(),
        population.affine,
        title=title,
        unit="importance (method's own scale)",
        n=population.number,
        threshold=paint_above(named[pictured], population.brain),
        doubt=_doubt(doubts, signed=manifest["signed"]),
    )
    write_picture(picture, folder / "population.png")
    summary = {
        **asked,
        "n": population.number,
        "predictor_unit": manifest["unit"],
        "signed": manifest["signed"],
        "files": {name: f"population_{name}.nii.gz" for name in named},
        "pictured": pictured,
        "voxel_size_mm": population.recipe.voxel_size,
        "brain_voxels": int(population.brain.sum()),
        "affine": population.affine,
        **as_record(
            [
                *doubts,
                *(doubt.after(f"{label}: ") for label, some in population.doubts.items() for doubt in some),
            ]
        ),
    }
    write_json(folder / RECORD, summary)
    return dict(read_json(folder / RECORD))
