"""A small cohort on disk, a predictor trained on it, and explainers and aggregators to run through the pipeline."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import runpy
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # volumes are tiny: a second thread costs more than it gives
OFFLINE = Path(__file__).parent / "offline"
TOY_SHAPE = (12, 14, 10)  # of the images on disk; the network sees two voxels less an edge
TOY_AFFINE = np.array([[4.0, 0, 0, -22], [0, 4, 0, -30], [0, 0, 4, -10], [0, 0, 0, 1]])


def pytest_configure(config: pytest.Config) -> None:
    """No network, here and in every process that a test starts."""
    runpy.run_path(str(OFFLINE / "sitecustomize.py"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))


def write_toy_cohort(
    folder: Path, subjects: int, *, seed: int = 0, columns: dict[str, list[str]] | None = None
) -> Path:
    """Ellipsoids of noise in which a bright cube tells the age, as NIfTI with a `participants.tsv`."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1.2, 1.2, edge) for edge in TOY_SHAPE), indexing="ij")
    inside = sum(axis**2 for axis in axes) < 1
    extra = columns or {}
    rows = ["\t".join(["participant_id", "age", "image", *extra])]
    for number in range(subjects):
        age = 40.0 + 40.0 * (number + 0.5) / subjects
        voxels = np.where(inside, 100 + 10 * random.standard_normal(TOY_SHAPE), 0)
        voxels[4:8, 5:9, 3:7] += 2 * (age - 60)
        label = f"{number:02d}"
        nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), TOY_AFFINE), folder / f"{label}.nii.gz")
        more = [extra[name][number] for name in extra]
        rows.append("\t".join([f"sub-{label}", f"{age:.3f}", f"{label}.nii.gz", *more]))
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What users allow is kept in a folder of the tests' own, here and in every process that a test starts."""
    folder = tmp_path_factory.mktemp("configuration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERPBENCH_CONFIG", str(folder))
        yield folder


@pytest.fixture(scope="session")
def make_toy_cohort() -> Callable[..., Path]:
    """`make_toy_cohort(folder, subjects, seed=0, columns=None)`, for tests that need a cohort of their own."""
    return write_toy_cohort


@pytest.fixture(scope="session")
def toy_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 subjects of 12 x 14 x 10 voxels; nobody changes it."""
    return write_toy_cohort(tmp_path_factory.mktemp("cohort"), 40)


@pytest.fixture(scope="session")
def toy_model(toy_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow ResNet-18 trained on the toy cohort for a moment: 30 train, 4 validation, 6 test; nobody changes it."""
    from interpbench import train

    folder = tmp_path_factory.mktemp("model") / "toy"
    options = {"width": 4, "first_stride": 2, "schedule": "onecycle"}
    settings = {"epochs": 12, "learning_rate": 1e-2, "device": "cpu"}
    train(toy_cohort, folder, options=options, recipe={"shape": (10, 12, 8)}, **settings)
    return folder


@pytest.fixture
def toy_plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """An installed plugin whose components a test gives: `toy_plugin.offer("explainer", "name", Class)`."""
    from interpbench import Component, hookimpl

    module = types.ModuleType("interpbench_toy_plugin")
    offered: dict[str, list[Component]] = {"explainer": [], "aggregator": [], "predictor": [], "metric": []}

    def offer(kind: str, name: str, component: type) -> None:
        setattr(module, component.__name__, component)
        offered[kind].append(Component(name, f"{module.__name__}:{component.__name__}"))

    def hook(kind: str) -> Callable[[], list[Component]]:
        return hookimpl(lambda: offered[kind])

    for kind in offered:
        setattr(module, f"interpbench_{kind}s", hook(kind))
    module.offer = offer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    point = EntryPoint("toy", module.__name__, "interpbench")
    monkeypatch.setattr("interpbench.host.registry.entry_points", lambda group: [*entry_points(group=group), point])
    return module


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function that runs the command line and gives exit code, output and error output."""

    from interpbench.cli import main

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def command() -> Callable[..., tuple[int, str, str]]:
    """As the fixture `run`, for fixtures that live longer than a test."""
    from interpbench.cli import main

    def command(*words: object) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, out.getvalue(), err.getvalue()

    return command


class Payload:
    """Unpickled by a careless reader, it calls something."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture(scope="session")
def payloads() -> Callable[[Path], dict[str, Payload]]:
    """Three ways to leave a marker where one is unpickled."""
    return lambda marker: {
        "os.system": Payload(os.system, f"touch {marker}"),
        "a program": Payload(subprocess.call, ["touch", str(marker)]),
        "eval": Payload(builtins.eval, f"open({str(marker)!r}, 'w').close()"),
    }


@pytest.fixture
def explained(
    run: Callable[..., tuple[int, str, str]], toy_cohort: Path, toy_model: Path, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Explain three subjects by a method."""

    def explain(method: str, *words: object) -> tuple[int, str, str]:
        picked = [word for label in ("00", "01", "02") for word in ("--participant-label", label)]
        given = ["--predictor", toy_model, "--method", method, "--device", "cpu", "--out", tmp_path / f"maps-{method}"]
        return run("explain", toy_cohort, *given, *picked, *words)

    return explain
