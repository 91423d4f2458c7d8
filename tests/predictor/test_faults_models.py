"""What may be wrong with weights: nothing in them is ever run, and nothing damaged or of another network is used."""

from __future__ import annotations

import json
import pickle
import struct
import sys
import textwrap
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

Run = Callable[..., tuple[int, str, str]]
Payloads = Callable[[Path], Mapping[str, object]]

NETWORK = """
    from torch import nn

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv3d(1, 3, 3)
            self.norm = nn.BatchNorm3d(3)
            self.drop = nn.Dropout(0.5)
            self.last = nn.Linear(3, 1)
            self.train()

        def forward(self, x):
            return self.last(self.drop(self.norm(self.first(x)).relu().mean((2, 3, 4))))
"""


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Any:
    """`adopted(weights)` runs `adopt` of the user's own network with that file."""
    (tmp_path / "own_faulty_network.py").write_text(textwrap.dedent(NETWORK))
    monkeypatch.syspath_prepend(tmp_path)

    def adopt(weights: Path) -> tuple[int, str, str]:
        recipe = ["--shape", "10x12x8", "--voxel-size", "4"]
        return run("adopt", "own_faulty_network:Own", weights, *recipe, "--out", tmp_path / "own")

    yield adopt
    sys.modules.pop("own_faulty_network", None)


def refused(came: tuple[int, str, str], *said: str) -> None:
    code, _, told = came
    assert code == 3
    last = told.splitlines()[-1]
    assert last.startswith("Error: ") and "Traceback" not in told
    for words in said:
        assert words in last, last


@pytest.mark.parametrize("how", ["bare", "inside a state dict", "inside a zip archive of torch"])
@pytest.mark.parametrize("payload", ["os.system", "a program", "eval"])
def test_a_malicious_pickle_with(payload: str, how: str, adopted: Any, tmp_path: Path, payloads: Payloads) -> None:
    marker, weights = tmp_path / "marker", tmp_path / "weights.pt"
    evil = payloads(marker)[payload]
    if how == "bare":
        weights.write_bytes(pickle.dumps(evil))
    else:
        torch.save({"first.weight": evil}, weights, _use_new_zipfile_serialization=how.endswith("torch"))
    refused(adopted(weights), str(weights))
    assert not marker.exists()
    assert not (tmp_path / "own").exists()


def test_the_payloads_of_these_tests_do_run_where_one_lets_them(tmp_path: Path, payloads: Payloads) -> None:
    for name, evil in payloads(tmp_path / "marker").items():
        pickle.loads(pickle.dumps(evil))
        assert (tmp_path / "marker").exists(), name
        (tmp_path / "marker").unlink()


def packed(header: Any, body: bytes = bytes(24), length: int | None = None) -> bytes:
    """A safetensors file of any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24], **changes}}


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "a length alone": bytes(8),
    "a header longer than the file": packed(entry(), length=2**40),
    "a header that is no JSON": packed(b"{'a': 1}"),
    "a header that is a list": packed([1, 2]),
    "offsets beyond the file": packed(entry(data_offsets=[0, 4096], shape=[1024])),
    "offsets that go backwards": packed(entry(data_offsets=[24, 0])),
    "offsets that leave a hole": packed(entry(data_offsets=[8, 24], shape=[4])),
    "a shape that does not fit its bytes": packed(entry(shape=[7])),
    "an unknown type": packed(entry(dtype="F33")),
    "a negative edge": packed(entry(shape=[-6])),
    "a cut body": packed(entry(), body=bytes(23)),
    "text": b"these are no weights at all, whoever says so",
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_safetensors_file_of(fault: str, adopted: Any, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(MALFORMED[fault])
    refused(adopted(weights), str(weights), "not a readable safetensors file")


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "an empty file": (lambda path: path.write_bytes(b""), "not a state dict"),
    "text": (lambda path: path.write_text("weights"), "not a state dict"),
    "a folder": (lambda path: path.mkdir(), "no such weights file"),
    "nothing": (lambda path: None, "no such weights file|does not exist"),
    "a whole module": (lambda path: torch.save(torch.nn.Linear(1, 1), path), "not a state dict"),
    "a list": (lambda path: torch.save([torch.ones(3)], path), "holds list, not a state dict"),
    "a text among tensors": (lambda path: torch.save({"first.weight": "yes"}, path), "is str, not a tensor"),
    "an archive of something else": (lambda path: zipfile.ZipFile(path, "w").close(), "not a state dict"),
}


@pytest.mark.parametrize("fault", OTHERS)
def test_in_place_of_weights(fault: str, adopted: Any, tmp_path: Path) -> None:
    make, said = OTHERS[fault]
    weights = tmp_path / "weights.pt"
    make(weights)
    code, _, told = adopted(weights)
    assert code == 3 and told.count("\n") == 1
    assert any(words in told for words in said.split("|")), told


def own_state(tmp_path: Path) -> dict[str, Any]:
    module: Any = __import__("own_faulty_network")
    torch.manual_seed(3)
    state: dict[str, Any] = module.Own().state_dict()
    return state


WRONG: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "a weight too few": (
        lambda state: {name: one for name, one in state.items() if name != "last.bias"},
        "last.bias missing",
    ),
    "a weight too many": (lambda state: {**state, "more": torch.ones(2)}, "more not in the network"),
    "another shape": (lambda state: {**state, "last.weight": torch.ones(1, 4)}, "last.weight is (1, 4) in the file"),
    "NaN": (lambda state: {**state, "last.bias": torch.tensor([float("nan")])}, "1 of 1 weights in last.bias are NaN"),
    "infinity": (lambda state: {**state, "norm.running_var": torch.full((3,), torch.inf)}, "3 of 3 weights"),
    "another network altogether": (lambda state: {"stem.conv": torch.ones(3)}, "of another architecture"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_weights_with(fault: str, adopted: Any, tmp_path: Path) -> None:
    change, said = WRONG[fault]
    weights = tmp_path / "weights.safetensors"
    save_file(change(own_state(tmp_path)), weights)
    refused(adopted(weights), str(weights), said)
    assert not (tmp_path / "own" / "model.json").exists()


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.", "module.model."])
def test_weights_with_the_prefix(prefix: str, adopted: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = tmp_path / "weights.safetensors"
    save_file({prefix + name: one for name, one in own_state(tmp_path).items()}, weights)
    assert adopted(weights)[0] == 0
    assert "was removed from all" in caplog.text
    kept = load_file(tmp_path / "own" / "model.safetensors")
    assert all(torch.equal(kept[name], one) for name, one in own_state(tmp_path).items())


def test_a_network_that_was_left_in_train_mode(adopted: Any, tmp_path: Path, toy_cohort: Path, run: Run) -> None:
    """Dropout and batch statistics would make each prediction another."""
    weights = tmp_path / "weights.safetensors"
    save_file(own_state(tmp_path), weights)
    assert adopted(weights)[0] == 0
    for name in ("one.tsv", "two.tsv"):
        given = ["--predictor", tmp_path / "own", "--split", "all", "--device", "cpu"]
        assert run("predict", toy_cohort, *given, "--out", tmp_path / name)[0] == 0
    first, second = ((tmp_path / name).read_bytes() for name in ("one.tsv", "two.tsv"))
    assert first == second
