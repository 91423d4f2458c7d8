"""Fitting: reproducible, resumable, without a trace on the predictor, and right in its limits."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from interpbench import InputError, Sample, UsageError
from interpbench.testing import ToyPredictor, constant_predictor, cube_predictor, linear_predictor, toy_samples
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.loop import train_by_epochs

SHAPE = (8, 10, 6)
SMALL = UNoise(channels=4, blocks=2, pretrain_epochs=2, epochs=3, batch_size=8, learning_rate=1e-2, r=2.0)


@pytest.fixture(scope="module")
def predictor() -> ToyPredictor:
    return cube_predictor(SHAPE)


@pytest.fixture(scope="module")
def samples(predictor: ToyPredictor) -> list[Sample]:
    return toy_samples(predictor, 40)


def same_state(first: UNoise, second: UNoise) -> bool:
    one, two = first.state(), second.state()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    predictor: ToyPredictor, samples: list[Sample]
) -> None:
    first, again, other = (
        dataclasses.replace(SMALL, seed=seed).fit(predictor, samples[:32], samples[32:]) for seed in (0, 0, 1)
    )
    assert same_state(first, again) and not same_state(first, other)


def test_the_predictor_s_bytes_and_eval_mode_are_as_before(predictor: ToyPredictor, samples: list[Sample]) -> None:
    before = predictor.fingerprint
    SMALL.fit(predictor, samples[:32], samples[32:])
    assert predictor.fingerprint == before and not any(part.training for part in predictor.module.modules())
    assert all(parameter.grad is None for parameter in predictor.module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_fit_that_was_interrupted_goes_on_to_the_same_bytes(
    predictor: ToyPredictor, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    whole = SMALL.fit(predictor, samples[:32], samples[32:])
    saved, calls = torch.save, []

    def save_and_die(*args: object, **kwargs: object) -> None:
        saved(*args, **kwargs)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        SMALL.fit(predictor, samples[:32], samples[32:], workspace=tmp_path)
    monkeypatch.setattr(torch, "save", saved)
    resumed = SMALL.fit(predictor, samples[:32], samples[32:], workspace=tmp_path)
    assert same_state(whole, resumed)
    assert [row["epoch"] for row in resumed.record["curves"]["noise_model"]] == [1, 2, 3]
    assert not list(tmp_path.glob(".*"))


def mean_mask(predictor: ToyPredictor, r: float) -> float:
    samples = toy_samples(predictor, 40)
    options = {"r": r, "epochs": 30, "pretrain_epochs": 0, "patience": 0, "learning_rate": 3e-2}
    fitted = dataclasses.replace(SMALL, **options).fit(predictor, samples[:32], samples[32:])
    brain = samples[0].brain
    return 1 - float(fitted.explain(predictor, samples[33].volume[None])[0][brain].mean())


@pytest.mark.slow
def test_without_a_reward_for_noise_the_mask_goes_to_0_and_with_an_endless_one_to_1() -> None:
    everywhere = linear_predictor(torch.full(SHAPE, 0.5))
    assert mean_mask(everywhere, 1e-9) < 0.05
    assert mean_mask(everywhere, 1e9) > 0.95


def test_importance_is_1_minus_b_inside_the_brain_and_0_outside(predictor: ToyPredictor, samples: list[Sample]) -> None:
    fitted = SMALL.fit(predictor, samples[:32], samples[32:])
    volume, brain = samples[35].volume[None], samples[35].brain
    map = fitted.explain(predictor, volume)[0]
    mask = torch.sigmoid(fitted._network(volume))[0, 0]
    torch.testing.assert_close(map[brain], 1 - mask[brain], rtol=1e-4, atol=1e-6)
    assert not map[~brain].any()


def test_early_stopping_keeps_the_best_epoch() -> None:
    network = torch.nn.Linear(1, 1)
    losses = iter([3.0, 1.0, 2.0, 2.5, 9.0, 9.0])
    seen = []

    def validate() -> dict[str, float]:
        seen.append(network.weight.detach().clone())
        return {"validation_loss": next(losses)}

    samples = toy_samples(cube_predictor(SHAPE), 4)
    curve = train_by_epochs(
        network,
        samples,
        dataclasses.replace(SMALL, patience=2)._schedule(6),
        what="test",
        device=torch.device("cpu"),
        validate=validate,
        step=lambda batch, generator: network(batch.targets[:, None]).mean().backward(),
    )
    assert len(curve) == 4 and torch.equal(network.weight, seen[1])


def test_without_ages_the_prediction_is_the_target_or_the_fit_is_refused(
    predictor: ToyPredictor, samples: list[Sample]
) -> None:
    ageless = [dataclasses.replace(sample, target=math.nan) for sample in samples]
    with pytest.raises(InputError, match="target=prediction"):
        SMALL.fit(predictor, ageless[:32], ageless[32:])
    fitted = dataclasses.replace(SMALL, target="prediction").fit(predictor, ageless[:32], ageless[32:])
    assert math.isfinite(fitted.record["diagnostics"]["recalibrated_mae"])


def test_a_noise_floor_that_ruins_the_prediction_is_told(predictor: ToyPredictor, samples: list[Sample]) -> None:
    loud = dataclasses.replace(SMALL, v_min=20.0, v_max=30.0, epochs=1, pretrain_epochs=0)
    record = loud.fit(predictor, samples[:32], samples[32:]).record
    floor = record["noise_floor"]
    assert floor["mae_at_1"] > floor["mae_at_0"] > 2 * floor["clean_mae"]
    assert any("minimum noise destroys" in sentence for sentence in record["warnings"])


def test_a_predictor_that_reads_nothing_is_told(samples: list[Sample]) -> None:
    record = SMALL.fit(constant_predictor(SHAPE), samples[:32], samples[32:]).record
    assert any("no better than predicting the mean" in sentence for sentence in record["warnings"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"v_min": 2.0, "v_max": 1.0}, "v_max must be above v_min"),
        ({"estimator": "papr"}, "must be one of"),
        ({"r": 0.0}, "must be above 0"),
        ({"blocks": 9}, "at most 7"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        UNoise(**options)


def test_the_preset_paper_is_the_paper_s_setting() -> None:
    paper = UNoise(**UNoise.presets["paper"])
    assert (paper.v_min, paper.v_max, paper.r, paper.epochs, paper.batch_size) == (1.0, 5.0, 0.1, 50, 2)
    assert (paper.learning_rate, paper.schedule, paper.milestones_every) == (1e-4, "step", 10)
    assert (paper.channels, paper.blocks, paper.estimator) == (16, 5, "paper")
