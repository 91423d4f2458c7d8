"""What was learned: stored and read again it gives the same maps; its record is plain and says what is documented."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save, save_file

from interpbench import Sample
from interpbench.testing import ToyPredictor
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.record_keys import RECORD_KEYS


@pytest.fixture(scope="module")
def fitted(tiny: UNoise, reader: ToyPredictor, people: list[Sample]) -> UNoise:
    return tiny.fit(reader, people[:8], people[8:])


@pytest.fixture(scope="module")
def volumes(people: list[Sample]) -> torch.Tensor:
    return torch.stack([one.volume for one in people[8:]])


def keys_of(value: Any, prefix: str = "") -> Iterator[str]:
    """`a.b[].c` for each plain value of a record."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from keys_of(inner, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for one in value:
            yield from keys_of(one, f"{prefix}[]")
    else:
        yield prefix


def test_through_a_file_and_back_every_byte_and_every_map_is_the_same(
    fitted: UNoise, tiny: UNoise, reader: ToyPredictor, volumes: torch.Tensor, tmp_path: Path
) -> None:
    save_file(fitted.state(), tmp_path / "state.safetensors")
    again = tiny.with_state(load_file(tmp_path / "state.safetensors"))
    for name, values in fitted.state().items():
        assert torch.equal(again.state()[name], values) and values.dtype == torch.float32
    assert torch.equal(again.explain(reader, volumes), fitted.explain(reader, volumes))
    assert save(again.state()) == save(fitted.state())


def test_a_state_is_the_noise_model_alone_without_a_gradient(fitted: UNoise) -> None:
    state = fitted.state()
    assert {name.split(".")[0] for name in state} == {"first", "down", "grow", "up", "last"}
    assert all(values.is_contiguous() and not values.requires_grad for values in state.values())


def test_reading_a_state_draws_no_random_number_and_keeps_the_record(fitted: UNoise, tiny: UNoise) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = tiny.with_record(fitted.record).with_state(load(save(fitted.state())))
    assert torch.equal(before, torch.get_rng_state())
    assert again.record == fitted.record and again == fitted


@pytest.mark.parametrize("changes", [{"channels": 3}, {"blocks": 2}])
def test_a_state_of_another_network_is_refused(fitted: UNoise, tiny: UNoise, changes: dict[str, int]) -> None:
    with pytest.raises(RuntimeError, match="Error"):
        dataclasses.replace(tiny, **changes).with_state(fitted.state())


def test_a_state_without_a_tensor_or_with_one_more_is_refused(fitted: UNoise, tiny: UNoise) -> None:
    state = fitted.state()
    with pytest.raises(RuntimeError, match=r"Missing key.*last\.bias"):
        tiny.with_state({name: values for name, values in state.items() if name != "last.bias"})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*strange"):
        tiny.with_state({**state, "strange": torch.zeros(1)})


def test_a_record_is_plain_json_without_nan(fitted: UNoise) -> None:
    assert json.loads(json.dumps(fitted.record, allow_nan=False)) == fitted.record


@pytest.mark.parametrize("estimator", ["recalibrated", "paper"])
def test_the_keys_of_a_record_are_those_that_are_documented(
    tiny: UNoise, reader: ToyPredictor, people: list[Sample], estimator: str
) -> None:
    method = dataclasses.replace(tiny, estimator=estimator, epochs=1)
    found = set(keys_of(method.fit(reader, people[:8], people[8:]).record))
    assert found - {"training_seconds"} == set(RECORD_KEYS)
    assert all(re.search(r"[a-z`]", words) and not words.endswith(".") for words in RECORD_KEYS.values())


def test_figures_of_a_record_agree_with_each_other(fitted: UNoise) -> None:
    record = fitted.record
    curve, selection = record["curves"]["noise_model"], record["selection"]
    assert selection["error"] == record["diagnostics"]["recalibrated_mae"]
    assert selection["amount"] == record["diagnostics"]["mean_log10_sigma"]
    assert selection["clean_error"] == record["noise_floor"]["clean_mae"]
    assert selection["validation_loss"] == min(row["validation_loss"] for row in curve)
    best = min(curve, key=lambda row: row["validation_loss"])
    assert record["diagnostics"]["penalty"] == pytest.approx(best["validation_penalty"], rel=1e-5)
    assert record["diagnostics"]["noisy_mae"] == pytest.approx(best["noisy_mae"], rel=1e-4)
    assert [row["epoch"] for row in curve] == [1, 2] and record["training_seconds"] >= 0


def test_without_validation_subjects_the_training_subjects_are_measured(
    tiny: UNoise, reader: ToyPredictor, people: list[Sample]
) -> None:
    record = tiny.fit(reader, people[:8], []).record
    assert record["noise_floor"]["n"] == record["diagnostics"]["n"] == 8


def test_without_pretraining_there_is_no_curve_of_it(tiny: UNoise, reader: ToyPredictor, people: list[Sample]) -> None:
    record = dataclasses.replace(tiny, pretrain_epochs=0, epochs=1).fit(reader, people[:8], people[8:]).record
    assert set(record["curves"]) == {"noise_model"}


@pytest.mark.parametrize("start", [0.02, 0.5, 0.9])
def test_a_mask_begins_where_it_is_told(
    tiny: UNoise, reader: ToyPredictor, people: list[Sample], volumes: torch.Tensor, start: float
) -> None:
    """With a learning rate of nothing the first mask is also the last."""
    method = dataclasses.replace(tiny, start=start, learning_rate=1e-30, pretrain_epochs=1, channels=8)
    map = method.fit(reader, people[:8], people[8:]).explain(reader, volumes)
    logits = torch.logit(1 - map[:, people[0].brain].double())
    assert float(logits.mean()) == pytest.approx(math.log(start / (1 - start)), abs=0.3)


def test_a_fit_neither_draws_from_nor_moves_the_global_random_state(
    tiny: UNoise, reader: ToyPredictor, people: list[Sample], fitted: UNoise
) -> None:
    torch.manual_seed(77)
    before = torch.get_rng_state()
    again = tiny.fit(reader, people[:8], people[8:])
    assert torch.equal(before, torch.get_rng_state())
    assert save(again.state()) == save(fitted.state())


def test_a_fit_leaves_method_and_samples_as_they_were(tiny: UNoise, reader: ToyPredictor, people: list[Sample]) -> None:
    before = [(one.volume.clone(), one.brain.clone(), one.target) for one in people]
    other = dataclasses.replace(tiny, epochs=1)
    fitted = other.fit(reader, people[:8], people[8:])
    assert fitted is not other and other.state() == {} and other.record == {}
    for one, (volume, brain, target) in zip(people, before, strict=True):
        assert torch.equal(one.volume, volume) and torch.equal(one.brain, brain) and one.target == target


def test_a_map_does_not_read_the_predictor_once_it_is_learned(
    fitted: UNoise, reader: ToyPredictor, volumes: torch.Tensor
) -> None:
    """So that the test of randomised weights has to fit it again."""
    calls = reader.charge.calls
    fitted.explain(reader, volumes)
    assert reader.charge.calls == calls


def test_the_largest_seed_serves_as_well(
    tiny: UNoise, reader: ToyPredictor, people: list[Sample], fitted: UNoise
) -> None:
    method = dataclasses.replace(tiny, seed=2**63 - 1)
    first, again = (method.fit(reader, people[:8], people[8:]) for _ in range(2))
    assert save(first.state()) == save(again.state()) != save(fitted.state())
