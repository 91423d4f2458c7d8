"""Every step tries a predictor that is not on record as tried, and says where nothing was learned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench import (
    Explainer,
    NetworkPredictor,
    Predictor,
    Recipe,
    aggregate,
    benchmark,
    explain,
    fit,
    predict,
    save_predictor,
    train,
)
from interpbench.errors import InputError, InterpbenchError
from interpbench.predictor.model import doubts_of, no_better

SHAPE = (10, 12, 8)
RECIPE = {"shape": SHAPE, "voxel_size": 4.0}


@pytest.fixture(scope="module")
def cohort(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_cohort(tmp_path_factory.mktemp("people"), 5)


class Still(Explainer):
    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        return volumes[:, 0].abs()


class Learner(Still):
    learned = True


@dataclass(frozen=True, kw_only=True)
class Plain(NetworkPredictor):
    """A network of a plugin; a subclass changes its features."""

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Conv3d(1, 4, 3, stride=2), self.middle(), nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(4, 1)
        )

    def middle(self) -> nn.Module:
        return nn.ReLU()


class AlwaysDropped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5)


class Dropped(Plain):
    def middle(self) -> nn.Module:
        return AlwaysDropped()


class OfTheBatch(Plain):
    def middle(self) -> nn.Module:
        return nn.Sequential(nn.BatchNorm3d(4, track_running_stats=False), nn.ReLU())


BAD = [(Dropped, "changes from pass to pass"), (OfTheBatch, "depends on the other volumes in the batch")]


@pytest.mark.parametrize(("component", "message"), BAD)
def test_a_network_is_refused_before_it_is_trained(
    cohort: Path, tmp_path: Path, toy_plugin: Any, component: type, message: str
) -> None:
    toy_plugin.offer("predictor", "bad", component)
    with pytest.raises(InputError, match=f"^{component.__name__}: .*{message}"):
        train(cohort, tmp_path / "model", predictor="bad", recipe={"shape": SHAPE}, epochs=1, device="cpu")
    assert not (tmp_path / "model" / "training.tsv").exists()


@pytest.mark.parametrize(("component", "message"), BAD)
def test_a_model_whose_record_knows_of_no_trial_is_tried_by_every_step(
    cohort: Path, tmp_path: Path, toy_plugin: Any, component: type, message: str
) -> None:
    toy_plugin.offer("predictor", "bad", component)
    toy_plugin.offer("explainer", "learner", Learner)
    blank = component()
    save_predictor(tmp_path / "old", blank.loaded(blank.build(SHAPE), Recipe(**RECIPE)), name="bad", details={})
    common = {"device": "cpu"}
    for step in (
        lambda out: predict(cohort, tmp_path / "old", out, **common),
        lambda out: explain(cohort, tmp_path / "old", out, method="saliency", split=None, **common),
        lambda out: fit(cohort, tmp_path / "old", out, method="learner", **common),
        lambda out: benchmark(cohort, tmp_path / "old", out, methods=["saliency"], split=None, **common),
    ):
        with pytest.raises(InputError, match=rf"{message}.* `interpbench adopt --accept"):
            step(tmp_path / "out")
        assert not (tmp_path / "out").exists()


class Ready(Predictor):
    """A predictor by name, without a folder: alone it answers another than in a batch."""

    def __init__(self) -> None:
        self.recipe = Recipe(**RECIPE)

    @property
    def module(self) -> nn.Module:
        return nn.Identity()

    def predict(self, volumes: Tensor) -> Tensor:
        means = volumes.square().mean((1, 2, 3, 4))
        return means / means.sum() + means


def test_a_predictor_by_name_is_tried_at_use(cohort: Path, tmp_path: Path, toy_plugin: Any) -> None:
    toy_plugin.offer("predictor", "ready", Ready)
    with pytest.raises(InputError, match=r"^ready: .* in the batch, .* Use fixed statistics") as caught:
        predict(cohort, "ready", tmp_path / "p.tsv", device="cpu")
    assert "--accept" not in str(caught.value)


def regressor(mae: float, interval: list[float] | None, mean: float | None) -> dict[str, Any]:
    return {"n": 20, "mae": mae, "mae_interval": interval, "mean_predictor_mae": mean}


def classifier(accuracy: float, interval: list[float], majority: float | None) -> dict[str, Any]:
    return {
        "n": 20,
        "accuracy": accuracy,
        "accuracy_interval": interval,
        "majority_accuracy": majority,
        "majority_class": None if majority is None else "old",
    }


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (regressor(5.0, [4.0, 6.0], 9.0), None),
        (
            regressor(5.0, [4.0, 9.5], 9.0),
            "may be no better than predicting the mean: mean absolute error 5.00 years (95",
        ),
        (
            regressor(9.5, [8.0, 11.0], 9.0),
            "is no better than predicting the mean: mean absolute error 9.50 years (95 %",
        ),
        (
            regressor(5.0, None, 9.0),
            "may be no better than predicting the mean: mean absolute error 5.00 years against",
        ),
        (regressor(5.0, [4.0, 6.0], None), None),
        (classifier(0.9, [0.7, 0.97], 0.6), None),
        (
            classifier(0.7, [0.5, 0.85], 0.6),
            "may be no better than predicting the majority class 'old': accuracy 0.700",
        ),
        (classifier(0.6, [0.4, 0.78], 0.6), "is no better than predicting the majority class 'old': accuracy 0.600"),
        (classifier(0.6, [0.4, 0.78], None), None),
        ({"n": 3}, None),
        ({"mae": "x", "mean_predictor_mae": 1}, None),
        ({"mae": True, "mean_predictor_mae": 1}, None),
        ({"mae": 1, "mean_predictor_mae": 10**400}, None),
    ],
)
def test_a_predictor_that_may_have_learned_nothing_is_a_doubt(figures: dict[str, Any], said: str | None) -> None:
    found = no_better(figures, "years")
    assert (found is None) if said is None else (found is not None and said in found)
    told = doubts_of({"unit": "years", "metrics": {"test": figures}, "warnings": ["one", "one", 3]})
    assert told == (("one",) if said is None else ("one", found))


@pytest.mark.parametrize("record", [{}, {"warnings": 3, "metrics": 4}, {"metrics": {"test": None}}, {"metrics": {}}])
def test_a_record_that_says_nothing_has_no_doubt(record: dict[str, Any]) -> None:
    assert doubts_of(record) == ()


def poor_model(folder: Path) -> str:
    """A model that is no better than the mean; returns what is to be said of it."""
    blank = Plain()
    metrics = {"test": regressor(9.5, [8.0, 11.0], 9.0)}
    recipe = Recipe(**RECIPE, centre=(0.0, -4.0, 8.0))
    predictor = blank.loaded(blank.build(SHAPE), recipe)
    (doubt,) = doubts_of(save_predictor(folder, predictor, name="plain", details={"metrics": metrics}))
    return doubt


@pytest.mark.slow
def test_no_better_than_the_mean_is_said_by_every_step(
    cohort: Path, tmp_path: Path, toy_plugin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    toy_plugin.offer("predictor", "plain", Plain)
    toy_plugin.offer("explainer", "still", Still)
    doubt = poor_model(tmp_path / "model")
    maps = explain(cohort, tmp_path / "model", tmp_path / "maps", method="still", split=None, device="cpu")
    assert doubt in caplog.text
    for path in maps:
        assert doubt in json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())["warnings"]
    assert aggregate(tmp_path / "maps", tmp_path / "population")["warnings"][0] == doubt
    found = benchmark(
        cohort,
        tmp_path / "model",
        tmp_path / "bench",
        methods=["still"],
        measures=["complexity"],
        split=None,
        floors=False,
        blur=0.0,
        device="cpu",
        processes=1,
    )
    assert found["warnings"][0] == doubt
    assert "no better than predicting the mean" in (tmp_path / "bench" / "index.html").read_text()


def test_training_says_that_nothing_was_learned(
    make_toy_cohort: Callable[..., Path], tmp_path: Path, toy_plugin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    toy_plugin.offer("predictor", "plain", Plain)
    (tmp_path / "people").mkdir()
    people = make_toy_cohort(tmp_path / "people", 20)
    settings = {"epochs": 1, "device": "cpu", "learning_rate": 1e-9, "recipe": {"shape": SHAPE}}
    record = train(people, tmp_path / "model", predictor="plain", **settings)
    doubt = next(one for one in doubts_of(record) if "no better than predicting the mean" in one)
    assert doubt in caplog.text
    assert record["trial"]["volumes"] == "training subjects" and record["trial"]["repeat_difference"] == 0


def test_the_layer_that_gradcam_took_stands_in_the_sidecar(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    asked = {"participants": ["01"], "device": "cpu"}
    (path,) = explain(toy_cohort, toy_model, tmp_path / "chosen", method="gradcam", **asked)
    assert json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())["details"] == {"layer": "layer2"}
    (path,) = explain(toy_cohort, toy_model, tmp_path / "named", method="gradcam", options={"layer": "layer1"}, **asked)
    assert json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())["details"] == {"layer": "layer1"}
    (path,) = explain(toy_cohort, toy_model, tmp_path / "plain", method="saliency", **asked)
    assert "details" not in json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())


class Undescribed(Still):
    def describe(self, predictor: Predictor, volumes: Tensor) -> Any:
        return {"layer": float("nan")}


def test_what_a_method_says_of_itself_must_be_json(
    cohort: Path, tmp_path: Path, toy_plugin: Any, toy_model: Path
) -> None:
    toy_plugin.offer("explainer", "undescribed", Undescribed)
    with pytest.raises(InterpbenchError, match="'undescribed' must describe itself with JSON values"):
        explain(cohort, toy_model, tmp_path / "maps", method="undescribed", split=None, device="cpu")
