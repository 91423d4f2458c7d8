"""In one command nothing is opened, hashed or prepared twice: counted over commands, and over forked processes."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import torch

from interpbench import Explainer, Measure, Metric, aggregate, benchmark, explain, fit, option, predict, search
from interpbench.contract.interfaces import Predictor
from interpbench.images.recipe import Recipe
from interpbench.parallel.side_by_side import hindrance

forks = pytest.mark.skipif(bool(hindrance(torch.device("cpu"))), reason="no processes are forked here")


class Event(NamedTuple):
    """What was done, with what, by which process."""

    done: str
    thing: str
    process: str


class Diary:
    """What is done while a command runs, in a file that all of its processes add to."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def note(self, done: str, thing: object) -> None:
        with self.file.open("a") as file:
            file.write(f"{done}\t{thing}\t{os.getpid()}\n")

    @property
    def events(self) -> list[Event]:
        return [Event(*line.split("\t")) for line in self.file.read_text().splitlines()]

    def times(self, done: str, below: Path | None = None) -> Counter[str]:
        """How often something was done with each thing; with those below a folder, if one is given."""
        found = [event.thing for event in self.events if event.done == done]
        return Counter(thing for thing in found if below is None or Path(thing).is_relative_to(below))


@dataclass(frozen=True, kw_only=True)
class Pupil(Explainer):
    """Learns the mean training volume."""

    learned: ClassVar[bool] = True
    gain: float = option(1.0, "factor")

    def fit(self, predictor, training, validation):
        mean = torch.stack([sample.volume[0] for sample in (*training, *validation)]).mean(0)
        return self.with_state({"mean": mean * self.gain})

    def state(self):
        return {"mean": self.mean}

    def with_state(self, state):
        fitted = type(self)(gain=self.gain)
        object.__setattr__(fitted, "mean", state["mean"])
        return fitted.with_record({"selection": {"error": 1.0, "clean_error": 1.0, "amount": self.gain}})

    def explain(self, predictor, volumes):
        return (volumes[:, 0] * self.mean).abs()


class Second(Pupil):
    """Another one that learns."""


class Brightness(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0].abs()


class Square(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0] ** 2


class Height(Metric):
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(name="height", unit="", direction="higher", help="the largest value"),
    )

    def measure(self, case):
        return {"height": float(case.importance.max())}


@pytest.fixture
def diary(tmp_path: Path, toy_plugin, toy_cohort: Path, toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> Diary:
    for name, explainer in (("pupil", Pupil), ("second", Second), ("brightness", Brightness), ("square", Square)):
        toy_plugin.offer("explainer", name, explainer)
    toy_plugin.offer("metric", "height", Height)
    diary = Diary(tmp_path / "diary")

    def noted(done: str, place: str, thing_of: Callable[..., object]) -> None:
        """Note each call of a function that is known by this dotted name."""
        module, _, name = place.rpartition(".")
        function = getattr(__import__(module, fromlist=[name]), name)

        def calls(*given: Any, **named: Any) -> Any:
            diary.note(done, thing_of(*given))
            return function(*given, **named)

        monkeypatch.setattr(place, calls)

    noted("hashed", "hashlib.file_digest", lambda file, *_: Path(file.name).absolute())
    noted("read", "interpbench.images.volume.load_voxels", lambda path, *_: Path(path).absolute())
    noted("table", "interpbench.cohort.subjects.read_table", lambda path: Path(path).absolute())
    noted("weights", "interpbench.predictor.model.read_weights", lambda path: Path(path).absolute())
    noted("state", "interpbench.pipeline.fitted.read_weights", lambda path: Path(path).absolute())
    noted("record", "interpbench.files.records.read_json", lambda path, **_: Path(path).absolute())
    noted("tried", "interpbench.run.trying.try_answers", lambda *_: "predictor")
    prepare, fingerprint = Recipe.prepare, Predictor.fingerprint.fget

    def prepared(self: Recipe, image: Any, *given: Any) -> Any:
        diary.note("prepared", getattr(image, "image", image))
        return prepare(self, image, *given)

    def fingerprinted(self: Predictor) -> str:
        diary.note("fingerprint", "predictor")
        return fingerprint(self)

    monkeypatch.setattr(Recipe, "prepare", prepared)
    monkeypatch.setattr(Predictor, "fingerprint", property(fingerprinted))
    return diary


@pytest.fixture
def commands(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> dict[str, Callable[[], object]]:
    """Each command with its arguments; those that need another's output find it made before the diary begins."""
    both = toy_cohort, toy_model
    compared = {"methods": ["brightness", "square"], "measures": ["height"], "subjects": 5, "device": "cpu"}
    learning = {**compared, "methods": ["pupil", "second", "square"], "floors": False}
    return {
        "predict": lambda: predict(*both, tmp_path / "table.tsv", device="cpu"),
        "explain": lambda: explain(*both, tmp_path / "maps", method="brightness", device="cpu"),
        "explain, fitting": lambda: explain(*both, tmp_path / "own", method="pupil", device="cpu"),
        "explain, fitted": lambda: explain(
            *both, tmp_path / "given", method="pupil", fitted=tmp_path / "fit", device="cpu"
        ),
        "fit": lambda: fit(*both, tmp_path / "fit", method="pupil", device="cpu"),
        "fit, cached": lambda: fit(*both, tmp_path / "fit", method="pupil", device="cpu", cache=tmp_path / "cache"),
        "search": lambda: search(
            *both, tmp_path / "search", method="pupil", grid={"gain": [1.0, 2.0, 3.0]}, device="cpu"
        ),
        "aggregate": lambda: aggregate(tmp_path / "maps", tmp_path / "population"),
        "benchmark": lambda: benchmark(*both, tmp_path / "bench", **compared, processes=1),
        "benchmark, side by side": lambda: benchmark(*both, tmp_path / "bench", **compared, processes=2),
        "benchmark, fitting": lambda: benchmark(*both, tmp_path / "bench", **learning, processes=1),
        "benchmark, of maps": lambda: benchmark(
            *both, tmp_path / "bench", **compared, maps=[tmp_path / "maps"], processes=2
        ),
    }


TEST, LEARN, ALL = 6, 34, 40  # subjects of the toy cohort: in the test split, in the other two, in all
COUNTS: dict[str, tuple[int, int, int]] = {  # images prepared, input images hashed, predictors opened
    "predict": (ALL, 0, 1),
    "explain": (TEST, TEST, 1),
    "explain, fitting": (ALL, ALL, 1),
    "explain, fitted": (TEST, TEST, 1),
    "fit": (LEARN, ALL, 1),
    "fit, cached": (LEARN, ALL, 1),
    "search": (LEARN, ALL, 1),
    "aggregate": (TEST, TEST, 0),
    "benchmark": (5 + LEARN, 5 + LEARN, 1),
    "benchmark, side by side": (5 + LEARN, 5 + LEARN, 1),
    "benchmark, fitting": (5 + LEARN, ALL, 1),
    "benchmark, of maps": (5 + LEARN, 5 + LEARN, 1),
}
BEFORE = {"explain, fitted": "fit", "aggregate": "explain", "benchmark, of maps": "explain"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[*([forks] if "side" in name or "maps" in name else []), pytest.mark.slow])
        if name.startswith(("benchmark", "search"))
        else name
        for name in COUNTS
    ],
)
def test_a_command_opens_everything_once(
    name: str, diary: Diary, commands: dict[str, Callable[[], object]], toy_cohort: Path, toy_model: Path
) -> None:
    if name in BEFORE:
        commands[BEFORE[name]]()
        diary.file.unlink()
    commands[name]()
    prepared, hashed, opened = COUNTS[name]
    for done, number in (("prepared", prepared), ("read", prepared), ("hashed", hashed)):
        images = {thing: times for thing, times in diary.times(done, toy_cohort).items() if thing.endswith(".nii.gz")}
        assert set(images.values()) <= {1}, (done, images)
        # images of one length are hashed as well, to see whether they are the same
        assert len(images) >= number if done == "hashed" else len(images) == number, (done, images)
    for done in ("weights", "fingerprint", "tried"):
        assert sum(diary.times(done).values()) == opened, done
    assert diary.times("table", toy_cohort).total() == opened
    assert diary.times("record")[str(toy_model / "model.json")] == opened
    assert set(diary.times("hashed", toy_model).values()) <= {1}
    assert set(diary.times("state").values()) <= {1}
    by_process = Counter((event.thing, event.process) for event in diary.events if event.done == "hashed")
    assert set(by_process.values()) == {1}, [one for one, times in by_process.items() if times > 1]


@pytest.mark.slow
@forks
def test_several_processes_share_what_one_of_them_prepared(
    diary: Diary, commands: dict[str, Callable[[], object]], toy_cohort: Path
) -> None:
    commands["benchmark, side by side"]()
    split = {line.split("\t")[0] for line in (toy_cohort / "participants.tsv").read_text().splitlines()[1:]}
    assert len(split) == ALL
    others = {event.process for event in diary.events if event.done == "prepared"} - {str(os.getpid())}
    assert others, "no other process prepared anybody"
    assert set(diary.times("prepared").values()) == {1}


@pytest.mark.parametrize("name", ["explain, fitting", "fit", pytest.param("benchmark", marks=pytest.mark.slow)])
def test_a_subject_that_is_refused_is_read_once_too(
    name: str,
    diary: Diary,
    toy_cohort: Path,
    toy_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    commands: dict[str, Callable[[], object]],
) -> None:
    from interpbench.errors import InputError, SubjectsFailed

    prepare = Recipe.prepare

    def refuses(self: Recipe, image: Any, *given: Any) -> Any:
        prepared = prepare(self, image, *given)
        if int(image.id) % 3 == 0:
            raise InputError(f"{image.image}: odd")
        return prepared

    monkeypatch.setattr(Recipe, "prepare", refuses)
    with pytest.raises(SubjectsFailed):
        commands[name]()
    assert set(diary.times("prepared").values()) == {1}


def test_a_command_that_ended_well_says_the_same_when_it_is_given_again(
    diary: Diary, commands: dict[str, Callable[[], object]], tmp_path: Path
) -> None:
    commands["explain, fitting"]()
    first = json.loads((tmp_path / "own" / "fitted" / "fitted.json").read_text())
    diary.file.unlink()
    commands["explain, fitting"]()
    assert json.loads((tmp_path / "own" / "fitted" / "fitted.json").read_text()) == first
    assert diary.times("prepared").total() == 2, "the predictor is tried on two, and nobody is explained again"
    assert (
        hashlib.sha256((tmp_path / "own" / "fitted" / "state.safetensors").read_bytes()).hexdigest() == first["sha256"]
    )
