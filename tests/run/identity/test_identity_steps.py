"""What a run reads makes it itself: each entry of the declaration is changed in turn, and nothing is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from interpbench.errors import InterpbenchError
from interpbench.files.atomic import sha256_of, write_json
from interpbench.run.identity import READS, IdentityPart, identity_of

ALWAYS = ("versions", "interpbench")  # of every step


def change_split(world: Any, step: str) -> None:
    place = world.root / "model" / "split.tsv"
    text = place.read_text()
    first = next(line for line in text.splitlines() if line.endswith("\ttrain"))
    place.write_text(text.replace(first, first.replace("train", "validation")))


def change_code(world: Any, step: str) -> None:
    place = world.root / "identity_methods.py"
    place.write_text(place.read_text() + "\n# another line\n")
    if step == "train":  # its network's class
        world.patch.setattr("interpbench.run.identity.source_sha256", lambda things: "another")


def change_fitted(world: Any, step: str) -> None:
    shutil.rmtree(world.root / "fit")
    world.set_option("fit", "factor", 5.0)
    world.run("fit")
    if step == "explain":
        world.given[step].pop("options")


def change_maps(world: Any, step: str) -> None:
    world.set_option("explain", "factor", 7.0)
    world.given["explain"]["method"] = "shade"
    world.given["explain"].pop("fitted", None)
    shutil.rmtree(world.root / "explain")
    world.run("explain")


def change_learner(world: Any, step: str) -> None:
    rows = [line.split("\t") for line in (world.root / "model" / "split.tsv").read_text().splitlines()]
    world.change_image(f"cohort/{next(row[0] for row in rows if row[2] == 'train').removeprefix('sub-')}.nii.gz")


def change_note(world: Any, step: str) -> None:
    (world.root / "note.txt").write_text("other words")
    if step == "train":  # its network has no option that names a file
        world.patch.setattr("interpbench.run.identity.files_in", lambda component: {"x": world.root / "note.txt"})


def change_options(world: Any, step: str) -> None:
    name, value = {"train": ("width", 3), "search": ("note", "")}.get(step, ("factor", 2))
    world.set_option(step, name, value)


def give(**values: Any) -> Callable[[Any, str], None]:
    return lambda world, step: world.given[step].update(values)


def patch(name: str, value: Any) -> Callable[[Any, str], None]:
    return lambda world, step: world.patch.setattr(name, value)


CHANGES: dict[str, Callable[[Any, str], None]] = {
    "method": give(method="other"),
    "methods": lambda world, step: world.set_option(step, "factor", 3.0),
    "measures": lambda world, step: give(options={**world.given[step]["options"], "height.factor": 2.0})(world, step),
    "aggregator": give(aggregator="other"),
    "predictor": give(predictor="otherresnet"),
    "distribution": patch("interpbench.run.identity.distribution_of", lambda installed: "another 9"),
    "predictor_distribution": patch("interpbench.run.identity.distribution_of", lambda installed: "another 9"),
    "options": change_options,
    "option_files": change_note,
    "code_sha256": change_code,
    "predictor_sha256": lambda world, step: world.change_weights(),
    "predictor_record_sha256": lambda world, step: world.edit_model(training_age_range=[1.0, 2.0]),
    "predictor_files": patch("interpbench.run.identity.files_in", lambda component: {"x": Path(__file__)}),
    "cohort_sha256": lambda world, step: world.change_image(),
    "splits_sha256": change_split,
    "learned": change_fitted,
    "learners_sha256": change_learner,
    "maps": change_maps,
    "explained": change_maps,
    "combinations": give(grid={"factor": [1.0, 4.0]}),
    "settings": lambda world, step: give(**({"epochs": 2} if step == "train" else {"strength": 0.3}))(world, step),
    "labels_sha256": lambda world, step: world.turn_image("labels.nii.gz"),
    "atlas_sha256": lambda world, step: world.turn_image("atlas.nii.gz"),
    "recipe": give(recipe={"shape": (9, 12, 8)}),
    "target": give(target="weight"),
    "participants": give(participants=["00"]),
    "blur": give(blur=0.7),
    "template_of": give(template_of="average"),
    "regions_sha256": lambda world, step: world.turn_image("regions.nii.gz"),
    "truth_sha256": lambda world, step: world.turn_image("truth.nii.gz"),
    "repeats": give(repeats=1),
    "refit_subjects": give(refit_subjects=3),
    "seed": give(seed=4),
    "whole": give(whole=True),
    "images": give(images={"nan_to_zero": True}),
    "machine": lambda world, step: torch.set_num_threads(torch.get_num_threads() + 1),
    "versions": patch("interpbench.files.software.versions", lambda: {"torch": "9"}),
    "interpbench": patch("interpbench.files.software.__version__", "9"),
}
"""How each entry is changed; an entry that a step declares and that is not here fails."""


NEEDS = {"explain": ("fit",), "aggregate": ("fit", "explain")}
PAIRS = [(step, entry) for step, entries in READS.items() for entry in (*entries, *ALWAYS)]
# A changed `--fitted` or a changed folder of maps is tried below, where the benchmark is given one.
GIVEN_LATER = {("benchmark", "maps")}


def identity(place: Path) -> str:
    """What a run's folder says of what it read."""
    if (place / "table.json").is_file():
        return json.dumps(json.loads((place / "table.json").read_text())["identity"], sort_keys=True)
    manifest = json.loads((place / "manifest.json").read_text())
    told = {name: value for name, value in manifest.items() if name not in ("started", "process", "command")}
    return json.dumps(told, sort_keys=True)


def said_or_refused(world: Any, step: str, place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Run again after the change: refused, or made anew and said so."""
    before, files = identity(place), {path: path.stat().st_ino for path in place.rglob("*.nii.gz")}
    caplog.clear()
    try:
        with caplog.at_level("WARNING", logger="interpbench"):
            world.run(step)
    except InterpbenchError as refused:
        assert refused.exit_code in (2, 3, 7)
        assert identity(place) == before, "refused, and yet the folder is another run's"
        return
    assert identity(place) != before, "the same run, though it read something else"
    if step != "predict":  # which makes its table anew each time
        assert "computed again" in caplog.text
    kept = [path.name for path, number in files.items() if path.is_file() and path.stat().st_ino == number]
    assert kept == []


def slowly(step: str, *values: Any) -> Any:
    """Steps that take seconds each are for the slow part."""
    return pytest.param(step, *values, marks=[pytest.mark.slow] * (step not in ("explain", "predict")))


@pytest.mark.slow
@pytest.mark.parametrize(("step", "entry"), [slowly(*pair) for pair in PAIRS if pair not in GIVEN_LATER])
def test_a_run_that_reads_something_else_keeps_nothing(
    world: Any, step: str, entry: str, caplog: pytest.LogCaptureFixture
) -> None:
    for before in NEEDS.get(step, ()):
        world.run(before)
    place = world.run(step)
    CHANGES[entry](world, step)
    said_or_refused(world, step, place, caplog)


@pytest.mark.slow
@pytest.mark.parametrize("change", [change_maps, change_fitted, lambda world, step: edit_map(world)])
def test_a_benchmark_of_given_maps_keeps_no_figure_of_others(
    world: Any, change: Callable[[Any, str], None], caplog: pytest.LogCaptureFixture
) -> None:
    for before in ("fit", "explain"):
        world.run(before)
    shutil.copytree(world.root / "explain", world.root / "maps")
    world.given["benchmark"] |= {"fitted": [world.root / "fit"], "maps": [world.root / "maps"]}
    place = world.run("benchmark")
    if change is change_fitted:
        world.given["benchmark"]["maps"] = []
    change(world, "benchmark")
    if change is change_maps:  # a folder of the same name
        shutil.rmtree(world.root / "maps")
        shutil.copytree(world.root / "explain", world.root / "maps")
    said_or_refused(world, "benchmark", place, caplog)


def edit_map(world: Any) -> None:
    """Another map under the old name, with a sidecar that vouches for its bytes."""
    place = next((world.root / "maps").glob("sub-*/*_importance.nii.gz"))
    image = nibabel.load(place)
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32) * 2, image.affine), place)
    sidecar = place.with_name(place.name.replace(".nii.gz", ".json"))
    write_json(sidecar, {**json.loads(sidecar.read_text()), "sha256": sha256_of(place)})


@pytest.mark.slow
def test_a_map_of_an_earlier_run_is_not_taken_by_a_benchmark(world: Any) -> None:
    for before in ("fit", "explain"):
        world.run(before)
    sidecar = next((world.root / "explain").glob("sub-*/*_importance.json"))
    write_json(sidecar, {**json.loads(sidecar.read_text()), "run": "0" * 64})
    world.given["benchmark"] |= {"fitted": [world.root / "fit"], "maps": [world.root / "explain"]}
    made = world.run("benchmark").glob("sub-*/*desc-average_importance.json")
    taken = {path.parent.name: json.loads(path.read_text())["taken_from"] for path in made}
    assert taken.pop(sidecar.parent.name) is None and taken and all(taken.values())


def test_a_step_that_forgets_an_entry_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="identity of 'predict'"):
        identity_of("predict", [IdentityPart({"images": {}})], {})
