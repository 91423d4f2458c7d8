"""Writes a phantom cohort: NIfTI images, `participants.tsv` and the ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from interpbench.errors import ConflictError, UsageError, did_you_mean
from interpbench.files.atomic import plain, read_json, write_json, write_tsv
from interpbench.images.volume import write_map
from interpbench.options import checked_seed
from interpbench.phantom import subject as settings
from interpbench.phantom.anatomy import Anatomy, Array, anatomy_of, load_anatomy, load_millimetres
from interpbench.phantom.personal import Person, draw_person, personal_settings, render_person, with_noise
from interpbench.phantom.places import PLACES, Place, load_places
from interpbench.phantom.subject import AGES, render_subject
from interpbench.phantom.truth import TRUTH_SHARE, render_personal_truth, render_truth
from interpbench.progress import track

KINDS = ("plain", "personal")


def render_cohort_member(anatomy: Anatomy, number: int, subjects: int, seed: int) -> tuple[float, Array]:
    """Age in years and image of one subject; they depend only on these arguments."""
    age, random = _age_of(number, subjects, seed)
    return round(age, 2), render_subject(anatomy, age, random)


def render_cohort_person(
    anatomy: Anatomy, places: dict[str, Place], number: int, subjects: int, seed: int
) -> tuple[float, Array, Person]:
    """Age in years, image and traits of one person of a personal phantom; they depend only on these arguments."""
    age, random = _age_of(number, subjects, seed)
    person = draw_person(anatomy, random)
    return round(age, 2), with_noise(render_person(anatomy, places, person, age), person, random), person


def _age_of(number: int, subjects: int, seed: int) -> tuple[float, np.random.Generator]:
    """A subject's age, and the generator of all else in this subject.

    Ages fill the range evenly: each subject's is drawn from its own stratum.
    """
    random = np.random.default_rng((seed, number))
    places = np.random.default_rng(seed).permutation(subjects)
    return float(AGES[0] + (AGES[1] - AGES[0]) * (places[number] + random.uniform()) / subjects), random


def write_phantom(
    out: str | Path, *, subjects: int = 240, voxel_size: float = 4.0, seed: int = 0, kind: str = "plain"
) -> Path:
    """Write a synthetic ageing cohort whose truth is known.

    Args:
        out: a new or empty folder; gets `participants.tsv`, `sub-*/anat/sub-*_T1w.nii.gz`, `phantom.json`, and the
            truth. Plain: `truth.nii.gz` (1 where age acts) and `truth_difference.nii.gz` (by how much). Personal:
            beside each image `*_desc-truth_mask.nii.gz`, `*_desc-truth_map.nii.gz` and
            `*_desc-distractors_mask.nii.gz`, and `weights.tsv`.
        subjects: how many.
        voxel_size: edge of a voxel, mm.
        seed: another seed gives another cohort from the same population.
        kind: `plain`, where age acts in the same places in everybody, or `personal`, where it acts in a mixture of
            places that is each person's own.

    Returns:
        The folder.

    Raises:
        UsageError: no such kind, fewer than 1 subject, or voxels smaller than 1 mm or larger than 10 mm.
        ConflictError: `out` holds something else.
    """
    seed = checked_seed(seed)
    if kind not in KINDS:
        raise UsageError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.{did_you_mean(str(kind), KINDS)}")
    if subjects < 1 or not 1.0 <= voxel_size <= 10.0:
        raise UsageError(
            f"A phantom needs at least 1 subject and voxels of 1 to 10 mm, got {subjects} and {voxel_size:g} mm."
        )
    out = Path(out)
    record: dict[str, Any] = {"subjects": subjects, "voxel_size_mm": voxel_size, "seed": seed, **_settings(kind)}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        done = out / "phantom.json"
        if done.is_file() and read_json(done) == plain(record):
            return out
        raise ConflictError(f"{out} is not empty: give a new folder for the phantom.")
    write = _write_plain if kind == "plain" else _write_personal
    write_tsv(out / "participants.tsv", write(out, subjects, voxel_size, seed))
    write_json(out / "phantom.json", record)  # last: it marks the cohort complete
    return out


def _write_plain(out: Path, subjects: int, voxel_size: float, seed: int) -> list[dict[str, str]]:
    anatomy = load_anatomy(voxel_size)
    truth = render_truth(anatomy)
    write_map(out / "truth.nii.gz", truth.region, affine=anatomy.affine)
    write_map(out / "truth_difference.nii.gz", truth.difference, affine=anatomy.affine)
    rows = []
    for number, label in _labels(subjects):
        age, image = render_cohort_member(anatomy, number, subjects, seed)
        file = f"{label}/anat/{label}_T1w.nii.gz"
        write_map(out / file, image, affine=anatomy.affine)
        rows.append({"participant_id": label, "age": f"{age:.2f}", "image": file})
    return rows


def _write_personal(out: Path, subjects: int, voxel_size: float, seed: int) -> list[dict[str, str]]:
    fine = load_millimetres()
    anatomy = anatomy_of(fine, voxel_size)
    places = load_places(fine, anatomy)
    rows, weights = [], []
    for number, label in _labels(subjects):
        age, image, person = render_cohort_person(anatomy, places, number, subjects, seed)
        truth = render_personal_truth(anatomy, places, person)
        start = f"{label}/anat/{label}"
        files = {
            "image": (f"{start}_T1w.nii.gz", image),
            "truth": (f"{start}_desc-truth_mask.nii.gz", truth.region),
            "distractors": (f"{start}_desc-distractors_mask.nii.gz", truth.distractors),
        }
        for file, values in (*files.values(), (f"{start}_desc-truth_map.nii.gz", truth.difference)):
            write_map(out / file, values, affine=anatomy.affine)
        paths = {column: file for column, (file, _) in files.items()}
        rows.append({"participant_id": label, "age": f"{age:.2f}", **paths})
        shares = {place: f"{weight:.6f}" for place, weight in zip(PLACES, person.weights, strict=True)}
        weights.append({"participant_id": label, **shares})
    write_tsv(out / "weights.tsv", weights)
    return rows


def _labels(subjects: int) -> Iterator[tuple[int, str]]:
    """Each subject's number and label."""
    width = max(3, len(str(subjects)))
    for number in track(range(subjects), "phantom", unit="subject"):
        yield number, f"sub-{number + 1:0{width}d}"


def _settings(kind: str) -> dict[str, Any]:
    """Every constant that the cohort was rendered with; a plain phantom's record names no kind."""
    if kind == "personal":
        return {"kind": kind, "truth_share": TRUTH_SHARE, **personal_settings()}
    values = {name.lower(): value for name, value in vars(settings).items() if name.isupper() and name != "CSF"}
    return {"truth_share": TRUTH_SHARE, **values}
