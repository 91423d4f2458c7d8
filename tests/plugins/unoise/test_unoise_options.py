"""Every option, alone and together: what is allowed trains, what is refused is refused in one line."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from typing import Any

import pytest
import torch

from interpbench import Sample, UsageError
from interpbench.errors import InterpbenchError
from interpbench.options import options_json, typed_options
from interpbench.testing import ToyPredictor
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.noise import NOISE_FORMS
from interpbench_unoise.objective import ESTIMATORS

REFUSED = [
    ({"v_min": -0.1}, "v_min of UNoise must be at least 0, got -0.1."),
    ({"v_min": math.nan}, "v_min of UNoise must be at least 0, got nan."),
    ({"v_min": math.inf}, "v_min of UNoise must be a finite number, got inf."),
    ({"v_max": 0.0}, "v_max of UNoise must be above 0, got 0.0."),
    ({"v_max": math.inf}, "v_max of UNoise must be a finite number, got inf."),
    ({"v_min": 1.0, "v_max": 1.0}, "v_max must be above v_min (1), got 1."),
    ({"v_min": 2.5, "v_max": 1.0}, "v_max must be above v_min (2.5), got 1."),
    ({"v_min": 1.0}, "v_max must be above v_min (1), got 1."),
    ({"r": 0.0}, "r of UNoise must be above 0, got 0.0."),
    ({"r": -3.0}, "r of UNoise must be above 0, got -3.0."),
    ({"r": math.inf}, "r of UNoise must be a finite number, got inf."),
    ({"noise_form": "eq1"}, "noise_form of UNoise must be one of scaled, equation1, got 'eq1'."),
    ({"penalty_over": "head"}, "penalty_over of UNoise must be one of brain, volume, got 'head'."),
    ({"target": "age"}, "target of UNoise must be one of label, prediction, got 'age'."),
    (
        {"estimator": "Paper"},
        "estimator of UNoise must be one of recalibrated, antithetic, paper, got 'Paper'.",
    ),
    ({"channels": 0}, "channels of UNoise must be at least 1, got 0."),
    ({"blocks": 0}, "blocks of UNoise must be at least 1, got 0."),
    ({"blocks": 8}, "blocks of UNoise must be at most 7, got 8."),
    ({"start": 0.0}, "start of UNoise must be above 0, got 0.0."),
    ({"start": 0.995}, "start of UNoise must be at most 0.99, got 0.995."),
    ({"pretrain_epochs": -1}, "pretrain_epochs of UNoise must be at least 0, got -1."),
    ({"epochs": 0}, "epochs of UNoise must be at least 1, got 0."),
    ({"batch_size": 0}, "batch_size of UNoise must be at least 1, got 0."),
    ({"learning_rate": 0.0}, "learning_rate of UNoise must be above 0, got 0.0."),
    ({"learning_rate": math.inf}, "learning_rate of UNoise must be a finite number, got inf."),
    ({"schedule": "cosine"}, "schedule of UNoise must be one of step, onecycle, got 'cosine'."),
    ({"milestones_every": 0}, "milestones_every of UNoise must be at least 1, got 0."),
    ({"patience": -1}, "patience of UNoise must be at least 0, got -1."),
    ({"clip": -1.0}, "clip of UNoise must be at least 0, got -1.0."),
    ({"precision": "float16"}, "precision of UNoise must be one of float32, bfloat16, got 'float16'."),
]

ALLOWED = [
    {"v_min": 0.999, "v_max": 1.0},
    {"v_min": 0.0, "v_max": 1e-6},
    {"r": 1e-12},
    {"start": 0.99},
    {"blocks": 7, "channels": 1},
    {"clip": 0.0, "patience": 0, "pretrain_epochs": 0},
    {"epochs": 1, "batch_size": 1, "milestones_every": 1},
    {"seed": -1},
]

MISREAD = [
    ("r", "much", "r of UNoise must be a number, got 'much'."),
    ("epochs", "1.5", "epochs of UNoise must be an integer, got '1.5'."),
    ("channels", "none", "channels of UNoise must be an integer, got 'none'."),
    ("seed", "a", "seed of UNoise must be an integer, got 'a'."),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=[message[:60] for _, message in REFUSED])
def test_what_cannot_be_is_refused_in_one_line_that_names_it(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        UNoise(**values)
    assert str(refused.value) == message and refused.value.exit_code == 2


@pytest.mark.parametrize("values", ALLOWED, ids=str)
def test_the_ends_of_every_range_are_allowed(values: dict[str, Any]) -> None:
    made = UNoise(**values)
    assert {name: getattr(made, name) for name in values} == values


@pytest.mark.parametrize(("name", "text", "message"), MISREAD)
def test_text_that_is_no_such_value_is_refused_by_name(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        typed_options(UNoise, {name: text})
    assert str(refused.value) == message


def test_an_option_that_is_misspelled_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"UNoise has no option 'vmax'\. Did you mean 'v_max'"):
        typed_options(UNoise, {"vmax": "3"})


@pytest.mark.parametrize("preset", [None, *UNoise.presets])
def test_options_of_every_preset_come_back_from_json_and_from_text(preset: str | None) -> None:
    made = UNoise(**(UNoise.presets[preset] if preset else {}))
    stored = json.loads(json.dumps(options_json(made)))
    assert UNoise(**typed_options(UNoise, stored)) == made
    words = {name: str(value) for name, value in stored.items()}
    assert UNoise(**typed_options(UNoise, words)) == made


def test_a_preset_says_only_what_there_is_to_say_and_can_be_overruled() -> None:
    names = {field.name for field in dataclasses.fields(UNoise)}
    for preset in UNoise.presets.values():
        assert preset.keys() <= names
    assert UNoise(**{**UNoise.presets["paper"], "r": 3.0}).r == 3.0


@pytest.mark.parametrize(
    ("estimator", "form", "over", "target"),
    list(itertools.product(ESTIMATORS, NOISE_FORMS, ("brain", "volume"), ("label", "prediction"))),
)
def test_every_combination_that_is_allowed_learns_and_explains(
    tiny: UNoise,
    reader: ToyPredictor,
    people: list[Sample],
    estimator: str,
    form: str,
    over: str,
    target: str,
) -> None:
    changes = {"estimator": estimator, "noise_form": form, "penalty_over": over, "target": target, "epochs": 1}
    method = dataclasses.replace(tiny, pretrain_epochs=0, **changes)
    aim = method.objective
    assert (aim.estimator, aim.noise.form, aim.penalty_over, aim.r) == (estimator, form, over, 2.0)
    fitted = method.fit(reader, people[:8], people[8:])
    (row,) = fitted.record["curves"]["noise_model"]
    assert row["validation_loss"] == pytest.approx(row["validation_error"] + 2.0 * row["validation_penalty"])
    map = fitted.explain(reader, people[9].volume[None])[0]
    inside = map[people[9].brain]
    assert float(inside.min()) > 0 and float(inside.max()) < 1 and not map[~people[9].brain].any()


@pytest.mark.parametrize("changes", [{"schedule": "step"}, {"precision": "bfloat16"}, {"clip": 0.5}, {"patience": 1}])
def test_how_it_is_trained_can_be_chosen(
    tiny: UNoise, reader: ToyPredictor, people: list[Sample], changes: dict[str, Any]
) -> None:
    plain, other = (one.fit(reader, people[:8], people[8:]) for one in (tiny, dataclasses.replace(tiny, **changes)))
    maps = [one.explain(reader, people[9].volume[None]) for one in (plain, other)]
    assert bool(maps[1].isfinite().all())
    if "patience" not in changes:  # which changes nothing as long as the loss falls
        assert not torch.equal(*maps)


@pytest.mark.parametrize(("classes", "words"), [((), "has an age"), (("F", "M"), "has a class")])
def test_a_cohort_in_which_nobody_has_a_target_is_refused_in_one_line(
    tiny: UNoise,
    reader: ToyPredictor,
    people: list[Sample],
    monkeypatch: pytest.MonkeyPatch,
    classes: tuple,
    words: str,
) -> None:
    monkeypatch.setattr(reader, "classes", classes, raising=False)
    nobody = [dataclasses.replace(one, target=math.nan) for one in people]
    with pytest.raises(InterpbenchError) as refused:
        tiny.fit(reader, nobody, people)
    assert str(refused.value) == f"No training subject {words}: use target=prediction, which needs none."
    assert refused.value.exit_code == 3


def test_before_it_is_fitted_it_has_nothing_to_explain_with(tiny: UNoise, reader: ToyPredictor) -> None:
    with pytest.raises(UsageError) as refused:
        tiny.explain(reader, torch.zeros(1, 1, *reader.recipe.shape))
    assert str(refused.value) == "unoise must be fitted to a predictor before it can explain."
    assert tiny.state() == {} and tiny.record == {}
