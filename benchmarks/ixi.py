"""What do networks that predict age read in real adults? Importance by region of each person's own anatomy.

    python benchmarks/cross_validation.py COHORT --work WORK/folds --out benchmarks/results/ixi_cross_validation.json
    python benchmarks/ixi.py COHORT --work WORK --out benchmarks/results/ixi.json

The first trains the network of each fold. This script makes the maps of each fold's test subjects by every method, and
measures them in the regions of the table's `labels` column, whose names are in `labels.csv` beside the table. WORK
keeps maps and figures; the same command continues, and `--folds 1` does a part.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe_machine
from person_regions import coverage, grouped, relative_importance, sides, standing_by_size
from region_statistics import collected

from interpbench import Subject, explain, fit, load_predictor, read_cohort
from interpbench.files.atomic import read_json, write_json
from interpbench.files.hashes import Hashes
from interpbench.images.volume import read_volume
from interpbench.maps.network_map import on_network_grid

METHODS = (
    "saliency",
    "inputxgradient",
    "integratedgradients",
    "gradientshap",
    "smoothgrad",
    "smoothgradsquared",
    "vargrad",
    "guidedbackprop",
    "deconvolution",
    "gradcam",
    "guidedgradcam",
    "occlusion",
    "unoise",
    "intensity",
    "sobel",
    "random",
)
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "unoise": {"epochs": 8, "learning_rate": 3e-3, "precision": "float32"},
    "occlusion": {"box": 4, "stride": 2},
}
BY_SIZE = (  # regions small enough that the brain has other places for them
    *("hippocampus", "lateral ventricle", "inferior lateral ventricle", "third ventricle", "fourth ventricle"),
    *("brainstem", "thalamus", "caudate", "putamen and pallidum", "amygdala"),
)


def figures_of_fold(folder: Path, table: Path, names: Path, methods: Sequence[str], seed: int) -> Path:
    """Maps and regional figures of one fold's test subjects, as `figures.json` in its folder.

    Args:
        folder: with the fold's `participants.tsv` and `model`.
        table: the cohort's, for the labels.
        names: numbers and names of the regions.
        seed: of the maps and of the places that a region is compared with.
    """
    groups = grouped(names)
    predictor = load_predictor(folder / "model")
    grid = predictor.recipe
    known = {subject.id: subject for subject in read_cohort(table).subjects}
    found: dict[str, Any] = {"groups": list(groups), "subjects": {}, "methods": {}}
    people: dict[str, tuple[Any, torch.Tensor]] = {}
    for line in _rows(folder / "model" / "predictions.tsv"):
        subject = known[line["participant_id"].removeprefix("sub-")]
        prepared = grid.prepare(subject)
        covers, volumes = _anatomy(subject, groups, prepared)
        people[subject.id] = prepared, covers
        found["subjects"][subject.id] = {
            "age": subject.age,
            "prediction": float(line["prediction"]),
            "volumes_ml": volumes,
        }
    for method in methods:
        maps = folder / "maps" / method
        _explained(folder, maps, method, seed)
        figures = found["methods"][method] = {}
        for label, (prepared, covers) in people.items():
            path = next((maps / f"sub-{label}").glob("*_importance.nii.gz"))
            record = read_json(path.with_name(path.name.replace(".nii.gz", ".json")))
            map = on_network_grid(path, record, prepared, Hashes())
            if map is None:
                raise SystemExit(f"{path}: the map on the network's grid is missing")
            figures[label] = _measured(map.abs() * prepared.brain, prepared, covers, list(groups), seed)
        print(f"{folder.name}: {method}", flush=True)
    write_json(folder / "figures.json", found)
    return folder / "figures.json"


def _rows(table: Path) -> list[dict[str, str]]:
    head, *lines = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    return [dict(zip(head, line, strict=True)) for line in lines]


def _explained(folder: Path, maps: Path, method: str, seed: int) -> None:
    """Make the maps of the test split; a method that learns is fitted on the fold's training split before."""
    table, model, options = folder / "participants.tsv", folder / "model", dict(OPTIONS.get(method, {}))
    fitted = None
    if method == "unoise":
        fitted, options = folder / "fitted", {}
        fit(table, model, fitted, method=method, options=dict(OPTIONS[method]), seed=seed)
    explain(table, model, maps, method=method, options=options, fitted=fitted, split="test", seed=seed)


def _anatomy(subject: Subject, groups: Mapping[str, Sequence[int]], prepared: Any) -> tuple[torch.Tensor, list[float]]:
    """The groups' cover of the network's grid, and their volumes in ml, with the brain's as the last one."""
    if subject.labels is None:
        raise SystemExit(f"sub-{subject.id} has no labels")
    volume = read_volume(subject.labels)
    labels = np.rint(volume.data[0].numpy()).astype(int)
    size = abs(np.linalg.det(volume.affine[:3, :3])) / 1000
    volumes = [float(np.isin(labels, numbers).sum() * size) for numbers in groups.values()]
    covers = coverage(labels, volume.affine, groups, prepared.brain.shape, prepared.affine)
    return covers, [*volumes, float((labels > 0).sum() * size)]


def _measured(
    importance: torch.Tensor, prepared: Any, covers: torch.Tensor, names: Sequence[str], seed: int
) -> dict[str, Any]:
    relative = relative_importance(importance, prepared.brain, covers)
    random = np.random.default_rng(seed)
    by_size = {
        name: float(
            np.mean(
                [
                    standing_by_size(importance, prepared.brain, side, random)
                    for side in sides(covers[names.index(name)], prepared.affine)
                ]
            )
        )
        for name in BY_SIZE
    }
    return {"relative": relative.tolist(), "by_size": by_size}


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("cohort", type=Path, help="with participants.tsv, its `labels` column, and labels.csv")
    add("--work", type=Path, required=True, help="with the folder `folds` that cross_validation.py wrote")
    add("--out", type=Path, required=True)
    add("--folds", type=int, nargs="*", help="numbers of the folds to measure, from 1; all by default")
    add("--methods", nargs="*", default=list(METHODS))
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1)
    asked = parser.parse_args(words)
    machine = describe_machine("cpu", asked.threads)
    folders = sorted((asked.work / "folds").glob("fold-*"), key=lambda one: int(one.name.split("-")[1]))
    chosen = [one for one in folders if asked.folds is None or int(one.name.split("-")[1]) in asked.folds]
    table = asked.cohort / "participants.tsv"
    files = [figures_of_fold(one, table, asked.cohort / "labels.csv", asked.methods, asked.seed) for one in chosen]
    result = {
        "settings": {
            "folds": [one.name for one in chosen],
            "methods": list(asked.methods),
            "options": {name: dict(OPTIONS[name]) for name in asked.methods if name in OPTIONS},
            "seed": asked.seed,
        },
        "machine": machine,
        **collected([json.loads(file.read_text()) for file in files]),
    }
    write_json(asked.out, result)
    return result


if __name__ == "__main__":
    main()
