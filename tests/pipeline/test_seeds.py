"""Every step refuses a seed that random generators cannot take, before it reads or writes anything."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interpbench import benchmark, explain, explain_volume, fit, predict, search, train, write_phantom
from interpbench.errors import UsageError
from interpbench.options import checked_seed
from interpbench.pipeline.demo import demo


@pytest.mark.parametrize("seed", [0, 2**63 - 1, np.int64(3), True])
def test_a_seed_is_a_whole_number_that_generators_take(seed):
    found = checked_seed(seed)
    assert type(found) is int
    torch.Generator().manual_seed(found)
    np.random.default_rng(found)


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, 10**40, 1.5, 1.0, "1", None, np.float64(1)])
def test_another_seed_is_refused(seed):
    with pytest.raises(UsageError, match=r"seed must be a whole number from 0 to 2\^63 - 1, got"):
        checked_seed(seed)


STEPS = {
    "train": lambda seed: train("cohort", "out", seed=seed),
    "predict": lambda seed: predict("cohort", "model", "out", seed=seed),
    "fit": lambda seed: fit("cohort", "model", "out", method="unoise", seed=seed),
    "search": lambda seed: search("cohort", "model", "out", method="unoise", grid={}, seed=seed),
    "explain": lambda seed: explain("cohort", "model", "out", method="saliency", seed=seed),
    "explain_volume": lambda seed: explain_volume("model", "image.nii", seed=seed),
    "benchmark": lambda seed: benchmark("cohort", "model", "out", seed=seed),
    "demo": lambda seed: demo("out", seed=seed),
    "phantom": lambda seed: write_phantom("out", seed=seed),
}


@pytest.mark.parametrize("step", STEPS)
def test_every_step_with_a_seed_checks_it_first(step, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="seed must be a whole number"):
        STEPS[step](2**64)
    assert not list(tmp_path.iterdir())
