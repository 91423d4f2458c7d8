"""What can be read in a personal phantom, how far its truths differ, and which map finds a person's own.

    interpbench phantom OUT --kind personal --subjects 500 --voxel-size 4 --seed 0
    python benchmarks/personal_phantom.py OUT --voxel-size 4

Ridge regression in 5 folds, at the best of eight penalties: so the figures are upper bounds, of a leak above all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score  # type: ignore[import-untyped]

from interpbench import read_cohort
from interpbench.phantom import anatomy_of, load_millimetres, load_places

PENALTIES = 10.0 ** np.arange(0, 8)
FOLDS, APART = 5, 2  # folds; voxels between what is touched and what counts as beyond
EVERY = 4  # every fourth person is compared with maps
Values = NDArray[np.float64]
Inside = NDArray[np.bool_]


def read_age(features: NDArray[Any], ages: Values) -> dict[str, float]:
    """The best of eight ridge regressions of age: share of the variance that it explains in other folds, and error."""
    centred = features.astype(np.float64) - features.mean(0)
    kernel = centred @ centred.T
    fold = np.random.default_rng(0).permutation(len(ages)) % FOLDS
    found = []
    for penalty in PENALTIES:
        predictions = np.empty(len(ages))
        for number in range(FOLDS):
            train, test = fold != number, fold == number
            mean = ages[train].mean()
            inner = kernel[np.ix_(train, train)] + penalty * np.eye(int(train.sum()))
            predictions[test] = mean + kernel[np.ix_(test, train)] @ np.linalg.solve(inner, ages[train] - mean)
        off = predictions - ages
        found.append((1 - float((off**2).sum() / ((ages - ages.mean()) ** 2).sum()), float(np.abs(off).mean())))
    r2, error = max(found)
    return {"r2": r2, "mae": error}


def beyond(touched: Inside, brain: Inside) -> Inside:
    """The voxels of the brain that lie farther than `APART` voxels from what is touched."""
    near: Inside = ndimage.binary_dilation(touched, np.ones((3, 3, 3)), iterations=APART)
    return brain & ~near


def found_by(maps: Callable[[int], Values], truths: Inside) -> dict[str, float]:
    """Mean AUC and average precision of maps, one a person, against the person's own truth."""
    people = range(0, len(truths), EVERY)
    return {
        "auc": float(np.mean([roc_auc_score(truths[one], maps(one)) for one in people])),
        "average_precision": float(np.mean([average_precision_score(truths[one], maps(one)) for one in people])),
        "n": len(people),
    }


def measure(cohort: Path, voxel_size: float) -> dict[str, Any]:
    """All figures of a personal phantom."""
    fine = load_millimetres()
    anatomy = anatomy_of(fine, voxel_size)
    brain = anatomy.brain
    people = read_cohort(cohort).subjects
    ages = np.array([one.age for one in people], dtype=np.float64)
    images = np.stack([_voxels(one.image) for one in people])
    truths = np.stack([_voxels(Path(str(one.truth)))[brain] > 0 for one in people])
    changes = np.stack([_voxels(Path(str(one.image).replace("T1w", "desc-truth_map")))[brain] for one in people])
    for image in images:
        inside = image > 0
        image[inside] = (image[inside] - image[inside].mean()) / image[inside].std()
    places = load_places(fine, anatomy).values()
    touched = np.any([one.lost(9, anatomy) - one.lost(-3, anatomy) > 0 for one in places], axis=0) & brain
    anybodys = np.zeros(brain.shape, dtype=bool)
    anybodys[brain] = truths.any(0)
    sizes, shared = truths.sum(1).astype(np.float64), truths.astype(np.float64) @ truths.T.astype(np.float64)
    dice = 2 * shared / (sizes[:, None] + sizes)
    rest = (truths.sum(0) - truths) / (len(truths) - 1)
    parts = {"brain": brain, "in_a_truth": anybodys, "beyond": beyond(touched, brain)}
    parts["beyond_truths"] = beyond(anybodys, brain)
    return {
        "n": len(people),
        "mean_predictor_mae": float(np.abs(ages - ages.mean()).mean()),
        "ridge": {name: {"voxels": int(one.sum()), **read_age(images[:, one], ages)} for name, one in parts.items()},
        "truth_voxels": [float(sizes.min()), float(sizes.mean()), float(sizes.max())],
        "truth_share": float(sizes.mean() / brain.sum()),
        "dice": float(dice[~np.eye(len(dice), dtype=bool)].mean()),
        "maps": {
            "own difference": found_by(lambda one: changes[one], truths),
            "how often true in the others": found_by(lambda one: rest[one], truths),
            "difference of another person": found_by(lambda one: changes[one - 1], truths),
            "truth of another person": found_by(lambda one: truths[one - 1].astype(np.float64), truths),
        },
    }


def _voxels(path: Path) -> NDArray[Any]:
    return np.asarray(nibabel.load(path).dataobj).copy()  # type: ignore[attr-defined]


def main(words: Sequence[str] | None = None) -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--voxel-size", type=float, default=4.0, help="of the phantom, mm")
    asked = parser.parse_args(words)
    print(json.dumps(measure(asked.cohort, asked.voxel_size), indent=1))


if __name__ == "__main__":
    main()
