"""What a plugin hands over is refused where it breaks its contract, in one line that names it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interpbench.errors import InputError, PluginError, ResourceError
from interpbench.host.checking import checked_maps, checked_population, doubts_about
from interpbench.host.foreign import trouble

VOLUMES = torch.zeros(2, 1, 6, 7, 8)
NAN = torch.zeros(2, 6, 7, 8)
NAN[1, 2, 3, 4] = float("nan")


def test_right_maps_pass_without_their_gradient() -> None:
    maps = torch.rand(2, 6, 7, 8, requires_grad=True) * 2
    checked = checked_maps(maps, VOLUMES, "mine")
    assert torch.equal(checked, maps.detach())
    assert not checked.requires_grad


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (np.zeros((2, 6, 7, 8), np.float32), "a tensor, got ndarray"),
        (torch.zeros(2, 1, 6, 7, 8), r"maps of shape \(2, 6, 7, 8\), got \(2, 1, 6, 7, 8\)"),
        (torch.zeros(2, 6, 7, 8, dtype=torch.float64), "float32, got float64"),
        (torch.zeros(2, 6, 7, 8, device="meta"), "maps on the device of the volumes, cpu, got meta"),
        (NAN, "finite values, 1 of 672 are NaN"),
    ],
)
def test_wrong_maps_are_refused(maps: object, message: str) -> None:
    with pytest.raises(PluginError, match=f"method 'mine' must return {message}"):
        checked_maps(maps, VOLUMES, "mine")


def test_a_flat_map_is_doubted_and_another_is_not() -> None:
    assert "0 everywhere" in doubts_about(torch.zeros(6, 7, 8))[0]
    assert "0.5 everywhere" in doubts_about(torch.full((6, 7, 8), 0.5))[0]
    assert doubts_about(torch.rand(6, 7, 8)) == []


def test_population_maps_may_be_tensors_or_arrays() -> None:
    found = checked_population({"mean": np.ones((6, 7, 8)), "sd": torch.ones(6, 7, 8)}, (6, 7, 8), "mine")
    assert list(found) == ["mean", "sd"]
    assert all(map.dtype == torch.float32 for map in found.values())


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({}, "at least one named map"),
        (torch.ones(6, 7, 8), "at least one named map, got Tensor"),
        ({"../mean": torch.ones(6, 7, 8)}, "named by letters"),
        ({"brain": torch.ones(6, 7, 8)}, "got 'brain'"),
        ({"mean": [1.0]}, "'mean' is list"),
        ({"mean": torch.ones(8, 7, 6)}, r"'mean' is \(8, 7, 6\)"),
        ({"mean": torch.full((6, 7, 8), float("inf"))}, "holds NaN or infinity"),
    ],
)
def test_wrong_population_maps_are_refused(results: object, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        checked_population(results, (6, 7, 8), "mine")


def test_trouble_keeps_an_error_of_the_family_and_names_any_other() -> None:
    known = InputError("known")
    assert trouble(known, "method 'mine'", VOLUMES) is known
    found = trouble(KeyError("layer9"), "method 'mine'", VOLUMES)
    assert isinstance(found, PluginError)
    assert str(found) == "method 'mine' failed: KeyError: 'layer9'."


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_running_out_of_memory_is_told_with_the_size_tried(error: Exception) -> None:
    found = trouble(error, "method 'mine'", VOLUMES)
    assert isinstance(found, ResourceError)
    assert "2 volumes of 6x7x8 at once" in str(found)
