"""Weights from a file into a network: what fits goes in, what does not is named, nothing is executed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from interpbench.errors import InputError
from interpbench.predictor.weight_names import strip_prefix
from interpbench.predictor.weights import load_weights, read_weights


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2))


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_what_was_saved_is_read(tmp_path: Path, suffix: str) -> None:
    state = network().state_dict()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    assert same(read_weights(path), state)


@pytest.mark.parametrize("nest", ["state_dict", "model"])
def test_a_state_dict_inside_a_checkpoint_is_found(tmp_path: Path, nest: str) -> None:
    state = network().state_dict()
    torch.save({"epoch": 7, nest: state}, tmp_path / "checkpoint.pt")
    assert same(read_weights(tmp_path / "checkpoint.pt"), state)


class Payload:
    """Unpickled by a careless reader, it leaves a marker."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    torch.save({"state_dict": Payload(tmp_path / "marker")}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"evil\.pt: not a state dict") as caught:
        read_weights(tmp_path / "evil.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as caught:
        read_weights(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("old", [False, True])
def test_a_file_of_torch_named_as_safetensors_is_told_as_such(old: bool, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.save(network().state_dict(), path, _use_new_zipfile_serialization=not old)
    with pytest.raises(InputError, match=r"is not a safetensors file but a torch\.save file: rename it to \.pt"):
        read_weights(path)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(InputError, match="no such weights file"):
        read_weights(Path("nowhere.pt"))


def test_something_other_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "b": "text"}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match="'b' is str, not a tensor"):
        read_weights(tmp_path / "weights.pt")


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.", "module.net."])
def test_a_wrappers_prefix_is_taken_off_and_said(prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    state = network().state_dict()
    with caplog.at_level(logging.WARNING, logger="interpbench"):
        stripped = strip_prefix({prefix + name: tensor for name, tensor in state.items()}, network())
    assert same(stripped, state)
    assert prefix.split(".", maxsplit=1)[0] in caplog.text


def test_a_prefix_that_the_network_itself_has_stays() -> None:
    wrapped = nn.ModuleDict({"net": network()})
    state = wrapped.state_dict()
    assert same(strip_prefix(state, wrapped), state)


def test_every_value_arrives() -> None:
    state, empty = network().state_dict(), nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2))
    load_weights(empty, state, "file")
    assert same(dict(empty.state_dict()), dict(state))


def test_missing_and_extra_names_are_told() -> None:
    state = dict(network().state_dict())
    state["head.weight"] = state.pop("0.bias")
    with pytest.raises(InputError, match=r"another architecture: 0\.bias missing; head\.weight not in the network"):
        load_weights(network(), state, "file")


def test_only_the_first_of_many_names_are_told() -> None:
    with pytest.raises(InputError, match=r"0\.weight, 0\.bias, 1\.weight and 4 more missing"):
        load_weights(network(), {}, "file")


def test_another_shape_is_told_with_both_shapes() -> None:
    state = {**network().state_dict(), "0.bias": torch.zeros(5)}
    with pytest.raises(InputError, match=r"0\.bias is \(5,\) in the file and \(2,\) in the network"):
        load_weights(network(), state, "file")


def test_weights_that_are_no_numbers_are_refused() -> None:
    state = {**network().state_dict(), "0.bias": torch.tensor([1.0, float("nan")])}
    with pytest.raises(InputError, match=r"1 of 2 weights in 0\.bias are NaN"):
        load_weights(network(), state, "file")
