"""The noise floor and the diagnostics a second way: from closed forms, and from numpy over the same masks."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from interpbench import Sample
from interpbench.testing import ToyPredictor, linear_predictor, toy_brain, toy_brains
from interpbench_unoise import diagnostics
from interpbench_unoise.diagnostics import diagnose, noise_floor
from interpbench_unoise.noise import Noise
from interpbench_unoise.training import Objective, noisy_predictions
from interpbench_unoise.unet import UNet

SHAPE = (5, 6, 4)
ERRORS = 5.0  # standard errors that a mean may lie off


def straight(seed: int = 0) -> ToyPredictor:
    return linear_predictor(0.4 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)))


def subjects(predictor: ToyPredictor, number: int, error: float = 0.0) -> list[Sample]:
    """Of whom the prediction lies `error` too high."""
    volumes, brain = toy_brains(number, SHAPE, seed=2), toy_brain(SHAPE)
    ages = (predictor.predict(volumes).double() - error).tolist()
    return [
        Sample(f"{place}", volume, brain, age) for place, (volume, age) in enumerate(zip(volumes, ages, strict=True))
    ]


def floor_of(predictor: ToyPredictor, samples: list[Sample], aim: Objective, batch_size: int = 64) -> dict[str, float]:
    return noise_floor(predictor, samples, aim, device=torch.device("cpu"), batch_size=batch_size)


def found(network: UNet, predictor: ToyPredictor, samples: list[Sample], aim: Objective, **sizes: int) -> dict:
    few = {"batch_size": 8, **sizes}
    return diagnose(network, predictor, samples, samples, aim, device=torch.device("cpu"), precision="float32", **few)


@pytest.mark.parametrize("over", ["brain", "volume"])
@pytest.mark.parametrize("form", ["scaled", "equation1"])
def test_the_noise_floor_of_a_straight_predictor_is_the_mean_of_a_folded_normal_distribution(
    aim_of: Callable[..., Objective], form: str, over: str
) -> None:
    """|m + s z| has the mean s sqrt(2 / pi) exp(-m^2 / 2 s^2) + m erf(m / s sqrt 2)."""
    predictor, number = straight(), 2000
    noise, samples = Noise(0.5, 2.0, form), subjects(straight(), number)
    floor = floor_of(predictor, samples, aim_of(noise=noise, penalty_over=over))
    weights = predictor.truth * (toy_brain(SHAPE) if over == "brain" else 1)
    signed = predictor.module.get_parameter("network.readout.weight").reshape(SHAPE) * (weights > 0)
    m = float(noise.shift * signed.sum())
    for mask, name in ((0.0, "mae_at_0"), (1.0, "mae_at_1")):
        s = float(noise.sigma(torch.tensor(mask)) * weights.norm())
        if s == 0:
            assert floor[name] == pytest.approx(abs(m), rel=1e-4)
            continue
        expected = s * math.sqrt(2 / math.pi) * math.exp(-(m**2) / (2 * s**2)) + m * math.erf(m / (s * math.sqrt(2)))
        spread = math.sqrt(m**2 + s**2 - expected**2)
        assert floor[name] == pytest.approx(expected, abs=ERRORS * spread / math.sqrt(number))
    assert floor["clean_mae"] < 1e-4 and floor["n"] == number


def test_the_clean_error_and_that_of_predicting_the_mean_are_numpy_s(aim_of: Callable[..., Objective]) -> None:
    predictor = straight()
    samples = subjects(predictor, 15, error=3.0)
    floor = floor_of(predictor, samples, aim_of(), batch_size=4)
    ages = np.array([one.target for one in samples])
    assert floor["clean_mae"] == pytest.approx(3.0, rel=1e-4)
    assert floor["mean_predictor_mae"] == pytest.approx(np.abs(ages - ages.mean()).mean(), rel=1e-5)
    assert floor["mae_at_0"] == pytest.approx(floor["clean_mae"], rel=1e-5)  # v_min is 0: no noise there


def test_the_floor_is_the_same_at_every_call_and_without_noise_in_any_batch(
    aim_of: Callable[..., Objective],
) -> None:
    predictor = straight()
    samples, aim = subjects(predictor, 7), aim_of(noise=Noise(0.5, 2.0))
    first, second, alone = (floor_of(predictor, samples, aim, size) for size in (7, 7, 1))
    assert first == second
    for name in ("clean_mae", "mean_predictor_mae", "n"):
        assert alone[name] == pytest.approx(first[name], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("mask", [0.005, 0.3, 0.995])
def test_a_mask_that_is_one_number_is_described_by_it(
    flat_net: Callable[[float], UNet], aim_of: Callable[..., Objective], mask: float
) -> None:
    predictor, noise = straight(), Noise(0.5, 2.0)
    after = found(flat_net(mask), predictor, subjects(predictor, 10), aim_of(noise=noise))
    assert after["mask_mean"] == pytest.approx(mask, rel=1e-4) and after["mask_sd"] < 1e-4
    assert after["share_below_0.01"] == (mask < 0.01) and after["share_above_0.99"] == (mask > 0.99)
    assert after["mean_log10_sigma"] == pytest.approx(math.log10(0.5 + 1.5 * mask), rel=1e-4)
    assert after["penalty"] == pytest.approx(-math.log(mask), rel=1e-4)
    assert after["map_correlation"] is None and after["n"] == 10


def test_a_mask_of_0_without_a_least_noise_still_has_a_logarithm(
    flat_net: Callable[[float], UNet], aim_of: Callable[..., Objective]
) -> None:
    network, predictor = flat_net(0.5), straight()
    torch.nn.init.constant_(network.last.bias, -200.0)
    after = found(network, predictor, subjects(predictor, 3), aim_of())
    assert after["mean_log10_sigma"] == pytest.approx(-12.0) and after["penalty"] == pytest.approx(200.0)
    json.dumps(after, allow_nan=False)


def test_what_is_said_of_masks_is_numpy_s_over_the_same_masks(
    small_net: Callable[..., UNet], aim_of: Callable[..., Objective]
) -> None:
    network, predictor, noise = small_net(3).eval(), straight(), Noise(0.2, 1.2)
    samples = subjects(predictor, 9)
    torch.nn.init.normal_(network.last.weight, std=3.0, generator=torch.Generator().manual_seed(0))
    after = found(network, predictor, samples, aim_of(noise=noise))
    with torch.no_grad():
        masks = torch.sigmoid(network(torch.stack([one.volume for one in samples])))[:, 0].double().numpy()
    inside = masks[:, toy_brain(SHAPE).numpy()]
    assert after["mask_mean"] == pytest.approx(inside.mean(), rel=1e-4)
    assert after["mask_sd"] == pytest.approx(math.sqrt(inside.var(axis=1, ddof=1).mean()), rel=1e-4)
    assert after["share_below_0.01"] == pytest.approx((inside < 0.01).mean())
    assert after["share_above_0.99"] == pytest.approx((inside > 0.99).mean())
    assert after["mean_log10_sigma"] == pytest.approx(np.log10(0.2 + inside).mean(), rel=1e-4)
    pairs = np.corrcoef(inside)[np.triu_indices(len(samples), 1)]
    assert after["map_correlation"] == pytest.approx(pairs.mean(), rel=1e-3)


def test_errors_raw_and_after_the_line_are_numpy_s_over_the_noisy_predictions(
    flat_net: Callable[[float], UNet], aim_of: Callable[..., Objective]
) -> None:
    network, predictor = flat_net(0.4), straight()
    aim, samples = aim_of(noise=Noise(1.0, 2.0, "equation1")), subjects(straight(), 30, error=2.0)
    after = found(network, predictor, samples, aim)
    noisy, goal, _ = noisy_predictions(network, predictor, samples, aim, device=torch.device("cpu"), batch_size=8)
    straightened = np.polyval(np.polyfit(noisy, goal, 1), noisy)
    assert after["noisy_mae"] == pytest.approx(np.abs(noisy - goal).mean())
    assert after["bias"] == pytest.approx((noisy - goal).mean())
    assert after["recalibrated_mae"] == pytest.approx(np.abs(straightened - goal).mean())


def test_a_shift_of_everybody_costs_nothing_after_the_line(
    flat_net: Callable[[float], UNet], aim_of: Callable[..., Objective]
) -> None:
    """The printed form adds v_min to every voxel, which moves each prediction alike."""
    predictor = linear_predictor(torch.full(SHAPE, 0.3))
    samples = subjects(predictor, 40)
    aim = aim_of(noise=Noise(4.0, 4.001, "equation1"))
    after = found(flat_net(0.5), predictor, samples, aim)
    shift = 4.0 * 0.3 * int(toy_brain(SHAPE).sum())
    assert after["bias"] == pytest.approx(shift, rel=1e-3)
    assert after["noisy_mae"] == pytest.approx(shift, rel=1e-3)
    assert after["recalibrated_mae"] < 1e-2 * shift


def test_the_line_is_fitted_to_the_first_of_the_training_subjects_only(
    flat_net: Callable[[float], UNet], aim_of: Callable[..., Objective], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = straight()
    samples = subjects(predictor, 12)
    wild = [dataclasses.replace(one, target=1e6) for one in samples[6:]]
    after = []
    for most in (6, 12):
        monkeypatch.setattr(diagnostics, "LINE_SUBJECTS", most)
        settings = {"device": torch.device("cpu"), "precision": "float32", "batch_size": 4}
        after.append(diagnose(flat_net(0.3), predictor, samples[:6] + wild, samples[:6], aim_of(), **settings))
    assert after[0]["recalibrated_mae"] < 10 and after[1]["recalibrated_mae"] > 1000


def test_only_so_many_maps_are_kept_to_be_compared(
    small_net: Callable[..., UNet], aim_of: Callable[..., Objective], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = straight()
    samples, network = subjects(predictor, 9), small_net(3).eval()
    monkeypatch.setattr(diagnostics, "COMPARED", 4)
    few = found(network, predictor, samples, aim_of())["map_correlation"]
    assert few == pytest.approx(found(network, predictor, samples[:4], aim_of())["map_correlation"], rel=1e-5)
    monkeypatch.setattr(diagnostics, "COMPARED", 1)
    assert found(network, predictor, samples, aim_of())["map_correlation"] is None


def test_maps_are_compared_where_all_have_brain_and_not_at_all_without_such_a_place(
    small_net: Callable[..., UNet], aim_of: Callable[..., Objective]
) -> None:
    predictor, network = straight(), small_net(3).eval()
    halves = [torch.zeros(SHAPE, dtype=torch.bool) for _ in range(2)]
    halves[0][:3], halves[1][2:] = True, True
    samples = [dataclasses.replace(one, brain=half) for one, half in zip(subjects(predictor, 2), halves, strict=True)]
    with torch.no_grad():
        masks = torch.sigmoid(network(torch.stack([one.volume for one in samples])))[:, 0, 2].double().numpy()
    expected = np.corrcoef(masks.reshape(2, -1))[0, 1]
    assert found(network, predictor, samples, aim_of())["map_correlation"] == pytest.approx(expected, rel=1e-3)
    halves[1][2] = False
    assert found(network, predictor, samples, aim_of())["map_correlation"] is None
