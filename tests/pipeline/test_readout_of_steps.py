"""A network whose answer is squashed, or the same for everybody, goes through no step; one output goes through some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from interpbench import Explainer, NetworkPredictor, Predictor, Recipe, explain, predict, train
from interpbench.errors import InputError, SubjectsFailed

QUICK = {"recipe": {"shape": (10, 12, 8)}, "epochs": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def cohort(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = {"group": ["young"] * 12 + ["old"] * 8, "trio": [name for name in "abc" for _ in range(7)][:20]}
    return make_toy_cohort(tmp_path_factory.mktemp("groups"), 20, columns=columns)


class Still(Explainer):
    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        return volumes[:, 0].abs()


class Watching(Still):
    learned = True


@dataclass(frozen=True, kw_only=True)
class Ending(NetworkPredictor):
    """One output, or as many as asked for, through a last step that may squash it."""

    ending = nn.Identity()

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        layers = nn.Conv3d(1, 2, 3, stride=2), nn.ReLU(), nn.AdaptiveMaxPool3d(2), nn.Flatten()
        return nn.Sequential(*layers, nn.Linear(16, self.outputs), self.ending)


class One(Ending):
    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        return nn.Sequential(nn.Conv3d(1, 2, 3, stride=2), nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(2, 1))


class Squashed(Ending):
    ending = nn.Sigmoid()


class Probable(Ending):
    ending = nn.Softmax(dim=1)


def test_a_third_partys_network_with_one_output_learns_two_classes_and_no_three(cohort, tmp_path, toy_plugin) -> None:
    toy_plugin.offer("predictor", "one", One)
    settings = {**QUICK, "predictor": "one"}
    assert train(cohort, tmp_path / "two", target="group", **settings)["classes"] == ["old", "young"]
    with pytest.raises(InputError, match=r"One has 1 output, but there are 3 classes \(a, b, c\)"):
        train(cohort, tmp_path / "three", target="trio", **settings)


@pytest.mark.parametrize(
    ("name", "component", "target", "message"),
    [
        ("squashed", Squashed, "age", "Squashed: the output ends in a sigmoid: it is bounded"),
        ("squashed", Squashed, "group", "ends in a sigmoid: it saturates.* remove the sigmoid"),
        ("probable", Probable, "group", "ends in a softmax: probabilities saturate.* remove the softmax"),
        ("probable", Probable, "age", "ends in a softmax over one number"),
    ],
)
def test_a_squashed_network_is_refused_before_it_is_trained(
    cohort: Path, tmp_path: Path, toy_plugin: Any, name: str, component: type, target: str, message: str
) -> None:
    toy_plugin.offer("predictor", name, component)
    with pytest.raises(InputError, match=message):
        train(cohort, tmp_path / "model", predictor=name, target=target, **QUICK)
    assert not (tmp_path / "model" / "training.tsv").exists()


class Ready(Predictor):
    """A predictor without weights; its answer is given."""

    def __init__(self, answer: Callable[[Tensor], Tensor] = lambda z: z.sigmoid()) -> None:
        self.recipe, self.answer = Recipe(shape=(10, 12, 8), voxel_size=4.0), answer

    @property
    def module(self) -> nn.Module:
        return nn.Identity()

    def predict(self, volumes: Tensor) -> Tensor:
        return self.answer(volumes.amax((1, 2, 3, 4)))


class Stuck(Ready):
    def __init__(self) -> None:
        super().__init__(lambda z: 0 * z + 61)


@pytest.mark.parametrize(("component", "message"), [(Ready, "ends in a sigmoid"), (Stuck, "same number, 61 years")])
def test_every_step_stops_with_one_sentence_and_exit_code_3(
    cohort: Path, tmp_path: Path, toy_plugin: Any, run: Callable[..., Any], component: type, message: str
) -> None:
    toy_plugin.offer("predictor", "ready", component)
    toy_plugin.offer("explainer", "watching", Watching)
    for step in ("predict", "fit", "explain"):
        method = () if step == "predict" else ("--method", "watching")
        code, _, said = run(step, cohort, "--predictor", "ready", *method, "--out", tmp_path / step, "--device", "cpu")
        assert code == 3 and message in said and said.startswith("Error: ready: ") and said.count("\n") == 1
        assert not (tmp_path / step).exists()


class Dead(Ending):
    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        return nn.Sequential(super().build(shape), nn.Threshold(1e9, 0.0))


def test_a_network_that_ends_up_with_one_number_for_everybody_is_refused_after_training(
    cohort: Path, tmp_path: Path, toy_plugin: Any
) -> None:
    toy_plugin.offer("predictor", "dead", Dead)
    with pytest.raises(InputError, match=r"Dead, trained: predicts the same number, .* for 2 different"):
        train(cohort, tmp_path / "model", predictor="dead", **QUICK)
    assert not (tmp_path / "model" / "model.json").exists()


class Ranged(Ready):
    def __init__(self) -> None:
        super().__init__(lambda z: 100 * z.sigmoid())


def test_a_range_that_may_be_meant_is_a_warning_in_the_record_of_the_prediction(
    cohort: Path, tmp_path: Path, toy_plugin: Any
) -> None:
    toy_plugin.offer("predictor", "ranged", Ranged)
    summary = predict(cohort, "ranged", tmp_path / "out.tsv", device="cpu")
    assert summary["warnings"] == [
        "ranged: the output ends in a sigmoid: where it saturates, maps are flat. If this is not intended, remove it."
    ]


def test_who_cannot_be_read_is_no_reason_to_stop(cohort: Path, tmp_path: Path, toy_plugin: Any) -> None:
    toy_plugin.offer("predictor", "ranged", Ranged)
    toy_plugin.offer("explainer", "still", Still)
    table = tmp_path / "broken.tsv"
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    table.write_text(f"participant_id\timage\nsub-00\tbad.nii.gz\nsub-01\t{cohort / '03.nii.gz'}\n")
    with pytest.raises(SubjectsFailed, match="1 of 2 subjects failed"):
        explain(table, "ranged", tmp_path / "maps", method="still", split=None, device="cpu")
