"""A small study, every part of which can be changed between two runs."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from interpbench import pipeline, train
from interpbench.files.atomic import sha256_of, write_json
from interpbench.run.identity import READS

CODE = '''
from dataclasses import dataclass
from typing import ClassVar
import torch
from interpbench import Aggregator, Explainer, Measure, Metric, option

@dataclass(frozen=True, kw_only=True)
class Shade(Explainer):
    """|x| times a factor, and what a file says."""
    factor: float = option(1.0, "factor")
    note: str = option("", "a file")

    def explain(self, predictor, volumes):
        return volumes[:, 0].abs() * self.factor

@dataclass(frozen=True, kw_only=True)
class Average(Explainer):
    """Learns the mean training volume."""
    learned: ClassVar[bool] = True
    factor: float = option(1.0, "factor")
    note: str = option("", "a file")
    seed: int = option(0, "seed")

    def fit(self, predictor, training, validation):
        mean = torch.stack([sample.volume[0] for sample in training]).mean(0)
        return self.with_state({"mean": mean * self.factor})

    def state(self):
        return {"mean": self.mean}

    def with_state(self, state):
        fitted = Average(factor=self.factor, note=self.note, seed=self.seed)
        object.__setattr__(fitted, "mean", state["mean"])
        chosen = {"error": 1.0, "clean_error": 1.0, "amount": self.factor}
        return fitted.with_record({"selection": chosen})

    def explain(self, predictor, volumes):
        return self.mean.abs().expand(volumes.shape[0], -1, -1, -1).contiguous()

@dataclass(frozen=True, kw_only=True)
class Sum(Aggregator):
    factor: float = option(1.0, "factor")
    note: str = option("", "a file")

    def __post_init__(self):
        object.__setattr__(self, "maps", [])

    def add(self, map):
        self.maps.append(map)

    def merge(self, other):
        self.maps.extend(other.maps)

    def result(self):
        return {"sum": torch.stack(self.maps).sum(0) * self.factor}

@dataclass(frozen=True, kw_only=True)
class Height(Metric):
    factor: float = option(1.0, "factor")
    note: str = option("", "a file")
    measures: ClassVar = (Measure(name="height", unit="", direction="higher", help="the largest value"),)

    def measure(self, case):
        return {"height": self.factor * float(case.importance.max())}
'''
STEPS = {name: getattr(pipeline, name) for name in READS}
KINDS = {"shade": "explainer", "average": "explainer", "sum": "aggregator", "height": "metric"}


@dataclasses.dataclass
class World:
    """A small study: everything that a step reads, and the words that the user gives."""

    root: Path
    patch: pytest.MonkeyPatch
    given: dict[str, dict[str, Any]]

    def run(self, step: str) -> Path:
        """Run one step, and what it stands on, into its folder."""
        out = self.root / step
        arguments = self.given[step]
        first = [arguments.pop("maps_folder")] if "maps_folder" in arguments else [self.root / "cohort"]
        if step not in ("plant", "train", "aggregate"):
            first.append(self.root / "model")
        STEPS[step](*first, out / "table.tsv" if step == "predict" else out, **arguments)
        arguments |= {"maps_folder": first[0]} if step == "aggregate" else {}
        return out

    @property
    def model(self) -> dict[str, Any]:
        return json.loads((self.root / "model" / "model.json").read_text())

    def edit_model(self, **values: Any) -> None:
        write_json(self.root / "model" / "model.json", {**self.model, **values})

    def set_option(self, step: str, name: str, value: Any) -> None:
        owner = {"benchmark": "average."}.get(step, "")
        self.given[step]["options"] = {**self.given[step].get("options", {}), owner + name: value}

    def change_weights(self) -> None:
        place = self.root / "model" / "model.safetensors"
        state = load_file(place)
        name = next(name for name, tensor in state.items() if tensor.is_floating_point())
        save_file({**state, name: state[name] * 1.01}, place)
        self.edit_model(sha256=sha256_of(place))

    def change_image(self, name: str = "cohort/00.nii.gz") -> None:
        image = nibabel.load(self.root / name)
        voxels = image.get_fdata(dtype=np.float32)
        voxels[6, 7, 5] += 9
        nibabel.save(nibabel.Nifti1Image(voxels, image.affine), self.root / name)

    def turn_image(self, name: str) -> None:
        image = nibabel.load(self.root / name)
        turned = image.get_fdata(dtype=np.float32)[::-1].copy()
        nibabel.save(nibabel.Nifti1Image(turned, image.affine), self.root / name)

    def change_table(self, old: str, new: str) -> None:
        place = self.root / "cohort" / "participants.tsv"
        assert place.read_text().count(old) == 1
        place.write_text(place.read_text().replace(old, new))


@pytest.fixture(scope="session")
def study(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort, a model trained on it, and the files that options name."""
    root = tmp_path_factory.mktemp("study")
    (root / "cohort").mkdir()
    columns = {"weight": [str(50 + number) for number in range(12)], "labels": ["../labels.nii.gz"] * 12}
    make_toy_cohort(root / "cohort", 12, columns=columns)
    (root / "note.txt").write_text("words")
    values = np.zeros((12, 14, 10), np.float32)
    values[4:7, 5:9, 3:7] = 1
    values[7:8, 5:9, 3:7] = 2
    affine = nibabel.load(root / "cohort" / "00.nii.gz").affine
    for name in ("regions", "truth", "labels", "atlas"):
        nibabel.save(nibabel.Nifti1Image(values, affine), root / f"{name}.nii.gz")
    train(
        root / "cohort",
        root / "model",
        options={"width": 2, "first_stride": 2},
        epochs=1,
        device="cpu",
        recipe={"shape": (10, 12, 8)},
    )
    (root / "identity_methods.py").write_text(CODE)
    return root


@pytest.fixture
def world(
    study: Path, tmp_path: Path, toy_plugin: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    shutil.copytree(study, tmp_path / "w")
    root = tmp_path / "w"
    spec = importlib.util.spec_from_file_location("identity_methods", root / "identity_methods.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "identity_methods", module)
    spec.loader.exec_module(module)
    for name, kind in KINDS.items():
        toy_plugin.offer(kind, name, getattr(module, name.capitalize()))
    for kind, name, base in (("explainer", "other", module.Average), ("aggregator", "other", module.Sum)):
        toy_plugin.offer(kind, name, types.new_class("Other" + kind, (base,)))
    from interpbench_networks.resnet18 import ResNet18

    toy_plugin.offer("predictor", "otherresnet", types.new_class("OtherResNet", (ResNet18,)))
    note = {"note": str(root / "note.txt")}
    given: dict[str, dict[str, Any]] = {
        "train": {
            "options": {"width": 2, "first_stride": 2},
            "epochs": 1,
            "device": "cpu",
            "recipe": {"shape": (10, 12, 8)},
        },
        "plant": {"kind": "contrast", "region": "1", "strength": 0.2, "atlas": root / "atlas.nii.gz"},
        "fit": {"method": "average", "options": note, "device": "cpu"},
        "search": {"method": "average", "options": note, "grid": {"factor": [1.0, 2.0]}, "device": "cpu"},
        "explain": {"method": "average", "options": note, "device": "cpu", "fitted": root / "fit"},
        "aggregate": {"aggregator": "sum", "options": note, "maps_folder": root / "explain"},
        "predict": {"device": "cpu"},
        "benchmark": {
            "methods": ["average", "shade"],
            "measures": ["height"],
            "floors": False,
            "processes": 1,
            "options": {"average.note": note["note"], "height.note": note["note"]},
            "device": "cpu",
            "regions": root / "regions.nii.gz",
            "truth": root / "truth.nii.gz",
        },
    }
    threads = torch.get_num_threads()
    yield World(root, monkeypatch, given)
    torch.set_num_threads(threads)
