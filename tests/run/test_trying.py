"""What a trial finds is refused at the door, or goes with every result; so does that nothing was learned."""

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
    adopt,
    aggregate,
    benchmark,
    explain,
    fit,
    load_predictor,
    predict,
    save_predictor,
    train,
)
from interpbench.errors import InputError, InterpbenchError, SubjectsFailed, UsageError
from interpbench.predictor.model import doubts_of, no_better, read_model_record

SHAPE = (10, 12, 8)
RECIPE = {"shape": SHAPE, "voxel_size": 4.0}
SOURCE = """
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Sound(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(1, 4, 3, stride=2)
            self.act = nn.ReLU()
            self.head = nn.Linear(4, 1)

        def forward(self, x):
            return self.head(self.features(self.act(self.conv(x))).amax((2, 3, 4)))

        def features(self, z):
            return z

    class Chance(Sound):
        def features(self, z):
            return F.dropout(z, 0.5)

    class Batch(Sound):
        def features(self, z):
            return z - 0.5 * z.mean(0, keepdim=True)

    class Gradient(Sound):
        def features(self, z):
            return z.detach()

    class Constant(Sound):
        def forward(self, x):
            return 0 * super().forward(x) + 50

    class Stuck(Sound):
        def forward(self, x):
            return F.relu(-super().forward(x).abs() - 1)

    class Clamped(Sound):
        def forward(self, x):
            return (400 * super().forward(x)).clamp(45, 80)

    class Two(Sound):
        def forward(self, x, sex):
            return super().forward(x) + sex

    class Optional(Sound):
        def forward(self, x, sex=None, **more):
            return super().forward(x)

    class Channels(Sound):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(2, 4, 3)

    class Pair(Sound):
        def forward(self, x):
            y = super().forward(x)
            return y, -y
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A user's networks, importable as `tried_network`, and the weights of each."""
    import importlib
    import textwrap

    folder = tmp_path_factory.mktemp("own")
    (folder / "tried_network.py").write_text(textwrap.dedent(SOURCE))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        module = importlib.import_module("tried_network")
        for name in ("Sound", "Channels"):
            torch.manual_seed(3)
            torch.save(getattr(module, name)().state_dict(), folder / f"{name}.pt")
        yield folder


@pytest.fixture(scope="module")
def cohort(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_cohort(tmp_path_factory.mktemp("people"), 5)


def adopted(own: Path, out: Path, name: str, **settings: Any) -> dict[str, Any]:
    weights = own / ("Channels.pt" if name == "Channels" else "Sound.pt")
    return adopt(f"tried_network:{name}", weights, out, **{"recipe": RECIPE, **settings})


REFUSED = {
    "Chance": "its prediction for the same volume changes from pass to pass",
    "Batch": "depends on the other volumes in the batch",
    "Gradient": "the gradient of its prediction with respect to the volume does not exist",
    "Constant": "it makes the same prediction, 50.0 years for each of 6 made-up volumes",
    "Stuck": "6 of 6 predictions of made-up volumes are exactly 0.0 years: the network ends in a ReLU at its floor",
}


@pytest.mark.parametrize("name", REFUSED)
def test_adopt_refuses_what_its_trial_finds_unless_that_is_accepted(
    own: Path, tmp_path: Path, run: Callable[..., Any], name: str
) -> None:
    words = (
        "adopt",
        f"tried_network:{name}",
        own / "Sound.pt",
        "--out",
        tmp_path / "model",
        "--voxel-size",
        4,
        "--shape",
        "10x12x8",
    )
    code, _, said = run(*words)
    assert (code, said.count("\n")) == (3, 1) and REFUSED[name] in said
    assert f"`--accept {name.lower()}`" in said and not (tmp_path / "model").exists()
    code, _, said = run(*words, "--accept", name.lower())
    assert code == 0 and said.startswith("WARNING: ") and REFUSED[name] in said
    record = read_model_record(tmp_path / "model")
    assert record["trial"]["accepted"] == [name.lower()] and record["trial"]["found"] == [name.lower()]
    (sentence,) = doubts_of(record)
    assert REFUSED[name] in sentence


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Two", r"tried_network:Two needs 2 inputs \(x, sex\), but a predictor gets only the volume"),
        ("Channels", r"first convolution, 'conv', is a Conv3d of 2 input channels"),
        ("Pair", r"returns 2 outputs .* -o column=N \(column 0 is output 0"),
    ],
)
def test_what_takes_or_gives_more_than_one_is_refused(own: Path, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        adopted(own, tmp_path / "model", name)
    assert "\n" not in str(caught.value) and not (tmp_path / "model").exists()


def test_a_sound_network_has_its_trial_on_record_and_no_doubt(own: Path, tmp_path: Path) -> None:
    for name, options in (("Sound", {}), ("Optional", {}), ("Pair", {"column": 1})):
        record = adopted(own, tmp_path / name, name, options=options)
        assert record["trial"]["found"] == [] and record["trial"]["largest_gradient"] > 0
        assert record["warnings"] == [] and doubts_of(record) == ()
        assert record["options"]["column"] == options.get("column")


def test_what_can_be_accepted_is_named(own: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"chance, batch, gradient, constant, stuck, got 'bach'. Did you mean 'batch'"):
        adopted(own, tmp_path / "model", "Sound", accept=["bach"])


class Still(Explainer):
    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        return volumes[:, 0].abs()


class Learner(Still):
    learned = True


def test_what_was_accepted_goes_with_every_result(
    own: Path, cohort: Path, tmp_path: Path, toy_plugin: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_plugin.offer("explainer", "still", Still)
    model, drawn = tmp_path / "model", []
    (doubt,) = adopted(own, model, "Batch", accept=["batch"])["warnings"]
    words = ("--predictor", model, "--method", "still", "--out", tmp_path / "maps", "--split", "all", "--device", "cpu")
    code, _, said = run("explain", cohort, *words)
    assert code == 0 and said.count(doubt) == 1
    sidecars = [json.loads(path.read_text()) for path in (tmp_path / "maps").glob("sub-*/*.json")]
    assert len(sidecars) == 5 and all(one["predictor_warnings"] == [doubt] for one in sidecars)
    assert all(doubt in one["warnings"] for one in sidecars)
    assert predict(cohort, model, tmp_path / "p.tsv", device="cpu")["warnings"] == [doubt]
    import interpbench.report.pictures as pictures

    real = pictures.six_slices
    monkeypatch.setattr(pictures, "six_slices", lambda *given, **named: drawn.append(named) or real(*given, **named))
    recipe = {**RECIPE, "centre": (0.0, -4.0, 8.0)}
    adopted(own, tmp_path / "placed", "Batch", accept=["batch"], recipe=recipe)
    explain(cohort, tmp_path / "placed", tmp_path / "there", method="still", split=None, device="cpu")
    summary = aggregate(tmp_path / "there", tmp_path / "population")
    assert [one for one in summary["warnings"] if doubt in one] == [doubt]
    assert drawn[0]["doubt"] == doubt


@pytest.mark.slow
def test_predictions_at_the_clamp_are_counted_wherever_they_are_made(
    own: Path, cohort: Path, tmp_path: Path, run: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "model"
    record = adopted(own, model, "Clamped")
    assert "years: the network ends in a clamp at its" in record["warnings"][0]
    predicted = predict(cohort, model, tmp_path / "p.tsv", device="cpu")
    values = [float(line.split("\t")[2]) for line in (tmp_path / "p.tsv").read_text().splitlines()[1:]]
    most = max(values.count(45.0), values.count(80.0))
    assert most >= 2
    value = 45.0 if values.count(45.0) == most else 80.0
    said = f"{most} of 5 predictions are exactly {value} years: the network ends in"
    assert any(said in one for one in predicted["warnings"])
    caplog.clear()
    held = values.count(45.0) + values.count(80.0)
    try:
        explain(cohort, model, tmp_path / "maps", method="saliency", split=None, device="cpu")
    except InterpbenchError as error:  # whose prediction is held has a map of zeros
        failed = error
    assert said in caplog.text
    assert held == 5 or isinstance(failed, SubjectsFailed)
    assert caplog.text.count("where gradients are zero).") >= held
    kept = tmp_path / "check.json"
    code, _, told = run("check", cohort, "--predictor", model, "--json", kept)
    assert code == 0 and said in told
    assert any(said in one for one in json.loads(kept.read_text())["predictor_warnings"])


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


def test_a_record_from_before_columns_were_asked_for_predicts_as_it_did(own: Path, tmp_path: Path) -> None:
    """Its options say column 0, which then was the first of all, and was no choice."""
    adopted(own, tmp_path / "model", "Pair", options={"column": 0})
    volumes = torch.randn(2, 1, *SHAPE)
    found = load_predictor(tmp_path / "model")
    torch.testing.assert_close(found.predict(volumes), found.module(volumes)[0][:, 0])
