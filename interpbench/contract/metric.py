"""The fourth interface: a measure of how good an importance map is, and what it is given to measure."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor

from interpbench.comparison.families import FamilyName
from interpbench.contract.everyone import Everyone
from interpbench.contract.interfaces import Predictor
from interpbench.errors import NotApplicable

UNIT = "{unit}"  # in a measure's unit: stands for the predictor's


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What one figure, or one curve, of a metric is, and what a benchmark's sentences, tables and page do with it.

    All that they know of a measure stands here. What declares no more than it must is told of by its name and help; of
    such a metric the first three measures with a direction lead.

    Two families have sentences of their own, on measures that declare `leads` only. In `randomisation` it is the
    likeness of a map to the one after all weights were randomised, and `question` says which likeness; in `cost` the
    seconds that one map takes.
    """

    name: str  # letters, digits and _; unique among all measures of a benchmark
    unit: str  # of its values, `"{unit}"` for the predictor's, "" for none
    direction: Literal["higher", "lower"] | None  # which is better; None: shown, never ranked by
    help: str  # one line
    title: str = ""  # how pages name it to who knows no measure: "Points at the truth (AUC)"; by default from the name
    steps: tuple[float, ...] = ()  # not empty: a curve with one value a step
    steps_name: str = ""  # what the steps are, with their unit, as an axis says it
    chance: float | None = None  # what a map that knows nothing gets, where that is known
    family: FamilyName = "other"  # what it asks of a map; the families are those of `comparison/families.py`
    needs_truth: bool = False  # NaN where no truth is known
    question: str = ""  # what it asks, for sentences that name it: "pointing at the truth"; by default `help`
    limits: str = ""  # a sentence on what cannot be concluded from it; `{learned}` in it: the methods that learned
    leads: int = 0  # 1 for the measure by which sentences say who is best, 2 where that has no values, ...; 0: none
    column: bool = False  # has a column in the page's first table, also where it does not lead
    axis: str = ""  # curves of one metric that have the same word here are drawn on one vertical axis
    variant: str = ""  # which of several ways of taking one figure this is, such as "zero"
    varied: str = ""  # in what such ways differ, going on after "what": "stands in for hidden voxels"
    chance_by: str = ""  # the measure of this metric that gives each method's own chance level
    ceiling_by: str = ""  # the measure of this metric that gives the most that each method can get


class ExplainAgain(Protocol):
    """Explains the same subject by the same method once more, in other circumstances."""

    def __call__(
        self, *, predictor: Predictor | None = None, volume: Tensor | None = None, seed: int | None = None
    ) -> Tensor: ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One subject, one method's map, and everything a metric may use. Its tensors must not be changed.

    Tensors are on the network's grid, and on the predictor's device.
    """

    subject: str  # label
    method: str  # name of the method, as the table has it
    copy_of: str | None = None  # the method of whose map this one is a smoothed copy
    predictor: Predictor
    volume: Tensor  # (1, I, J, K) float32
    brain: Tensor  # (I, J, K) bool
    map: Tensor  # (I, J, K) float32, as the method gave it
    signed: bool  # whether below zero means something
    learned: bool  # whether the method was fitted to the predictor
    prediction: float  # f(x) of the clean volume, in the predictor's unit
    target: float  # what f(x) should be, in the predictor's unit; NaN where unknown
    seed: int  # the subject's own, the same for every method: all face the same noise
    run_seed: int = 0  # the same for every subject
    voxel_size: float = 1.0  # mm
    truth: Tensor | None = None  # (I, J, K) bool: where the importance must be, where that is known
    everyone: Everyone | None = None  # the other people; only for metrics with `compares_people`
    alone: str = ""  # why `everyone` is None there
    distractors: Tensor | None = None  # (I, J, K) bool: voxels that vary for other reasons, where those are known
    mean_volume: Tensor | None = None  # (1, I, J, K), the cohort's; None where the images do not share a space
    reference: Tensor | None = None  # (1, I, J, K): x', where the method claims that its map adds up to f(x) - f(x')
    regions: Tensor | None = None  # (I, J, K) integers, 0 for no region; None where no atlas was given
    training_seconds: float = 0.0  # that the method learned; NaN where unknown
    batch_size: int = 8  # volumes that go through the predictor at once
    forward: Callable[[Tensor], Tensor] | None = None  # a faster `predictor.predict` that gives no gradients
    again: ExplainAgain | None = None  # see `explain`
    shared: dict[str, Any] = field(default_factory=dict)  # see `once`

    @property
    def importance(self) -> Tensor:
        """`|map|` inside the brain and 0 outside, `(I, J, K)` float32."""
        return self.map.abs() * self.brain

    @torch.no_grad()
    def predict(self, volumes: Tensor) -> Tensor:
        """Predictions of `(B, 1, I, J, K)`, as `(B,)` float64 on the CPU, without gradients.

        At most `batch_size` volumes go through at once, in batches of one size as far as that can be.
        """
        if not len(volumes):
            return torch.empty(0, dtype=torch.float64)
        predict = self.forward or self.predictor.predict
        parts = volumes.tensor_split(math.ceil(len(volumes) / self.batch_size))
        return torch.cat([predict(some).double().cpu() for some in parts])

    def explain(
        self, *, predictor: Predictor | None = None, volume: Tensor | None = None, seed: int | None = None
    ) -> Tensor:
        """The same method once more: a map `(I, J, K)`, checked like the first.

        Args:
            predictor: another one; a method that must learn is then fitted to it, once for all subjects.
            volume: another one, `(1, I, J, K)`.
            seed: another one than the run's; a method without an option `seed` gives the same map.

        Raises:
            NotApplicable: this map cannot be made again.
        """
        if self.again is None:
            raise NotApplicable(f"the maps of {self.method!r} were given and cannot be made again")
        return self.again(predictor=predictor, volume=volume, seed=seed)

    def generator(self, purpose: str) -> torch.Generator:
        """A random generator on the CPU for one purpose: the same for every method of one subject."""
        digest = hashlib.sha256(f"{self.seed}:{purpose}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big") >> 1)

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What does not depend on the map is made for the first method of a subject and kept for the others."""
        if key not in self.shared:
            self.shared[key] = make()
        return self.shared[key]


class Metric(ABC):
    """A map and what it explains in, figures out.

    The contract:

    - `measures` declares every figure with unit and direction; a class attribute, or a property that depends on the
      options.
    - `measure` returns a number for each of them, or for a curve as many numbers as steps; NaN where nothing can be
      said, or a `NotApplicable` with the reason, and infinity never.
    - Figures depend on the case alone; what is random comes from `case.generator`.
    - Predictor, tensors and the global random state are the same after as before.
    - `repeats` says that it explains again, or asks the predictor so often, that it is measured on some subjects only.
    - `compares_people` says that it looks at `case.everyone`; then it is measured again where another person changed.
    """

    repeats: ClassVar[bool] = False
    compares_people: ClassVar[bool] = False

    @property
    @abstractmethod
    def measures(self) -> tuple[Measure, ...]:
        """What `measure` returns."""

    @abstractmethod
    def measure(self, case: Case) -> Mapping[str, float | Sequence[float] | NotApplicable]:
        """Measure one map.

        Raises:
            NotApplicable: this metric has nothing to say about this case, and why; all its figures are NaN.
        """
