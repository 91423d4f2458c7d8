"""The benchmark for a GPU, on a toy and a processor: what it counts, and what follows from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F

TOY = (
    "--device",
    "cpu",
    "--shape",
    "12x14x10",
    "--width",
    "2",
    "--channels",
    "2",
    "--blocks",
    "2",
    "--box",
    "6",
    "--precision",
    "float32",
    "--repeats",
    "1",
    "--matrix",
    "64",
    "--epochs",
    "3",
    "--subjects",
    "40",
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    names = ("gpu", "machine", "random_case")
    yield import_module(names[0])
    for name in names:
        sys.modules.pop(name, None)


def test_a_convolution_is_counted_forward_and_backward(gpu: ModuleType) -> None:
    volumes, weight = torch.randn(2, 3, 6, 7, 8, requires_grad=True), torch.randn(5, 3, 3, 3, 3)
    made = 2 * 5 * 4 * 5 * 6
    with gpu._counter() as counted:
        found = F.conv3d(volumes, weight)
    assert counted.operations == 2 * made * 3 * 27
    assert counted.bytes == 4 * (volumes.numel() + weight.numel() + made)
    with gpu._counter() as counted:
        torch.autograd.grad(found, volumes, torch.ones_like(found))
    assert counted.operations == 2 * made * 3 * 27
    with gpu._counter() as counted:
        volumes.detach().view(-1)
    assert (counted.operations, counted.bytes) == (0, 0)


def test_shares_and_hours_follow_from_what_is_counted_and_timed(gpu: ModuleType, tmp_path: Path) -> None:
    found = gpu.main([*TOY, "--out", str(tmp_path / "gpu.json")])
    ceilings = found["ceilings"]
    assert [row["estimator"] for row in found["steps"]] == ["paper", "recalibrated"]
    for row in found["steps"]:
        assert row["operations"] > 0 and row["bytes"] > 0
        peak = row["operations"] / row["seconds"] / ceilings["operations_a_second"]
        assert row["share_of_bfloat16_peak"] == pytest.approx(peak)
        assert row["share_of_bandwidth"] == pytest.approx(row["bytes"] / row["seconds"] / ceilings["bytes_a_second"])
        assert row["hours"]["hours"] == pytest.approx(3 * 40 / 2 * row["seconds"] / 3600)
    assert set(found["explanations"]) == {"occlusion", "unoise"}
    assert json.loads((tmp_path / "gpu.json").read_text())["settings"]["shape"] == [12, 14, 10]
