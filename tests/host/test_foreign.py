"""Whatever another's code raises, wherever it is asked: one line, the right exit code, and the others go on."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import dataclasses
import errno
import importlib
import math
import pickle
import pkgutil
import subprocess
import sys
import textwrap
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
import torch
from torch import nn

import interpbench
from interpbench import Aggregator, Case, Explainer, Measure, Metric, NetworkPredictor, Predictor, Recipe, explain
from interpbench.cli import line_and_code
from interpbench.errors import InterpbenchError, NotApplicable, PluginError, ResourceError, SubjectsFailed
from interpbench.host.ask_explainer import explained
from interpbench.host.ask_metric import declared, measured
from interpbench.host.ask_predictor import predict_one
from interpbench.host.components import make_component
from interpbench.host.foreign import asking, trouble
from interpbench.parallel.overlap import ahead, behind, let_go
from interpbench.pipeline import fit, predict
from interpbench.pipeline.fitted import load_fitted
from interpbench.pipeline.population import MapOnGrid, PopulationSum
from interpbench.predictor.model import load_predictor, save_predictor
from interpbench.predictor.readout import check_readout
from interpbench.testing import linear_predictor

pytestmark = pytest.mark.timeout(60)  # a walk that never ends is what these tests are for
SHAPE = (6, 7, 8)


class NoMessage(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("no message today")


class NumberAsMessage(ValueError):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # noqa: PLE0307  what the test is about


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    number: int = 1


@dataclasses.dataclass(frozen=True)
class OwnFrozen(PluginError):
    number: int = 1


class OwnWithoutMessage(PluginError):
    def __str__(self) -> str:
        raise RuntimeError("no message today")


class OwnSuccess(PluginError):
    exit_code = 0


class OwnWord(NotApplicable):
    exit_code = "three"  # type: ignore[assignment]


class NotAnException(BaseException):
    pass


def own_cause(error: BaseException) -> BaseException:
    """The error as its own cause, which `raise error from error` makes."""
    error.__cause__ = error
    return error


def circle(error: BaseException, *, by: str) -> BaseException:
    """The error at the end of a circle of two that it led to."""
    first, second = ValueError("first"), ValueError("second")
    error.__context__ = first
    setattr(first, by, second)
    setattr(second, by, first)
    return error


def unpicklable() -> BaseException:
    return ValueError("locked", threading.Lock())


def family(kind: type[InterpbenchError] = InterpbenchError) -> Iterator[type[InterpbenchError]]:
    """Every class of the family that interpbench itself has."""
    for module in pkgutil.walk_packages(interpbench.__path__, "interpbench."):
        if module.name != "interpbench.__main__":
            importlib.import_module(module.name)
    found = [kind]
    while found:
        one = found.pop()
        found += one.__subclasses__()
        if one.__module__.split(".")[0] == "interpbench":
            yield one


Make = Callable[[], BaseException]

FAMILY: dict[str, tuple[Make, int]] = {
    kind.__name__: (lambda kind=kind: kind("what is wrong"), kind.exit_code)
    for kind in dict.fromkeys(family())  # type: ignore[misc]
}
ODD_FAMILY: dict[str, tuple[Make, int]] = {
    "an own error that is its own cause": (lambda: own_cause(NotApplicable("no layer")), 5),
    "an own error after a circle of causes": (lambda: circle(PluginError("broken"), by="__cause__"), 5),
    "an own error after a circle of contexts": (lambda: circle(PluginError("broken"), by="__context__"), 5),
    "an own error without a word": (lambda: PluginError(), 5),
    "an own error of two arguments": (lambda: PluginError("one", 2), 5),
    "an own error of many lines": (lambda: PluginError("one\n\ntwo\n"), 5),
    "an own error with half a character": (lambda: PluginError("\udcff"), 5),
    "an own error that is frozen": (lambda: OwnFrozen(), 5),
    "an own error whose message fails": (lambda: OwnWithoutMessage(), 5),
    "an own error whose exit code says success": (lambda: OwnSuccess("broken"), 5),
    "an own error whose exit code is a word": (lambda: OwnWord("broken"), 5),
}
FOREIGN: dict[str, tuple[Make, int]] = {
    "ValueError": (lambda: ValueError("a value"), 5),
    "nothing said": (lambda: ValueError(), 5),
    "KeyError": (lambda: KeyError("layer9"), 5),
    "AssertionError": (lambda: AssertionError(), 5),
    "OSError without a file": (lambda: OSError("disk"), 5),
    "OSError of a file": (lambda: FileNotFoundError(errno.ENOENT, "No such file or directory", "weights.bin"), 5),
    "a full disk": (lambda: OSError(errno.ENOSPC, "No space left on device", "x"), 6),
    "no memory, said by the system": (lambda: OSError(errno.ENOMEM, "Cannot allocate memory"), 6),
    "MemoryError": (lambda: MemoryError(), 6),
    "torch's own": (lambda: torch.OutOfMemoryError("CUDA out of memory"), 6),
    "RecursionError": (lambda: RecursionError("maximum recursion depth exceeded"), 5),
    "StopIteration": (lambda: StopIteration(), 5),
    "StopAsyncIteration": (lambda: StopAsyncIteration(), 5),
    "GeneratorExit": (lambda: GeneratorExit(), 5),
    "a cancelled task": (lambda: asyncio.CancelledError(), 5),
    "an exit in order": (lambda: SystemExit(0), 5),
    "an exit with words": (lambda: SystemExit("bye"), 5),
    "BrokenPipeError": (lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"), 5),
    "EOFError": (lambda: EOFError(), 5),
    "TimeoutError": (lambda: TimeoutError("too late"), 5),
    "click's Abort": (lambda: click.Abort(), 5),
    "click's Exit": (lambda: click.exceptions.Exit(0), 5),
    "click's UsageError": (lambda: click.UsageError("no such option"), 5),
    "a warning": (lambda: UserWarning("beware"), 5),
    "a group": (lambda: ExceptionGroup("several", [ValueError("a"), PluginError("b")]), 5),
    "a group with Ctrl-C": (lambda: BaseExceptionGroup("several", [KeyboardInterrupt()]), 5),
    "no Exception": (lambda: NotAnException("odd"), 5),
    "its own cause": (lambda: own_cause(ValueError("a")), 5),
    "a circle of causes": (lambda: circle(ValueError("a"), by="__cause__"), 5),
    "a circle of contexts": (lambda: circle(ValueError("a"), by="__context__"), 5),
    "a message that fails": (lambda: NoMessage(), 5),
    "a message that is a number": (lambda: NumberAsMessage(), 5),
    "frozen": (lambda: Frozen(), 5),
    "no pickle of it": (unpicklable, 5),
    "half a character": (lambda: ValueError("\ud800"), 5),
    "a million characters": (lambda: ValueError("x" * 1_000_000), 5),
    "many lines": (lambda: RuntimeError("one\n  two\r\n\x0b three"), 5),
}
ERRORS = {**FAMILY, **ODD_FAMILY, **FOREIGN}
WAYS = list(ERRORS)


class Boom:
    """Raises the error that is due; a component of any kind has one."""

    due: ClassVar[Make | None] = None
    turns: ClassVar[list[str]] = []  # names of errors, one for each call that is to fail; "" for one that is not

    @classmethod
    def go(cls) -> None:
        if cls.turns:
            name = cls.turns.pop(0)
            if name:
                error = ERRORS[name][0]()
                raise error
        elif cls.due is not None:
            raise cls.due()


@pytest.fixture(autouse=True)
def nothing_is_due() -> Iterator[None]:
    yield
    Boom.due, Boom.turns = None, []


def check(error: BaseException, code: int) -> None:
    """It can be told in one line, ends in this code, and walks over what led to it end."""
    assert isinstance(error, InterpbenchError)
    assert error.__cause__ is not error or code  # an own error may have come so; ours never makes it so
    line, ends_in = line_and_code(error)
    assert (ends_in, line.count("\n")) == (code, 0)
    assert line.startswith("Error: ") and len(line) > len("Error: ") and "this is a bug" not in line
    assert len(line) < 2500
    let_go(error)


def test_the_family_is_found_whole() -> None:
    assert {
        "InterpbenchError",
        "UsageError",
        "InputError",
        "SubjectsFailed",
        "PluginError",
        "NotApplicable",
        "ResourceError",
        "ConflictError",
        "NoTemplate",
    } <= set(FAMILY)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_raised_leaves_as_one_of_the_family_and_never_as_its_own_cause(way: str) -> None:
    make, code = ERRORS[way]
    error = make()
    before = error.__cause__
    with pytest.raises(InterpbenchError) as caught, asking("method 'made'"):
        raise error
    check(caught.value, code)
    if way in FAMILY:
        assert caught.value is error
    if caught.value is error:
        assert error.__cause__ is before
    else:
        assert caught.value.__cause__ is error


def test_ctrl_c_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt), asking("method 'made'"):
        raise KeyboardInterrupt


def test_where_memory_runs_out_the_message_has_the_size_that_was_tried() -> None:
    told = trouble(MemoryError(), "method 'made'", torch.empty(2, 1, *SHAPE))
    assert str(told) == "method 'made' ran out of memory on 2 volumes of 6x7x8 at once."


@pytest.mark.parametrize("way", WAYS)
def test_every_traceback_of_an_error_and_of_what_led_to_it_is_let_go(way: str) -> None:
    try:
        try:
            error = ERRORS[way][0]()
            raise error
        except BaseException as first:
            raise ExceptionGroup("all", [ValueError("inside")]) from first
    except ExceptionGroup as group:
        kept: BaseException = group
    first = kept.__cause__
    assert first is not None
    let_go(kept)
    assert kept.__traceback__ is None and first.__traceback__ is None


def test_an_error_without_an_end_to_its_causes_leaves_no_traceback_where_both_ways_lead_on() -> None:
    root, cause, context = ValueError("root"), ValueError("cause"), ValueError("context")
    for one in (root, cause, context):
        with contextlib.suppress(ValueError):
            raise one
    root.__cause__, root.__context__ = cause, context
    cause.__cause__ = context.__context__ = root
    let_go(root)
    assert [one.__traceback__ for one in (root, cause, context)] == [None] * 3


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("way", [*WAYS, "StopIteration"])
def test_an_error_while_reading_ahead_is_met_where_its_result_would_have_come(way: str, number: int) -> None:
    def read(item: int) -> int:
        if item == 1:
            error = ERRORS[way][0]()
        raise error
        return item

    met: list[BaseException] = []
    try:
        with ahead(read, range(3), number) as results:
            assert next(results) == 0
            try:
                next(results)
            except BaseException as error:
                met.append(error)
    except BaseException as error:  # a frozen one cannot be carried
        met.append(error)
    assert met and not isinstance(met[0], StopIteration)


@pytest.mark.parametrize("way", WAYS)
def test_an_error_while_writing_behind_is_met_and_no_thread_is_left(way: str) -> None:
    def write() -> None:
        error = ERRORS[way][0]()
        raise error

    before = set(threading.enumerate())
    met = False
    try:
        with behind(2) as do:
            do(write)
    except BaseException:
        met = True
    assert met and set(threading.enumerate()) <= before


class Method(Explainer):
    def explain(self, predictor: Predictor, volumes: torch.Tensor) -> torch.Tensor:
        Boom.go()
        return volumes[:, 0].abs()


class MethodWithExtras(Method):
    def explain_with_extras(self, predictor: Predictor, volumes: torch.Tensor) -> Any:
        Boom.go()
        return volumes[:, 0].abs(), {}


class Learner(Explainer):
    """Learns nothing, and fails in the part that a test names."""

    learned = True
    part = "fit"

    def fit(self, predictor: Predictor, training: Any, validation: Any) -> Learner:
        self._fail("fit")
        return self

    def state(self) -> dict[str, torch.Tensor]:
        self._fail("state")
        return {"a": torch.ones(1)}

    @property
    def record(self) -> dict[str, Any]:
        self._fail("record")
        return {}

    def with_state(self, state: Any) -> Learner:
        self._fail("with_state")
        return self

    def with_record(self, record: Any) -> Learner:
        self._fail("with_record")
        return self

    def explain(self, predictor: Predictor, volumes: torch.Tensor) -> torch.Tensor:
        return volumes[:, 0].abs()

    def _fail(self, part: str) -> None:
        if self.part == part:
            Boom.go()


class Adder(Aggregator):
    part = "add"

    def add(self, map: torch.Tensor) -> None:
        if self.part == "add":
            Boom.go()

    def add_brain(self, brain: torch.Tensor) -> None:
        if self.part == "add_brain":
            Boom.go()

    def merge(self, other: Any) -> None:
        return

    def result(self) -> Any:
        if self.part == "result":
            Boom.go()
        return {"mean": torch.ones(SHAPE)}

    @property
    def caption(self) -> str | None:
        if self.part == "caption":
            Boom.go()
        return None


class Measuring(Metric):
    in_declaration = False

    @property
    def measures(self) -> tuple[Measure, ...]:
        if self.in_declaration:
            Boom.go()
        return (Measure(name="number", unit="", direction=None, help="A number"),)

    def measure(self, case: Case) -> Any:
        Boom.go()
        return {"number": 1.0}


class DeclaringLate(Measuring):
    in_declaration = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moody(Explainer):
    """Fails while it is made."""

    def __post_init__(self) -> None:
        Boom.go()

    def explain(self, predictor: Predictor, volumes: torch.Tensor) -> torch.Tensor:
        return volumes[:, 0].abs()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(NetworkPredictor):
    """Fails while its network is built, or read."""

    part = "build"

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        if self.part == "build":
            Boom.go()
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 1))

    def read_out(self, output: torch.Tensor) -> torch.Tensor:
        if self.part == "read_out":
            Boom.go()
        return output.reshape(-1)


class Alone(Predictor):
    """A predictor without weights; fails while it is made, asked for its module, or predicts."""

    part = "predict"
    recipe = Recipe(shape=(10, 12, 8), voxel_size=4.0)

    def __init__(self) -> None:
        if self.part == "made":
            Boom.go()

    @property
    def module(self) -> nn.Module:
        if self.part == "module":
            Boom.go()
        return nn.Identity()

    def predict(self, volumes: torch.Tensor) -> torch.Tensor:
        if self.part == "predict":
            Boom.go()
        return volumes.abs().flatten(1).mean(1)


@pytest.fixture
def offered(toy_plugin: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], None]:
    """`offered(Class, part)`: it is to fail in that part."""
    for kind, classes in {
        "explainer": (Method, MethodWithExtras, Learner, Moody),
        "aggregator": (Adder,),
        "predictor": (Alone, Network),
    }.items():
        for one in classes:
            toy_plugin.offer(kind, one.__name__.lower(), one)

    def choose(one: type, part: str) -> None:
        monkeypatch.setattr(one, "part", part)

    return choose


def case() -> Case:
    return Case(
        subject="01",
        method="mine",
        predictor=linear_predictor(torch.ones(SHAPE)),
        volume=torch.randn(1, *SHAPE),
        brain=torch.ones(SHAPE, dtype=torch.bool),
        map=torch.rand(SHAPE),
        signed=False,
        learned=False,
        prediction=60.0,
        target=math.nan,
        seed=3,
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", [Method(), MethodWithExtras()])
def test_of_a_method_that_raises_while_it_explains(method: Explainer, way: str) -> None:
    _, code = ERRORS[way]
    Boom.turns = [way, "", way]
    volumes = torch.randn(2, 1, *SHAPE)
    # Two at once fail, so each is asked alone: the first then succeeds, and the second fails.
    first, second = explained(method, linear_predictor(torch.ones(SHAPE)), volumes, ["01", "02"], "made", 0)
    assert not isinstance(first, InterpbenchError)
    check(second, code)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
def test_of_a_predictor_that_raises(way: str) -> None:
    Boom.due = ERRORS[way][0]
    with pytest.raises(InterpbenchError) as caught:
        predict_one(Alone(), torch.ones(1, 1, *SHAPE))
    check(caught.value, ERRORS[way][1])
    assert check_readout(Alone(), torch.ones(1, 1, *SHAPE), "made") == ()  # which leaves it to whoever predicts next


@pytest.mark.parametrize("way", WAYS)
def test_of_a_metric_that_raises(way: str) -> None:
    make, code = ERRORS[way]
    Boom.due = make
    if isinstance(make(), NotApplicable):
        values, note = measured("made", Measuring(), case())
        assert math.isnan(values["number"]) and note.strip()  # type: ignore[arg-type]
    else:
        with pytest.raises(InterpbenchError) as caught:
            measured("made", Measuring(), case())
        check(caught.value, code)
    with pytest.raises(InterpbenchError) as caught:
        declared([("late", DeclaringLate())])
    check(caught.value, code)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("part", ["add", "add_brain"])
def test_of_an_aggregator_that_raises(part: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Adder, "part", part)
    Boom.due = ERRORS[way][0]
    population = PopulationSum(Recipe(shape=SHAPE, voxel_size=4.0), Adder(), "made")
    brain = torch.ones(SHAPE, dtype=torch.bool)
    with pytest.raises(InterpbenchError) as caught:
        population.add(
            Path("map"),
            {"participant_id": "sub-01"},
            MapOnGrid(torch.ones(SHAPE), torch.ones(1, *SHAPE), brain, torch.eye(4).numpy()),
        )
    check(caught.value, ERRORS[way][1])
    assert population.number == 0


@pytest.mark.parametrize("way", WAYS)
def test_of_a_component_that_raises_while_it_is_made(way: str, offered: Any) -> None:
    offered(Alone, "made")
    Boom.due = ERRORS[way][0]
    for ask in (lambda: make_component("explainer", "moody"), lambda: load_predictor("alone")):
        with pytest.raises(InterpbenchError) as caught:
            ask()  # type: ignore[no-untyped-call]
        check(caught.value, ERRORS[way][1])


@pytest.fixture(scope="module")
def network_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    recipe = Recipe(shape=(10, 12, 8), voxel_size=4.0)
    predictor = Network().loaded(nn.Sequential(nn.Flatten(), nn.Linear(960, 1)), recipe)
    save_predictor(folder, predictor, name="network", details={})
    return folder


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("part", ["build", "read_out"])
def test_of_a_network_that_raises(part: str, way: str, offered: Any, network_folder: Path) -> None:
    offered(Network, part)
    Boom.due = ERRORS[way][0]
    with pytest.raises(InterpbenchError) as caught:
        predict_one(load_predictor(network_folder), torch.ones(1, 1, 10, 12, 8))
    check(caught.value, ERRORS[way][1])


@pytest.fixture(scope="module")
def few(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six subjects: three to learn from."""
    splits = ["train"] * 3 + ["validation"] + ["test"] * 2
    return make_toy_cohort(tmp_path_factory.mktemp("few"), 6, columns={"split": splits})


SOME = [
    "UsageError",
    "NotApplicable",
    "SubjectsFailed",
    "a full disk",
    "StopIteration",
    "GeneratorExit",
    "an exit in order",
    "its own cause",
    "a message that fails",
    "an own error that is its own cause",
    "an own error whose exit code says success",
]


@pytest.mark.slow
@pytest.mark.parametrize("way", SOME)
@pytest.mark.parametrize("part", ["fit", "state", "record", "with_state", "with_record"])
def test_of_a_learned_method_that_raises(part: str, way: str, offered: Any, few: Path, tmp_path: Path) -> None:
    offered(Learner, "nothing" if part.startswith("with") else part)
    Boom.due = ERRORS[way][0]

    def fit_and_load() -> None:
        fit(few, "alone", tmp_path / "fitted", method="learner", device="cpu")
        offered(Learner, part)
        load_fitted(tmp_path / "fitted", load_predictor("alone"))

    with pytest.raises(InterpbenchError) as caught:
        fit_and_load()
    check(caught.value, ERRORS[way][1])


@pytest.mark.parametrize("returned", [None, 7, "text"])
def test_of_a_fit_that_returns_no_explainer(
    returned: object, offered: Any, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered(Alone, "nothing")
    monkeypatch.setattr(Learner, "fit", lambda self, predictor, training, validation: returned)
    with pytest.raises(PluginError, match="must return a fitted explainer from `fit`"):
        fit(few, "alone", tmp_path / "fitted", method="learner", device="cpu")


def failures(folder: Path) -> dict[str, str]:
    with (folder / "failures.tsv").open() as file:
        return {row["participant_id"]: row["message"] for row in csv.DictReader(file, delimiter="\t")}


def test_of_subjects_for_whom_a_method_raises_each_is_listed_and_the_others_have_maps(
    toy_cohort: Path, offered: Any, tmp_path: Path
) -> None:
    """Every error in one run, on every other subject, twice: as many as there are subjects."""
    offered(Alone, "nothing")
    for start in range(0, len(WAYS), 20):
        ways = WAYS[start : start + 20]
        Boom.turns = [name for way in ways for name in (way, "")] + [""] * 40
        out = tmp_path / str(start)
        with pytest.raises(SubjectsFailed, match=f"{len(ways)} of 40 subjects failed"):
            explain(toy_cohort, "alone", out, method="method", device="cpu", split=None)
        assert len(list(out.glob("sub-*/*.nii.gz"))) == 40 - len(ways)
        listed = failures(out)
        assert sorted(listed) == [f"sub-{2 * turn:02d}" for turn in range(len(ways))]
        assert all(listed.values())


def test_of_subjects_for_whom_the_predictor_raises_each_is_listed_and_the_others_have_numbers(
    toy_cohort: Path, offered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interpbench.run.study.try_before_use", lambda *_: ())
    for start in range(0, len(WAYS), 20):
        ways = WAYS[start : start + 20]
        Boom.turns = [name for way in ways for name in (way, "")] + [""] * 40
        out = tmp_path / f"{start}.tsv"
        with pytest.raises(SubjectsFailed, match=f"{len(ways)} of 40 subjects failed"):
            predict(toy_cohort, "alone", out, device="cpu")
        assert out.read_text().count("\n") == 41 - len(ways)


@pytest.mark.parametrize("way", [*SOME, "InputError", "ConflictError", "InterpbenchError", "MemoryError"])
def test_where_every_subject_fails_alike_the_run_ends_in_that_errors_code(
    way: str, few: Path, offered: Any, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    make, code = ERRORS[way]
    Boom.turns = [""] * 2  # of the check of the predictor, which is not meant
    offered(Alone, "nothing")
    Boom.turns, Boom.due = [], make
    words = ["--predictor", "alone", "--method", "method", "--device", "cpu", "--out", tmp_path / "maps"]
    ended, _, said = run("explain", few, *words)
    last = said.splitlines()[-1]
    assert (ended, last.startswith("Error: None of 2 subjects could be explained: ")) == (code, True), said
    assert "this is a bug" not in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("turns", "code", "called", "told"),
    [
        (["NotApplicable"] * 40, 5, 2, []),
        (["UsageError"] * 40, 2, 2, []),
        (["ValueError"] * 40, 5, 40, ["sub-00: method", "sub-00 ... and 39 more subjects with the same error"]),
        (["ValueError", "NotApplicable", "NotApplicable", *[""] * 37], 5, 3, ["sub-00: method"]),
        (["NotApplicable", *[""] * 39], 4, 40, ["sub-00: what is wrong"]),
        (
            ["", "UsageError", "UsageError", *[""] * 37],
            4,
            40,
            ["sub-01: what is wrong", "sub-01 ... and 1 more subject with the same error"],
        ),
    ],
)
def test_one_cause_is_told_once_and_what_the_method_says_of_the_network_ends_the_run(
    turns: list[str],
    code: int,
    called: int,
    told: list[str],
    toy_cohort: Path,
    offered: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    offered(Alone, "nothing")
    Boom.turns = list(turns)
    with caplog.at_level("WARNING", "interpbench"), pytest.raises(InterpbenchError) as caught:
        explain(toy_cohort, "alone", tmp_path / "o", method="method", device="cpu", split=None)
    assert (caught.value.exit_code, 40 - len(Boom.turns)) == (code, called)
    found = [one.removeprefix("no map: ") for one in caplog.messages if one.startswith("no map")]
    assert len(found) == len(told) and all(one.startswith(start) for one, start in zip(found, told, strict=True))
    wrong = 40 if code != 4 else sum(map(bool, turns))
    assert len(failures(tmp_path / "o")) == wrong


@pytest.mark.parametrize("part", ["add", "add_brain", "result", "caption"])
def test_an_aggregator_that_fails_ends_the_command_in_one_line(
    part: str, few: Path, offered: Any, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    offered(Alone, "nothing")
    explain(few, "alone", tmp_path / "maps", method="method", device="cpu")
    offered(Adder, part)
    Boom.due = ERRORS["its own cause"][0]
    code, _, said = run("aggregate", tmp_path / "maps", "--aggregator", "adder", "--out", tmp_path / "population")
    assert code == 5 and said.splitlines()[-1].startswith("Error: aggregator 'adder' failed: ValueError")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("way", ["an own error that is its own cause", "no pickle of it", "an exit in order"])
def test_a_metric_that_fails_leaves_a_benchmark_to_the_others(
    way: str, processes: int, few: Path, offered: Any, toy_plugin: types.ModuleType, tmp_path: Path
) -> None:
    toy_plugin.offer("metric", "measuring", Measuring)
    offered(Alone, "nothing")
    explain(few, "alone", tmp_path / "maps", method="method", device="cpu")
    Boom.due = ERRORS[way][0]
    interpbench.benchmark(
        few,
        "alone",
        tmp_path / "bench",
        methods=["method"],
        maps=[tmp_path / "maps"],
        floors=False,
        measures=["measuring", "complexity"],
        blur=0,
        processes=processes,
        device="cpu",
    )
    with (tmp_path / "bench" / "measures.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["value"] for row in rows if row["measure"] == "number"} == {"n/a"}
    assert all(row["note"] for row in rows if row["measure"] == "number")
    assert any(row["value"] != "n/a" for row in rows if row["measure"] != "number")


@pytest.mark.parametrize("way", WAYS)
def test_the_command_line_tells_whatever_reaches_it_in_one_line(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what no guard has turned into one of the family."""
    line, code = line_and_code(ERRORS[way][0]())
    assert line.startswith("Error: ") or line == "Interrupted."
    assert "\n" not in line and 0 < code < 256 and len(line) < 2500
    line.encode()


def test_errors_that_cannot_be_pickled_are_among_those_that_were_tried() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(unpicklable())


REAL = """
    import sys
    from torch import nn
    import torch, interpbench
    from interpbench.cli import main

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Sequential(nn.Flatten(), nn.Linear(960, 1))
        def forward(self, x):
            return self.last(x)

    sys.modules["plain_network"] = sys.modules["__main__"]
    cohort, folder = sys.argv[1:]
    torch.manual_seed(0)
    torch.save(Plain().state_dict(), folder + "/plain.pt")
    interpbench.adopt("plain_network:Plain", folder + "/plain.pt", folder + "/model",
                      recipe={"shape": (10, 12, 8), "voxel_size": 4.0})
    for method, *words in (["gradcam"], ["guidedbackprop"], ["occlusion", "-o", "box=99"],
                           ["captumocclusion", "-o", "box=99"], ["occlusion"]):
        try:
            main(["explain", cohort, "--predictor", folder + "/model", "--method", method, "--device", "cpu",
                  "--participant-label", "00", "--participant-label", "03", "--out", folder + "/" + method, *words])
        except SystemExit as ended:
            print(method, *words, ended.code, flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_process_ends_in_time_whatever_its_methods_refuse(few: Path, tmp_path: Path) -> None:
    script = tmp_path / "real.py"
    script.write_text(textwrap.dedent(REAL))
    ended = subprocess.run(
        [sys.executable, script, few, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    codes = [line for line in ended.stdout.splitlines() if not line.startswith("Maps written to ")]
    assert codes == [
        "gradcam 5",
        "guidedbackprop 5",
        "occlusion -o box=99 2",
        "captumocclusion -o box=99 2",
        "occlusion 0",
    ]
    assert ended.stderr.count("Error: ") == 4 and "Traceback" not in ended.stderr


def test_a_resource_error_of_one_subject_does_not_take_the_others_with_it() -> None:
    Boom.turns = ["MemoryError", "MemoryError", ""]
    volumes = torch.randn(2, 1, *SHAPE)
    first, second = explained(Method(), linear_predictor(torch.ones(SHAPE)), volumes, ["01", "02"], "made", 0)
    assert isinstance(first, ResourceError) and not isinstance(second, InterpbenchError)
