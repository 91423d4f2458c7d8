"""Files of weights: what was saved is read, what is damaged or something else is refused in one line, in seconds."""

from __future__ import annotations

import argparse
import gzip
import json
import pickle
import random
import sys
import tarfile
import types
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from interpbench.errors import InputError
from interpbench.predictor.weights import read_weights

pytestmark = pytest.mark.timeout(60)  # a file must not keep a reader busy


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2), nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.norm(self.first(x)).mean((2, 3, 4)))
        return found


def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return dict(Net().state_dict())


def outcome(path: Path, wanted: dict[str, Tensor]) -> str:
    """`same`, `other`, or `refused`, in one line that names the file."""
    try:
        found = read_weights(path)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error) and "this is a bug" not in str(error)
        return "refused"
    same = set(found) == set(wanted) and all(torch.equal(found[name], wanted[name]) for name in wanted)
    return "same" if same else "other"


WRITERS: dict[str, Callable[[Path], object]] = {
    "plain.pt": lambda path: torch.save(state(), path),
    "nested.ckpt": lambda path: torch.save({"epoch": 3, "state_dict": state(), "lr": [0.1, 0.01]}, path),
    "old.pt": lambda path: torch.save(state(), path, _use_new_zipfile_serialization=False),
    "plain.safetensors": lambda path: save_file(state(), path),
}


@pytest.mark.parametrize("name", ["plain.pt", "nested.ckpt"])
def test_of_300_flipped_bits_none_gives_other_weights(name: str, tmp_path: Path) -> None:
    path, draw, wanted, counts = tmp_path / name, random.Random(7), state(), Counter[str]()
    WRITERS[name](path)
    good = path.read_bytes()
    for _ in range(300):
        place = draw.randrange(8 * len(good))
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        counts[outcome(path, wanted)] += 1
    assert counts["other"] == 0
    assert counts["refused"] > 100  # the others change nothing that is read, such as what fills up to a boundary


def test_of_a_part_every_bit_counts_that_the_archives_directory_says_of_it(tmp_path: Path) -> None:
    """Among them is the mark of a folder, for which torch reads nothing."""
    path, wanted = tmp_path / "plain.pt", state()
    WRITERS["plain.pt"](path)
    good = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        (part,) = [one.filename.encode() for one in archive.infolist() if one.filename.endswith("/data/0")]
    start = good.rindex(part) - 46  # of its record in the directory
    assert good[start : start + 4] == b"PK\x01\x02"
    for place in range(8 * start, 8 * (start + 46)):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        assert outcome(path, wanted) != "other", (place // 8 - start, place % 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["old.pt", "plain.safetensors"])
def test_of_300_flipped_bits_in_a_format_without_checksums_none_is_a_bug(name: str, tmp_path: Path) -> None:
    path, draw = tmp_path / name, random.Random(8)
    WRITERS[name](path)
    good = path.read_bytes()
    for _ in range(300):
        place = draw.randrange(8 * len(good))
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        outcome(path, state())


@pytest.mark.parametrize("name", WRITERS)
def test_every_cut_is_refused(name: str, tmp_path: Path) -> None:
    path, draw = tmp_path / name, random.Random(9)
    WRITERS[name](path)
    good = path.read_bytes()
    for length in [*range(0, 40, 3), *(draw.randrange(len(good)) for _ in range(100)), len(good) - 1]:
        path.write_bytes(good[:length])
        assert outcome(path, state()) == "refused", length


@pytest.mark.parametrize("name", ["old.pt", "plain.safetensors"])
def test_more_bytes_than_were_written_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    path.write_bytes(path.read_bytes() + bytes(8))
    assert outcome(path, state()) == "refused"


def test_the_old_format_is_read_and_said_to_have_no_checksum(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    WRITERS["old.pt"](tmp_path / "old.pt")
    assert outcome(tmp_path / "old.pt", state()) == "same"
    assert "has no checksum" in caplog.text


def test_an_archive_that_was_saved_without_checksums_is_read_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state(), tmp_path / "unchecked.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert outcome(tmp_path / "unchecked.pt", state()) == "same"
    assert "saved without checksums" in caplog.text


def test_an_archive_that_was_packed_again_is_read(tmp_path: Path) -> None:
    WRITERS["plain.pt"](tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as old, zipfile.ZipFile(tmp_path / "again.pt", "w", 8) as new:
        for part in old.infolist():
            new.writestr(part.filename, old.read(part))
    assert outcome(tmp_path / "again.pt", state()) == "same"


def test_safetensors_are_known_by_their_content(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "weights.bin")
    assert outcome(tmp_path / "weights.bin", state()) == "same"


class Settings(dict):  # type: ignore[type-arg]
    """What a training keeps beside the weights."""


def write_script(path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.trace(Net().eval(), torch.ones(1, 1, 5, 5, 5)), path)


def write_export(path: Path) -> None:
    torch.export.save(torch.export.export(Net().eval(), (torch.ones(1, 1, 5, 5, 5),)), path)


def write_image(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 3, 4), np.float32), np.eye(4)), path.with_suffix(".nii"))
    path.write_bytes(path.with_suffix(".nii").read_bytes())


def write_packed_image(path: Path) -> None:
    write_image(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def write_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "weights.py")


def write_numpy(path: Path, save: Callable[..., None]) -> None:
    with path.open("wb") as file:
        save(file, np.ones(3))


def write_zip(path: Path, **parts: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/"), content)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: path.write_bytes(b""), "it is empty"),
    "a folder": (lambda path: path.mkdir(), "it is a folder"),
    "ONNX": (lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch" + bytes(99)), "an ONNX model"),
    "TorchScript": (
        lambda path: write_zip(path, **{"a__constants.pkl": b"", "a__code__n.py": b"", "a__data.pkl": b""}),
        "a TorchScript archive",
    ),
    "torch.export": (lambda path: write_zip(path, a__archive_format=b"pt2"), "a torch.export program"),
    "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "an HDF5 file"),
    "Keras": (lambda path: write_zip(path, **{"model.weights.h5": b"", "config.json": b"{}"}), "a Keras model"),
    "a whole network": (
        lambda path: torch.save(nn.Sequential(Net()), path),
        "contains an object of class torch.nn.modules.container.Sequential",
    ),
    "a network of a class of one's own": (lambda path: torch.save(Net(), path), "contains an object of class "),
    "npz": (lambda path: write_numpy(path, np.savez), "a NumPy archive (.npz)"),
    "npy": (lambda path: write_numpy(path, np.save), "a NumPy array (.npy)"),
    "an image": (write_image, "a NIfTI image"),
    "a packed image": (write_packed_image, "a NIfTI image"),
    "a page": (lambda path: path.write_text("\n <!DOCTYPE html><html>Log in</html>"), "a web page"),
    "text": (lambda path: path.write_text("weights"), "it is a text file"),
    "JSON": (lambda path: path.write_text(json.dumps({"lr": 1})), "it is a text file"),
    "LFS": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS"),
    "tar": (write_tar, "a tar archive"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"weights")), "compressed with gzip"),
    "a zip of something else": (lambda path: write_zip(path, a=b"1"), "a zip archive that torch.save did not write"),
    "a bare pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "a pickle that torch.save did not write"),
    "a picture": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50)), "a picture"),
    "noise": (lambda path: path.write_bytes(random.Random(3).randbytes(500)), "or of another known format"),
    "a network under a key": (
        lambda path: torch.save({"model": torch.nn.Sequential(torch.nn.Linear(1, 1))}, path),
        "save only the weights: torch.save(network.state_dict(), path)",
    ),
    "arrays of numpy": (lambda path: torch.save({"a.weight": np.ones(3)}, path), "torch.from_numpy"),
    "arrays of numpy, deep": (lambda path: torch.save({"a": {"weight": np.ones(3)}}, path), "torch.from_numpy"),
    "settings beside": (
        lambda path: torch.save({"state_dict": state(), "h": argparse.Namespace(lr=1)}, path),
        "it contains argparse.Namespace, which only running code could restore",
    ),
    "a number of numpy": (
        lambda path: torch.save({"state_dict": state(), "mae": np.float64(3)}, path),
        "multiarray.scalar, which only running code could restore",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_state_dict_is_named(kind: str, tmp_path: Path) -> None:
    write, said = KINDS[kind]
    path = tmp_path / "weights.pt"
    write(path)
    with pytest.raises(InputError) as caught:
        read_weights(path)
    told = str(caught.value)
    assert "checkpoint[" not in told
    assert str(path) in told and said in told and "\n" not in told and len(told) < 600


@pytest.mark.slow
@pytest.mark.parametrize(("write", "said"), [(write_script, "TorchScript"), (write_export, "torch.export")])
def test_what_torch_itself_writes_of_a_whole_program_is_named(
    write: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt2"
    write(path)
    with pytest.raises(InputError, match=said):
        read_weights(path)


def test_the_class_that_only_the_users_code_could_make_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("my_training")
    Settings.__module__ = module.__name__
    module.Settings = Settings  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    torch.save({"state_dict": state(), "hyper_parameters": Settings(lr=1)}, tmp_path / "run.ckpt")
    with pytest.raises(InputError, match=r"my_training\.Settings, which only running code could restore"):
        read_weights(tmp_path / "run.ckpt")
