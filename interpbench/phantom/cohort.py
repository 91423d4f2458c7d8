"""Writes a phantom cohort: NIfTI images, `participants.tsv` and the ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpbench.errors import ConflictError, UsageError
from interpbench.files.atomic import plain, read_json, write_json, write_tsv
from interpbench.images.volume import write_map
from interpbench.options import checked_seed
from interpbench.phantom import subject as settings
from interpbench.phantom.anatomy import Anatomy, Array, load_anatomy
from interpbench.phantom.subject import AGES, render_mean, render_subject
from interpbench.progress import track

TRUTH_SHARE = 0.1  # of the largest difference: below it, a voxel is only grazed by the effect


@dataclass(frozen=True, eq=False)
class Truth:
    """The ground truth: where age acts, on the phantom's grid."""

    difference: Array  # |oldest - youngest| of the noiseless mean subject, in template intensity
    region: NDArray[np.bool_]  # difference above TRUTH_SHARE of its maximum, inside the brain


def render_truth(anatomy: Anatomy) -> Truth:
    """The ground truth: the difference between the mean subject at the youngest and at the oldest age."""
    difference = np.abs(render_mean(anatomy, AGES[1]) - render_mean(anatomy, AGES[0]))
    return Truth(difference, (difference > TRUTH_SHARE * difference.max()) & anatomy.brain)


def render_cohort_member(anatomy: Anatomy, number: int, subjects: int, seed: int) -> tuple[float, Array]:
    """Age in years and image of one subject; they depend only on these arguments.

    Ages fill the range evenly: each subject's is drawn from its own stratum.
    """
    random = np.random.default_rng((seed, number))
    places = np.random.default_rng(seed).permutation(subjects)
    age = AGES[0] + (AGES[1] - AGES[0]) * (places[number] + random.uniform()) / subjects
    return round(float(age), 2), render_subject(anatomy, age, random)


def write_phantom(out: str | Path, *, subjects: int = 240, voxel_size: float = 4.0, seed: int = 0) -> Path:
    """Write a synthetic ageing cohort whose truth is known.

    Args:
        out: a new or empty folder; gets `participants.tsv`, `sub-*/anat/sub-*_T1w.nii.gz`, `truth.nii.gz` (1 where
            age acts), `truth_difference.nii.gz` (by how much) and `phantom.json`.
        subjects: how many.
        voxel_size: edge of a voxel, mm.
        seed: another seed gives another cohort from the same population.

    Returns:
        The folder.

    Raises:
        UsageError: fewer than 1 subject, or voxels smaller than 1 mm or larger than 10 mm.
        ConflictError: `out` holds something else.
    """
    seed = checked_seed(seed)
    if subjects < 1 or not 1.0 <= voxel_size <= 10.0:
        raise UsageError(
            f"A phantom needs at least 1 subject and voxels of 1 to 10 mm, got {subjects} and {voxel_size:g} mm."
        )
    out = Path(out)
    record: dict[str, Any] = {"subjects": subjects, "voxel_size_mm": voxel_size, "seed": seed, **_settings()}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        done = out / "phantom.json"
        if done.is_file() and read_json(done) == plain(record):
            return out
        raise ConflictError(f"{out} is not empty: give a new folder for the phantom.")
    anatomy = load_anatomy(voxel_size)
    truth = render_truth(anatomy)
    write_map(out / "truth.nii.gz", truth.region, affine=anatomy.affine)
    write_map(out / "truth_difference.nii.gz", truth.difference, affine=anatomy.affine)
    width, rows = max(3, len(str(subjects))), []
    for number in track(range(subjects), "phantom", unit="subject"):
        age, image = render_cohort_member(anatomy, number, subjects, seed)
        label = f"sub-{number + 1:0{width}d}"
        write_map(out / label / "anat" / f"{label}_T1w.nii.gz", image, affine=anatomy.affine)
        rows.append({"participant_id": label, "age": f"{age:.2f}", "image": f"{label}/anat/{label}_T1w.nii.gz"})
    write_tsv(out / "participants.tsv", rows)
    write_json(out / "phantom.json", record)  # last: it marks the cohort complete
    return out


def _settings() -> dict[str, Any]:
    """Every constant that the cohort was rendered with."""
    values = {name.lower(): value for name, value in vars(settings).items() if name.isupper() and name != "CSF"}
    return {"truth_share": TRUTH_SHARE, **values}
