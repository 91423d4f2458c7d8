"""The benchmarks of the noise model's training run, on a toy, and say what they should."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from interpbench.testing import cube_predictor, toy_samples
from interpbench_unoise.noise import Noise
from interpbench_unoise.unet import UNet

STEP = ("--shape", "12x14x10", "--blocks", "2", "--channels", "2", "--width", "2", "--rounds", "2")
AUC = (
    "--subjects",
    "24",
    "--voxel-size",
    "10",
    "--network-option",
    "width=2",
    "--network-option",
    "first_stride=2",
    "--train-option",
    "epochs=1",
    "-o",
    "channels=2",
    "-o",
    "blocks=2",
    "-o",
    "pretrain_epochs=1",
    "-o",
    "epochs=1",
    "--test-subjects",
    "3",
    "--every",
    "2",
    "--plain-every",
    "3",
)


@pytest.fixture(scope="module")
def asked(benchmarks: SimpleNamespace) -> Namespace:
    return benchmarks.noise_step._parser().parse_args(STEP)


def test_the_plain_u_net_is_the_paper_s_and_padding_is_to_multiples_of_32(benchmarks: SimpleNamespace) -> None:
    network = benchmarks.plain_noise.dyn_unet(2, 5)
    volumes = torch.randn(1, 1, 35, 44, 32)
    wide = benchmarks.plain_noise.padded(volumes)
    assert wide.shape == (1, 1, 64, 64, 32)
    assert float(wide.sum()) == pytest.approx(float(volumes.sum()), rel=1e-4)
    with torch.no_grad():
        assert network(wide).shape == wide.shape


def test_the_plain_loss_is_eq_2(benchmarks: SimpleNamespace) -> None:
    predictor = cube_predictor((6, 7, 8))
    volumes = torch.stack([one.volume for one in toy_samples(predictor, 2)])
    epsilon, targets = torch.randn(volumes.shape), torch.tensor([50.0, 60.0])
    logits = torch.randn(volumes.shape)
    found = benchmarks.plain_noise.plain_loss(
        lambda _: logits, predictor.predict, volumes, targets, epsilon, noise=Noise(1.0, 5.0), r=0.1
    )
    mask = logits.sigmoid()
    error = (predictor.predict(volumes + (1 + 4 * mask) * epsilon) - targets) ** 2
    torch.testing.assert_close(found, (error - 0.1 * mask.log().flatten(1).mean(1)).mean())


def test_the_plain_u_net_of_our_weights_is_ours(benchmarks: SimpleNamespace) -> None:
    torch.manual_seed(0)
    network, volumes = UNet(2, 2), torch.randn(2, 1, 9, 7, 8)
    with torch.no_grad():
        torch.testing.assert_close(
            benchmarks.plain_noise.plain_forward(network, volumes), network(volumes), rtol=1e-4, atol=1e-5
        )


def test_losses_of_our_steps_are_those_of_plain_arithmetic(benchmarks: SimpleNamespace, asked: Namespace) -> None:
    sizes, rows = benchmarks.noise_step.equal_loss(asked)
    assert sizes["unet_parameters"] > 0 and len(rows) == len(benchmarks.noise_step.SIDES) - 1
    for row in rows:
        assert row["relative_difference"] < (1e-2 if "bfloat16" in row["side"] else 1e-5)


@pytest.mark.slow
def test_every_side_does_a_step_that_changes_its_weights(benchmarks: SimpleNamespace, asked: Namespace) -> None:
    found = benchmarks.noise_step.seconds_of(asked)
    assert set(found) == {side.name for side in benchmarks.noise_step.SIDES}
    for times in found.values():
        assert len(times["wall"]) == len(times["cpu"]) == 2 and min(times["wall"]) > 0


def test_quartiles_are_of_the_values(benchmarks: SimpleNamespace) -> None:
    assert benchmarks.noise_step.quartiles([5.0, 1.0, 2.0, 4.0, 3.0]) == (2.0, 4.0)
    assert benchmarks.noise_step.quartiles([3.0]) == (3.0, 3.0)


@pytest.mark.slow
def test_a_step_is_measured_in_time_and_in_a_process_of_its_own_in_memory(
    benchmarks: SimpleNamespace, tmp_path: Path
) -> None:
    out = tmp_path / "step.json"
    found = benchmarks.noise_step.main([*STEP, "--out", str(out)])
    plain, *ours = json.loads(out.read_text())["sides"]
    assert plain["estimator"] is None and plain["times_faster"] == 1.0 and plain["share_of_plain_peak"] == 1.0
    assert [side["name"] for side in ours] == [side["name"] for side in found["sides"][1:]]
    for side in ours:
        assert side["times_faster"] == pytest.approx(plain["median_seconds"] / side["median_seconds"], rel=0.05)
        assert 0 < side["memory_before_gib"] <= side["peak_memory_gib"]
        low, high = side["quartile_seconds"]
        assert low <= side["median_seconds"] <= high


def test_the_watch_stands_still_while_maps_are_measured(benchmarks: SimpleNamespace, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(benchmarks.noise_to_auc.time, "perf_counter", lambda: now[0])
    values = iter([0.5, 0.95])

    def measure() -> dict[str, float]:
        now[0] += 100.0
        return {"auc": next(values)}

    watch = benchmarks.noise_to_auc.Watch(measure, every=2, goal=0.9, limit=math.inf)
    watch.step()  # of the pretraining
    watch.counts = True
    for _ in range(3):
        now[0] += 1.0
        watch.step()
    now[0] += 1.0
    with pytest.raises(benchmarks.noise_to_auc.Reached):
        watch.step()
    assert [(row["step"], row["seconds"], row["auc"]) for row in watch.curve] == [(2, 2.0, 0.5), (4, 4.0, 0.95)]


@pytest.mark.slow
def test_all_sides_train_until_the_goal_or_the_limit(benchmarks: SimpleNamespace, tmp_path: Path) -> None:
    where = ("--work", str(tmp_path / "work"), "--out", str(tmp_path / "auc.json"))
    found = benchmarks.noise_to_auc.main([*AUC, *where, "--goal", "0.0"])
    assert [side["reached"] for side in found["sides"].values()] == [True, True, True]
    assert [found["sides"][name]["steps"] for name in ("ours", "quick", "plain")] == [2, 2, 3]
    plain = found["sides"]["plain"]["seconds"]
    for name in ("ours", "quick"):
        assert found["share_of_plain"][name]["is"] == pytest.approx(found["sides"][name]["seconds"] / plain)
    never = benchmarks.noise_to_auc.main([*AUC, *where, "--goal", "2.0", "--limit", "1e-9"])
    assert not never["sides"]["plain"]["reached"] and never["sides"]["plain"]["steps"] == 3
    assert "at_most" in never["share_of_plain"]["ours"]
    predictor = benchmarks.case.make_case(
        tmp_path / "work",
        subjects=24,
        voxel_size=10.0,
        seed=0,
        network=found["settings"]["network"],
        training=found["settings"]["training"],
        device="cpu",
    ).predictor
    assert all(not weights.requires_grad and weights.grad is None for weights in predictor.module.parameters())


@pytest.mark.slow
def test_the_plain_loop_learns_what_the_plugin_s_paper_estimator_learns(
    benchmarks: SimpleNamespace, tmp_path: Path
) -> None:
    """The same seeds, batches and noise: after a few steps the same loss, to what rounding grows into."""
    from interpbench_unoise.explainer import UNoise

    case = benchmarks.case.make_case(
        tmp_path / "work",
        subjects=24,
        voxel_size=10.0,
        seed=0,
        network={"width": 2, "first_stride": 2},
        training={"epochs": 1},
        device="cpu",
    )
    explainer = UNoise(channels=2, blocks=2, pretrain_epochs=0, epochs=1, estimator="paper", patience=0)
    maps = []
    for run in (benchmarks.noise_to_auc.ours, benchmarks.noise_to_auc.plain):
        torch.manual_seed(0)
        network = UNet(2, 2)
        run(case, explainer, network, benchmarks.noise_to_auc.Watch(dict, every=99, goal=1.0, limit=math.inf))
        with torch.no_grad():
            maps.append(network(case.test[0].volume[None]))
    assert float(F.cosine_similarity(*(one.flatten() for one in maps), dim=0)) > 0.999
