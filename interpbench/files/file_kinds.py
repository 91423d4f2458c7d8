"""Recognises a file that is not a weights file by its first bytes, and advises what to do."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from pathlib import Path

HEAD = 1024  # bytes that are looked at
_SAVE = "save the network's state dict: torch.save(network.state_dict(), path)"
_UNPACK = "decompress it, and give the file inside"

_BEGINNINGS = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", f"convert the network to torch, then {_SAVE}"),
    (b"\x93NUMPY", "a NumPy array (.npy)", _SAVE),
    (b"version https://git-lfs.github.com", "a Git LFS pointer, not the file itself", "run `git lfs pull`"),
    (b"/annex/objects/", "a git-annex pointer, not the file itself", "run `git annex get`"),
    (b"GGUF", "a language model in GGUF format", _SAVE),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"(\xb5/\xfd", "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf'\x1c", "a 7-zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"MATLAB ", "a MATLAB file", _SAVE),
    (b"%PDF", "a PDF", _SAVE),
    (b"\x89PNG", "a picture", _SAVE),
    (b"\xff\xd8\xff", "a picture", _SAVE),
)
_TORCH_PICKLE = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch's magic number as a pickle of protocol 2


def is_archive(head: bytes) -> bool:
    """Whether a file begins as zip archives do, among them those of torch since 1.6."""
    return head.startswith(b"PK\x03\x04")


def is_old_torch(head: bytes) -> bool:
    """Whether a file begins as torch wrote them before 1.6: some pickles, then bare numbers."""
    return head.startswith(_TORCH_PICKLE)


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON header, then the header."""
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32


def file_kind(path: Path) -> tuple[str, str]:
    """What a file is, and advice on what to do with it; both empty if the file is not recognised."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "it is empty", "download or copy it again"
    if is_archive(head):
        return _archive(path)
    if head.startswith(b"\x1f\x8b") and _image(_unpacked(head)):
        return "it is a NIfTI image", "give the weights file"
    for beginning, kind, advice in _BEGINNINGS:
        if head.startswith(beginning):
            return f"it is {kind}", advice
    if _image(head) or head[128:132] == b"DICM":
        return f"it is a {'NIfTI' if _image(head) else 'DICOM'} image", "give the weights file"
    if head[257:262] == b"ustar":
        return "it is a tar archive", _UNPACK
    if head[4:8] == b"TFL3":
        return "it is a TensorFlow Lite model", _SAVE
    if is_safetensors(head):
        return "it looks like a safetensors file", "rename it to .safetensors"
    if _onnx(head):
        return "it is an ONNX model", f"in torch, {_SAVE}"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and not is_old_torch(head):
        return "it is a pickle that torch.save did not write", _SAVE
    return _text(head)


def _archive(path: Path) -> tuple[str, str]:
    """The kind of a zip archive by the names in it, and advice; both empty if torch.save may have written it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # of a damaged archive, zipfile raises whatever comes of it
        return "its archive is damaged or truncated", "download or copy it again"
    tops = {name.partition("/")[2] for name in names}
    if any("archive_format" in name or "exported_program" in name for name in names):
        return "it is a torch.export program (.pt2)", f"from the original network, {_SAVE}"
    if "constants.pkl" in tops and any(name.startswith("code/") for name in tops):
        return "it is a TorchScript archive", f"from the original network, {_SAVE}"
    if "data.pkl" in tops:
        return "", ""
    if names and all(name.endswith(".npy") for name in names):
        return "it is a NumPy archive (.npz)", _SAVE
    if "model.weights.h5" in names or "keras_metadata.pb" in names:
        return "it is a Keras model", f"convert the network to torch, then {_SAVE}"
    return "it is a zip archive that torch.save did not write", _UNPACK


def _image(head: bytes) -> bool:
    """Whether this is the head of a NIfTI image, of version 1 or 2."""
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _unpacked(head: bytes) -> bytes:
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(31).decompress(head, HEAD)
    return b""


def _onnx(head: bytes) -> bool:
    """ONNX models are protocol buffers without a signature: the format's version, then another field of the model."""
    return head[:1] == b"\x08" and 0 < head[1] < 32 and head[2:3] in (b"\x12", b"\x1a", b'"', b"*", b"2", b":", b"B")


def _text(head: bytes) -> tuple[str, str]:
    words = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if words.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--", b"<error")):
        return "it is a web page (HTML or XML), perhaps from a failed download", "download it again"
    if words and not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "it is a text file", "give the weights file"
    return "", ""
