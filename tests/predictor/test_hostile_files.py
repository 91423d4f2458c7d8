"""Pickles and archives that are made to do harm are refused in one line, in seconds and in little memory."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from interpbench.errors import InputError
from interpbench.predictor.pickle_outline import MOST_STEPS
from interpbench.predictor.weights import read_weights

pytestmark = pytest.mark.timeout(60)  # a file must not keep a reader busy


def shared(depth: int) -> bytes:
    """A tuple that holds one tuple twice, which holds one tuple twice, and so on."""
    return b"\x80\x02K\x01K\x01\x86q\x00" + b"h\x00h\x00\x86q\x00" * depth


ENTRIES = b"(" + b"".join(b"J" + struct.pack("<i", number) + b"N" for number in range(5000)) + b"u"
BOMBS: dict[str, bytes] = {
    "steps without end": b"\x80\x02}" + b"q\x00" * (MOST_STEPS + 1) + b".",
    "a key that takes for ever to hash": shared(60) + b"}h\x00K\x01s.",
    "a value that takes for ever to show": b"\x80\x02}X\x01\x00\x00\x00a" + shared(60)[2:] + b"s.",
    "a set of such": shared(60) + b"c__builtin__\nset\n]h\x00a\x85R.",
    "an array of two thousand million bytes": b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "a tensor as large": b"\x80\x02ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85R.",
    "a storage as large": b"\x80\x02ctorch.storage\nUntypedStorage\nJ\xff\xff\xff\x7f\x85R.",
    "a dictionary that is copied over and over": b"\x80\x02}q\x00"
    + ENTRIES
    + b"0ccollections\nOrderedDict\nq\x01]("
    + b"h\x01h\x00\x85R" * 60_000
    + b"e.",
    "a text that is copied over and over": b"\x80\x02X"
    + struct.pack("<I", 2**20)
    + b"a" * 2**20
    + b"q\x00X\x06\x00\x00\x00latin1q\x02c_codecs\nencode\nq\x01]("
    + b"h\x01h\x00h\x02\x86R" * 1000
    + b"e.",
    "a text longer than the file": b"\x80\x02X\xff\xff\xff\xffabc.",
    "no end": b"\x80\x02}",
    "nothing to take": b"\x80\x020000.",
    "an unknown step": b"\x80\x02\xff.",
    "a name that was never kept": b"\x80\x02h\x07.",
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("how", ["an archive", "the old format"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_pickle_with(bomb: str, how: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    if how == "an archive":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {"data.pkl": BOMBS[bomb], "byteorder": b"little", "version": b"3\n"}.items():
                archive.writestr(f"a/{name}", content)
    else:
        head = [pickle.dumps(one, 2) for one in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        path.write_bytes(b"".join(head) + BOMBS[bomb] + pickle.dumps([], 2))
    with pytest.raises(InputError, match="not a state dict that can be read without running code") as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(2**24))
    with pytest.raises(InputError, match="decompresses to far more than its size"):
        read_weights(tmp_path / "weights.pt")


def test_a_tensor_that_claims_more_than_the_file_holds_takes_no_memory(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(2**40)}, tmp_path / "weights.pt")
    assert read_weights(tmp_path / "weights.pt")["a"].shape == (2**40,)
