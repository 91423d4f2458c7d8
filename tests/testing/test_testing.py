"""The toys of the conformance kit are what they say, and the kit runs as a third party runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from interpbench.testing import (
    constant_predictor,
    cube_predictor,
    failing,
    linear_predictor,
    toy_brain,
    toy_brains,
    toy_cube,
    toy_samples,
)

SHAPE = (12, 14, 10)


def test_the_linear_toy_is_its_weights() -> None:
    weights = torch.randn(6, 7, 8, generator=torch.Generator().manual_seed(0))
    volumes = toy_brains(3, (6, 7, 8)).requires_grad_(True)
    predictions = linear_predictor(weights, bias=50.0).predict(volumes)
    (gradient,) = torch.autograd.grad(predictions.sum(), volumes)
    torch.testing.assert_close(predictions, 50 + torch.einsum("bcijk,ijk->b", volumes, weights))
    assert torch.equal(gradient[1, 0], weights)


def test_the_constant_toy_has_a_gradient_that_is_zero() -> None:
    volumes = toy_brains(3, (6, 7, 8)).requires_grad_(True)
    predictions = constant_predictor((6, 7, 8), 42.0).predict(volumes)
    (gradient,) = torch.autograd.grad(predictions.sum(), volumes)
    assert predictions.tolist() == [42.0] * 3 and not bool(gradient.any())


@pytest.mark.parametrize("nonlinear", [False, True])
@pytest.mark.parametrize("shape", [(12, 14, 10), (6, 7, 8), (20, 22, 18)])
def test_the_cube_toy_reads_the_cube_and_nothing_else(shape: tuple[int, int, int], nonlinear: bool) -> None:
    predictor, volumes = cube_predictor(shape, nonlinear=nonlinear), toy_brains(4, shape)
    cube = toy_cube(shape)
    elsewhere = torch.where(cube, volumes, torch.randn(volumes.shape, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(predictor.predict(volumes), predictor.predict(elsewhere))
    inputs = volumes.requires_grad_(True)
    (gradient,) = torch.autograd.grad(predictor.predict(inputs).sum(), inputs)
    assert bool((gradient[:, 0].abs() > 0.1).eq(cube).all())
    assert not bool((cube & ~toy_brain(shape)).any())


def test_the_nonlinear_cube_toy_is_not_linear_and_the_linear_one_is() -> None:
    volumes = toy_brains(4, SHAPE)
    for nonlinear in (False, True):
        predictor = cube_predictor(SHAPE, nonlinear=nonlinear)
        middle = (predictor.predict(volumes) + predictor.predict(-volumes)) / 2
        bends = bool(((middle - predictor.predict(volumes * 0)).abs() > 1).all())
        assert bends is nonlinear


@pytest.mark.parametrize("nonlinear", [False, True])
def test_ages_of_the_cube_toy_look_like_ages(nonlinear: bool) -> None:
    ages = cube_predictor(SHAPE, nonlinear=nonlinear).predict(toy_brains(200, SHAPE, seed=3))
    assert 55 < float(ages.mean()) < 65 and 5 < float(ages.std()) < 10


def test_toy_brains_are_normalised_inside_and_zero_outside() -> None:
    volumes, brain = toy_brains(3, SHAPE), toy_brain(SHAPE)
    inside = volumes[:, 0][:, brain]
    torch.testing.assert_close(inside.mean(dim=1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inside.std(dim=1), torch.ones(3))
    assert not bool(volumes[:, 0][:, ~brain].any()) and not bool(brain[0, 0, 0])


def test_toy_samples_have_the_ages_that_the_predictor_says() -> None:
    predictor = cube_predictor(SHAPE)
    samples = toy_samples(predictor, 3, seed=2)
    ages = predictor.predict(torch.stack([sample.volume for sample in samples]))
    assert [sample.target for sample in samples] == ages.tolist()
    assert len({sample.subject for sample in samples}) == 3


def test_a_failing_toy_has_the_fingerprint_of_the_whole_one_and_fails_when_asked() -> None:
    whole = cube_predictor(SHAPE)
    broken = failing(whole, call=2)
    volumes = toy_brains(1, SHAPE)
    assert broken.fingerprint == whole.fingerprint
    assert torch.equal(broken.predict(volumes), whole.predict(volumes))
    with pytest.raises(Exception, match="forward pass of call 2"):
        broken.predict(volumes)
    assert broken.charge.blown and not whole.charge.blown


def test_making_toys_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    cube_predictor(SHAPE, nonlinear=True)
    toy_brains(2, SHAPE)
    assert torch.equal(before, torch.get_rng_state())


# What a third party does

THIRD_PARTY = """
import pytest
from interpbench.testing import AggregatorContract, ExplainerContract, PredictorContract, cube_predictor
from mine import Occlusion, Sum, Blind

class TestMine(ExplainerContract):
    @pytest.fixture
    def explainer(self):
        return Occlusion()

class TestBlind(ExplainerContract):
    @pytest.fixture
    def explainer(self):
        return Blind()

class TestForgotten(ExplainerContract):
    pass

class TestSum(AggregatorContract):
    @pytest.fixture
    def aggregator(self):
        return Sum()
"""

MINE = """
from dataclasses import dataclass
import torch
from interpbench import Aggregator, Explainer

@dataclass(frozen=True, kw_only=True)
class Occlusion(Explainer):
    def explain(self, predictor, volumes):
        slopes = [predictor.predict(volumes + step) - predictor.predict(volumes) for step in self.steps(volumes)]
        return torch.stack(slopes, dim=1).reshape(volumes[:, 0].shape).abs()

    def steps(self, volumes):
        for voxel in range(volumes[0].numel()):
            step = torch.zeros(volumes[0].numel())
            step[voxel] = 1.0
            yield step.reshape(volumes[0].shape)

@dataclass(frozen=True, kw_only=True)
class Blind(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0].abs()

class Sum(Aggregator):
    def __init__(self):
        self.sum = torch.zeros(6, 7, 8, dtype=torch.float64)
    def add(self, map):
        self.sum += map
    def merge(self, other):
        self.sum += other.sum
    def result(self):
        return {"sum": self.sum.clone()}
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_under_plain_pytest_a_third_partys_subclasses_run_and_the_bases_do_not(tmp_path: Path, mode: str) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "test_mine.py").write_text(THIRD_PARTY)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", f"--import-mode={mode}", "test_mine.py"]
    path = os.pathsep.join([str(tmp_path), *[entry for entry in sys.path if entry]])
    run = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    lines = [line for line in run.stdout.splitlines() if "::test_" in line and line.startswith("test_mine.py")]
    outcomes = {name: [line.split()[1] for line in lines if f"::Test{name}::" in line] for name in ("Mine", "Sum")}
    assert len(outcomes["Mine"]) >= 15 and set(outcomes["Mine"]) == {"PASSED"}, run.stdout
    assert len(outcomes["Sum"]) >= 12 and set(outcomes["Sum"]) == {"PASSED"}, run.stdout
    failed = {line.split()[0] for line in lines if line.split()[1] == "FAILED"}
    assert len(failed) == 3 and all("::TestBlind::" in name for name in failed), run.stdout
    assert "TestForgotten must define the fixture `explainer`" in run.stdout
    assert "Contract::" not in run.stdout.replace("Contract::test", "") and run.returncode == 1
    assert not any(line.startswith("test_mine.py::ExplainerContract") for line in lines)
