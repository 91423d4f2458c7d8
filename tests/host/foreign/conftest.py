"""Components of each kind that raise what a test asks for, and what must come of it."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from interpbench import Aggregator, Case, Explainer, Measure, Metric, NetworkPredictor, Predictor, Recipe
from interpbench.cli import line_and_code
from interpbench.errors import InterpbenchError
from interpbench.parallel.overlap import let_go

Make = Callable[[], BaseException]
SHAPE = (6, 7, 8)


class Boom:
    """Raises the error that is due; a component of any kind has one."""

    errors: ClassVar[dict[str, tuple[Make, int]]] = {}  # all that may be due, by name
    due: ClassVar[Make | None] = None
    turns: ClassVar[list[str]] = []  # names of errors, one for each call that is to fail; "" for one that is not

    @classmethod
    def go(cls) -> None:
        if cls.turns:
            name = cls.turns.pop(0)
            if name:
                error = cls.errors[name][0]()
                raise error
        elif cls.due is not None:
            raise cls.due()


@pytest.fixture(autouse=True)
def nothing_is_due(errors: dict[str, tuple[Make, int]]) -> Iterator[None]:
    Boom.errors = errors
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


@pytest.fixture(scope="module")
def few(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six subjects: three to learn from."""
    splits = ["train"] * 3 + ["validation"] + ["test"] * 2
    return make_toy_cohort(tmp_path_factory.mktemp("few"), 6, columns={"split": splits})


@pytest.fixture(scope="session")
def boom() -> type[Boom]:
    """What is to be raised, and when."""
    return Boom


@pytest.fixture(scope="session")
def components() -> types.SimpleNamespace:
    """A component of each kind that raises what is due, by the name of its class."""
    classes = (Method, MethodWithExtras, Learner, Adder, Measuring, DeclaringLate, Moody, Network, Alone)
    return types.SimpleNamespace(**{one.__name__: one for one in classes})


@pytest.fixture(name="check", scope="session")
def give_check() -> Callable[[BaseException, int], None]:
    return check
