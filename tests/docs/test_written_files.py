"""What each command really writes is declared, file by file and key by key; and what is declared is written."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from interpbench import adopt, aggregate, benchmark, explain, fit, plant, predict, search, train, write_phantom
from interpbench.cli import main
from interpbench.errors import SubjectsFailed
from interpbench.files.written import EVERY_RUN, WRITTEN, WrittenFile
from interpbench.files.written.shared import CLASSIFICATION
from interpbench.pipeline.demo import DemoSettings, demo

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

CAPITALS = re.compile(r"(?<![A-Za-z0-9])[A-Z]+(?![A-Za-z0-9])")  # words that stand for a name
WITHOUT_A_MANIFEST = ("phantom", "check", "predict", "demo")
COMMANDS = [line.split()[0] for line in WRITTEN]
FEW = {"channels": 2, "blocks": 2, "epochs": 2, "pretrain_epochs": 1, "batch_size": 8}
TINY = DemoSettings(
    subjects=40,
    voxel_size=8.0,
    train={"epochs": 1},
    network={"width": 2, "first_stride": 2},
    method={**FEW, "epochs": 1},
    rivals=("saliency",),
    measures=("localisation",),
    benchmark={"subjects": 4},
)
SPHERE = ["0,-2,8,10"]
PLANTED: dict[str, dict[str, Any]] = {
    "contrast": {"kind": "contrast", "spheres": SPHERE, "column": "size", "strength": 0.1},
    "atrophy": {"kind": "atrophy", "spheres": SPHERE, "distractors": ["contrast:0/12/8/8"], "strength": 0.2},
    "lesion": {"kind": "lesion", "options": {"largest": 20}, "r2": 0.5},
}
RARE = {  # where an image is doubtful, a trial went wrong, a classifier is benchmarked, or a method failed
    *(f"{file}: doubts.*" for file in ("model.json", "fitted.json")),
    "manifest.json: accepted",
    "plant.json: doubts.*",
    "participants.json: *",
    *(f"benchmark.json: predictor.test.{key}" for key in set(CLASSIFICATION) - {"n"}),
    *(f"sub-X/sub-X_desc-benchmark_measures.json: {key}.*" for key in ("excluded", "missing")),
}
NETWORK = """
from torch import nn

def make(outputs=1):
    return nn.Sequential(nn.Conv3d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, outputs))
"""


@dataclass
class Node:
    """A place in a record: whether it is declared, and what is declared below it."""

    key: str = ""
    below: dict[str, Node] = field(default_factory=dict)


def tree_of(keys: Mapping[str, str]) -> Node:
    """Declared keys as they lie in each other; a name may have a dot before a digit."""
    root = Node("the record")
    for key in keys:
        node = root
        for name in re.split(r"\.(?!\d)", key.replace("[]", ".[]")):
            node = node.below.setdefault(name, Node())
        node.key = key
    return root


def faults_in(value: Any, node: Node, seen: set[str], place: str = "") -> Iterator[str]:
    """Places in a record that are not declared; declared keys that are there are added to `seen`."""
    if node.key:
        seen.add(node.key)
    if not node.below:
        return
    inner: list[tuple[str, Any]] | None = None
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, list) and "[]" in node.below:
        inner = [("[]", one) for one in value]
    for name, one in inner or ():
        child = node.below.get(name) or node.below.get("*")
        if child is None:
            yield f"{place}.{name}"
        else:
            yield from faults_in(one, child, seen, f"{place}.{name}")
    if inner is None and not node.key:
        yield place


def declared(command: str) -> tuple[WrittenFile, ...]:
    """All files that a command may leave in its folder."""
    own = next(files for line, files in WRITTEN.items() if line.split()[0] == command)
    return own if command in WITHOUT_A_MANIFEST else (*own, *EVERY_RUN)


def stands_for(path: str, file: str) -> bool:
    """Whether a declared path stands for a file; FILE at its end is any file, in folders too."""
    folder = path.endswith("/FILE")
    parts = [re.escape(part) for part in CAPITALS.split(path.removesuffix("FILE") if folder else path)]
    return path == file or re.fullmatch("[^/]+".join(parts) + (".+" if folder else ""), file) is not None


def content_of(path: Path) -> Any:
    """The content of a JSON file; of a table, its columns."""
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    with path.open(newline="", encoding="utf-8") as file:
        return dict.fromkeys(next(csv.reader(file, delimiter="\t")), "")


@pytest.fixture(scope="module")
def runs(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The folders that each command wrote, in more than one way where it writes more than one kind of thing."""
    top = tmp_path_factory.mktemp("written")
    (top / "cohort").mkdir()
    columns = {"sex": ["F", "M"] * 20, "size": [f"{20 + number / 4:.2f}" for number in range(40)]}
    cohort = make_toy_cohort(top / "cohort", 40, columns=columns)
    with (cohort / "participants.tsv").open("a") as table:
        table.write("sub-gone\t50\tgone.nii.gz\tF\t20\n")
    (top / "own_network_of_docs.py").write_text(NETWORK)
    given: dict[str, Any] = {"device": "cpu"}
    network = {"options": {"width": 4, "first_stride": 2}, "recipe": {"shape": (10, 12, 8)}, "epochs": 2, **given}
    left_out = contextlib.suppress(SubjectsFailed)
    for name, planted in PLANTED.items():
        with left_out:
            plant(cohort, top / f"planted_{name}", **planted)
    for name, target in {"model": {}, "classes": {"target": "sex"}, "sizes": {"target": "size", "unit": "cm"}}.items():
        with left_out:
            train(cohort, top / name, **network, **target)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(top)
        own = __import__("own_network_of_docs").make(2)
        torch.save(own.state_dict(), top / "weights.pt")
        kept = {"recipe": {"voxel_size": 4.0, "shape": (10, 12, 8)}, "options": {"arguments": '{"outputs": 2}'}}
        adopt("own_network_of_docs:make", top / "weights.pt", top / "own", target="sex", classes=["F", "M"], **kept)
        sys.modules.pop("own_network_of_docs")
    for name in ("model", "classes", "sizes"):
        with left_out:
            predict(cohort, top / name, top / "predicted" / name / "TABLE.tsv")
    unlabelled = {**FEW, "target": "prediction"}
    for name, options in {"model": FEW, "classes": unlabelled}.items():
        with left_out:
            fit(cohort, top / name, top / f"fitted_{name}", method="unoise", options=options, **given)
    with left_out:
        search(cohort, top / "model", top / "search", method="unoise", grid={"r": ["0.1", "0.5"]}, options=FEW, **given)
    asked: dict[str, dict[str, Any]] = {
        "unoise": {"fitted": top / "fitted_model"}, "gradcam": {}, "occlusion": {"options": {"precision": "bfloat16"}},
    }  # fmt: skip
    for method, some in asked.items():
        with left_out:
            explain(cohort, top / "model", top / f"maps_{method}", method=method, **some, **given)
    with left_out:
        explain(cohort, top / "classes", top / "maps_classes", method="unoise", options=unlabelled, **given)
    with left_out:
        explain(cohort, top / "classes", top / "maps_effects", method="occlusion", **given)
    aggregate(top / "maps_unoise", top / "population")
    with left_out:
        benchmark(
            cohort, top / "model", top / "bench", methods=["unoise", "saliency"], subjects=4, processes=1,
            measures=["deletion", "complexity", "cost", "randomisation"], maps=[top / "maps_occlusion"],
            options={f"unoise.{name}": value for name, value in FEW.items()}, **given,
        )  # fmt: skip
    demo(top / "demo", settings=TINY, **given)
    write_phantom(top / "people", subjects=1, voxel_size=10.0, kind="personal")
    (top / "checked").mkdir()
    with pytest.raises(SystemExit):
        words = ["check", cohort, "--predictor", top / "model", "--json", top / "checked" / "FILE.json"]
        main([str(word) for word in words])
    return {
        "phantom": [top / "demo" / "phantom", top / "people"],
        "check": [top / "checked"],
        "plant": sorted(top.glob("planted_*")),
        "train": [top / "model", top / "classes", top / "sizes"],
        "adopt": [top / "own"],
        "predict": sorted((top / "predicted").iterdir()),
        "fit": [top / "fitted_model", top / "fitted_classes"],
        "search": [top / "search"],
        "explain": sorted(top.glob("maps_*")),
        "aggregate": [top / "population"],
        "benchmark": [top / "bench", top / "demo" / "benchmark"],
        "demo": [top / "demo"],
    }


def found_in(folders: list[Path], files: tuple[WrittenFile, ...]) -> tuple[list[str], dict[str, set[str]]]:
    """What is written and not declared; and the keys that are there, by declared file."""
    faults: list[str] = []
    seen: dict[str, set[str]] = {}
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
            name = path.relative_to(folder).as_posix()
            known = sorted((one for one in files if stands_for(one.path, name)), key=lambda one: one.path != name)
            if not known:
                faults.append(name)
                continue
            keys = seen.setdefault(known[0].path, set())
            if known[0].keys:
                faults += [f"{name}: {fault}" for fault in faults_in(content_of(path), tree_of(known[0].keys), keys)]
    return faults, seen


@pytest.mark.parametrize("command", COMMANDS)
def test_every_file_and_key_that_is_written_is_declared(command: str, runs: dict[str, list[Path]]) -> None:
    faults, seen = found_in(runs[command], declared(command))
    assert faults == [] and seen


def test_every_file_and_key_that_is_declared_is_written(runs: dict[str, list[Path]]) -> None:
    found: dict[str, set[str]] = {}
    for command in COMMANDS:
        for path, keys in found_in(runs[command], declared(command))[1].items():
            found.setdefault(path, set()).update(keys)
    every = {one.path: one for command in COMMANDS for one in declared(command)}
    missing = {f"{path}: {key}" for path, one in every.items() for key in one.keys if key not in found.get(path, ())}
    assert sorted(set(every) - set(found)) == [] and sorted(missing - RARE) == []
