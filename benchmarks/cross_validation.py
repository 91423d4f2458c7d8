"""Does the network beat ridge regression? Both in the same 5 folds of a cohort, every subject tested once.

    python benchmarks/cross_validation.py COHORT --out benchmarks/results/pixar_cross_validation.json

With `--work`, each fold's table and model are kept there, as `fold-1/participants.tsv` and `fold-1/model`, and a model
that is there is not trained again. The network is the one of `docs/results/pixar.md`; ridge regression sees the same
volumes, smoothed by a Gaussian, and its penalty is chosen within the training folds by generalised cross-validation.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from scipy.stats import bootstrap

from interpbench import Subject, load_predictor, read_cohort, train
from interpbench.cohort.subjects import FILE_COLUMNS

NETWORK = {"width": 16, "first_stride": 1}
RECIPE = {"voxel_size": 4.0, "shape": (35, 44, 35)}
SETTINGS: dict[str, Any] = {
    "epochs": 24,
    "batch_size": 8,
    "learning_rate": 2e-3,
    "schedule": "onecycle",
    "weight_decay": 1e-2,
    "flip": 0.5,
    "shift": 1,
    "precision": "bfloat16",
}
SMOOTHING = 1.0  # voxels, before ridge regression
PENALTIES = 10.0 ** np.arange(0, 8, 0.5)


def folds_of(subjects: list[Subject], folds: int, seed: int) -> np.ndarray:
    """The fold of each subject: neighbours in age go to different folds."""
    random = np.random.default_rng(seed)
    order = np.argsort(np.array([subject.age for subject in subjects], dtype=float), kind="stable")
    fold = np.empty(len(subjects), dtype=int)
    for start in range(0, len(order), folds):
        some = order[start : start + folds]
        fold[some] = random.permutation(folds)[: len(some)]
    return fold


def network_predictions(
    subjects: list[Subject],
    test: np.ndarray,
    folder: Path,
    settings: dict[str, Any],
    network: dict[str, Any],
    recipe: dict[str, Any],
    seed: int,
) -> np.ndarray:
    """Train on a table whose `split` column holds the fold out, and read the test split's predictions."""
    rest = np.flatnonzero(~test)
    held_out = set(np.random.default_rng(seed).permutation(rest)[: max(1, round(len(rest) / 8))].tolist())
    rows = ["\t".join(["participant_id", "age", "sex", "split", *FILE_COLUMNS])]
    for number, subject in enumerate(subjects):
        split = "test" if test[number] else "validation" if number in held_out else "train"
        files = [subject.files.get(column, "n/a") for column in FILE_COLUMNS]
        rows.append("\t".join(map(str, [f"sub-{subject.id}", subject.age, subject.sex or "n/a", split, *files])))
    table = folder / "participants.tsv"
    table.write_text("\n".join(rows) + "\n")
    train(table, folder / "model", options=network, recipe=recipe, seed=seed, **settings)
    lines = [line.split("\t") for line in (folder / "model" / "predictions.tsv").read_text().splitlines()]
    column = lines[0].index("prediction")
    found = {line[0].removeprefix("sub-"): float(line[column]) for line in lines[1:]}
    return np.array([found[subjects[number].id] for number in np.flatnonzero(test)])


def ridge_predictions(features: np.ndarray, ages: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Ridge regression in its dual form; the penalty by generalised cross-validation on the training folds."""
    train_rows = ~test
    middle, mean = features[train_rows].mean(0), ages[train_rows].mean()
    centred = features - middle
    kernel = centred[train_rows] @ centred[train_rows].T
    values, vectors = np.linalg.eigh(kernel)
    values = values.clip(min=0)
    goal = vectors.T @ (ages[train_rows] - mean)
    scores = []
    for penalty in PENALTIES:
        shrink = values / (values + penalty)
        residual = float((((1 - shrink) * goal) ** 2).sum())
        scores.append(residual / (1 - shrink.sum() / len(goal)) ** 2)
    best = PENALTIES[int(np.argmin(scores))]
    dual = vectors @ (goal / (values + best))
    predictions: np.ndarray = mean + centred[test] @ (centred[train_rows].T @ dual)
    return predictions


def summary(errors: np.ndarray) -> dict[str, Any]:
    """Mean absolute error with its 95 % BCa interval by subject."""
    found = bootstrap((errors,), np.mean, method="BCa", random_state=np.random.default_rng(0)).confidence_interval
    return {"mae": float(errors.mean()), "interval": [float(found.low), float(found.high)], "n": len(errors)}


def compare(
    cohort: Path,
    *,
    folds: int = 5,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    network: dict[str, Any] | None = None,
    recipe: dict[str, Any] | None = None,
    work: Path | None = None,
) -> dict[str, Any]:
    """Cross-validate both on one cohort.

    Args:
        work: folder that keeps each fold's table and model; None keeps nothing.
    """
    settings, network, recipe = settings or SETTINGS, network or NETWORK, recipe or RECIPE
    subjects = [subject for subject in read_cohort(cohort.resolve()).subjects if subject.age is not None]
    ages = np.array([subject.age for subject in subjects], dtype=float)
    fold = folds_of(subjects, folds, seed)
    guesses = {name: np.empty(len(ages)) for name in ("network", "ridge", "mean")}
    started = time.perf_counter()
    features = None
    with tempfile.TemporaryDirectory() as folder:
        for number in range(folds):
            test = fold == number
            place = (work or Path(folder)) / f"fold-{number + 1}"
            place.mkdir(parents=True, exist_ok=True)
            guesses["network"][test] = network_predictions(subjects, test, place, settings, network, recipe, seed)
            if features is None:
                grid = load_predictor(place / "model").recipe
                volumes = [grid.prepare(subject).volume[0].numpy() for subject in subjects]
                brain = np.mean([volume != 0 for volume in volumes], axis=0) > 0.5
                features = np.stack([ndimage.gaussian_filter(volume, SMOOTHING)[brain] for volume in volumes])
                features = (features - features.mean(0)) / features.std(0).clip(min=1e-6)
                features = features.astype(np.float64)
            guesses["ridge"][test] = ridge_predictions(features, ages, test)
            guesses["mean"][test] = ages[~test].mean()
            print(
                f"fold {number + 1} of {folds}: network {np.abs(guesses['network'] - ages)[test].mean():.2f} years,"
                f" ridge {np.abs(guesses['ridge'] - ages)[test].mean():.2f} years, n = {test.sum()}",
                flush=True,
            )
    errors = {name: np.abs(values - ages) for name, values in guesses.items()}
    groups = {"all": ages >= 0, "children (under 18 years)": ages < 18, "adults": ages >= 18}
    found = bootstrap(
        (errors["network"] - errors["ridge"],), np.mean, method="BCa", random_state=np.random.default_rng(0)
    ).confidence_interval
    return {
        "unit": "years",
        "groups": {
            group: {name: summary(values[inside]) for name, values in errors.items()}
            for group, inside in groups.items()
            if inside.sum() >= 3
        },
        "network_minus_ridge": {
            "mean": float((errors["network"] - errors["ridge"]).mean()),
            "interval": [float(found.low), float(found.high)],
            "n": len(ages),
        },
        "correlation": {name: float(np.corrcoef(guesses[name], ages)[0, 1]) for name in ("network", "ridge")},
        "settings": {
            "folds": folds,
            "seed": seed,
            "network": network,
            "recipe": recipe,
            "training": settings,
            "smoothing_voxels": SMOOTHING,
        },
        "seconds": round(time.perf_counter() - started, 1),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
    parser.add_argument("--precision", default=SETTINGS["precision"], help="float32 where bfloat16 is not in hardware")
    parser.add_argument("--work", type=Path, help="folder that keeps each fold's table and model")
    given = parser.parse_args()
    settings = {**SETTINGS, "epochs": given.epochs, "precision": given.precision}
    result = compare(given.cohort, folds=given.folds, seed=given.seed, settings=settings, work=given.work)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    for group, values in result["groups"].items():
        told = ", ".join(
            f"{name} {one['mae']:.2f} ({one['interval'][0]:.2f} to {one['interval'][1]:.2f})"
            for name, one in values.items()
        )
        print(f"{group}, n = {values['network']['n']}: mean absolute error in years: {told}")
    if not math.isfinite(result["network_minus_ridge"]["mean"]):
        raise SystemExit("no figure")


if __name__ == "__main__":
    main()
