"""A file of torch.save, read without running code: checked for damage and for work without end before torch reads it.

Since torch 1.6 such a file is a zip archive, with a checksum for each part, which torch itself does not look at.
Before, it was a row of pickles and bare numbers, without any checksum.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import torch

from interpbench.errors import InputError, message_of
from interpbench.files.file_kinds import HEAD, file_kind, is_archive, is_old_torch
from interpbench.predictor.pickle_outline import ExcessivePickle, PickleOutline, outline_of

log = logging.getLogger("interpbench")

MOST_PICKLE = 2**26  # bytes
_MOST_TIMES = 100  # bytes in an archive for each byte of its file
_PART = 2**20
_FOLDER = 0x10  # among a part's attributes, as MS-DOS has them
_OLD_PICKLES = 5  # of the old format: a magic number, its version, the system, the content, the storages' names
_ADVICE = "Save it with torch.save(network.state_dict(), path) or as safetensors."
_BLOCKED = re.compile(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL|unsupported global: GLOBAL) ([\w.<>]+)")


def load_torch_file(path: Path) -> Any:
    """What torch.save wrote, read with `weights_only=True`, on the CPU.

    Raises:
        InputError: it is something else, damaged, holds what only code could read, or asks for work without end.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    kind, advice = file_kind(path)
    if kind:
        _refuse(path, kind, f"{advice[0].upper()}{advice[1:]}.")
    if is_archive(head):
        outline = _checked_archive(path)
    elif is_old_torch(head):
        outline = _checked_old(path)
        log.warning(
            "%s: has the format of torch before 1.6, which has no checksum, so damage cannot be"
            " detected. Save it again with a newer torch.",
            path,
        )
    else:
        _refuse(path, "its first bytes are not those of a torch.save file or of another known format", _ADVICE)
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # of how the file was pickled
            content = torch.load(file, map_location="cpu", weights_only=True)
            if is_old_torch(head) and file.read(1):
                _refuse(path, "its size is not that of its content: it is damaged", "Download or copy it again.")
    except (InputError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of a damaged or hostile file, torch raises whatever comes of it
        _refuse_content(path, outline, error)
    return content


def _checked_archive(path: Path) -> PickleOutline:
    """What an archive's pickle would make, where every part of the archive is as it was written.

    Raises:
        InputError: it is not, or its pickle asks for too much.
    """
    damaged = "damaged or truncated"
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > _MOST_TIMES * path.stat().st_size:
                raise ExcessivePickle("its archive decompresses to far more than its size")
            unchecked = len(parts) > 1 and not any(part.CRC for part in parts)
            if unchecked:
                log.warning("%s: was saved without checksums, so damage cannot be detected. Save it again.", path)
            for part in parts:
                if unchecked:
                    del part.CRC
                _read_through(archive, part)
            (pickle,) = [part for part in parts if part.filename.partition("/")[2] == "data.pkl"]
            if pickle.file_size > MOST_PICKLE:
                raise ExcessivePickle(f"its pickle is larger than {MOST_PICKLE >> 20} MiB")
            damaged = "malformed"
            return outline_of(io.BytesIO(archive.read(pickle)))
    except ExcessivePickle as error:
        _refuse(path, str(error), _ADVICE)
    except Exception as error:  # of a damaged archive, zipfile raises whatever comes of it
        _refuse(path, f"it is {damaged} ({message_of(error)[:200]})", "Download or copy it again.", error)


def _read_through(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Read a part to its end, where its checksum is compared.

    Raises:
        ValueError: it is longer or shorter than the archive says, or marked as a folder, which torch takes for empty.
    """
    if part.external_attr & _FOLDER and not part.is_dir():
        raise ValueError(f"{part.filename} is marked as a folder")
    length = 0
    with archive.open(part) as stream:
        while some := stream.read(_PART):
            length += len(some)
    if length != part.file_size:
        raise ValueError(f"{part.filename} has {length} bytes, not {part.file_size}")


def _checked_old(path: Path) -> PickleOutline:
    """What the content of a file of the old format would make.

    Raises:
        InputError: its pickles are cut off, or ask for too much.
    """
    with path.open("rb") as file:
        start = io.BytesIO(file.read(MOST_PICKLE))
    try:
        return [outline_of(start) for _ in range(_OLD_PICKLES)][3]
    except ExcessivePickle as error:
        _refuse(path, str(error), _ADVICE)
    except Exception as error:
        _refuse(path, f"it is damaged or cut off ({message_of(error)[:200]})", "Download or copy it again.", error)


def _refuse_content(path: Path, outline: PickleOutline, error: Exception) -> NoReturn:
    """Say what torch could not read."""
    text = message_of(error)
    blocked = _BLOCKED.search(text)
    if blocked is None:
        last = text.rpartition("WeightsUnpickler error: ")[2].partition(" Please ")[0]
        _refuse(path, last[:200].rstrip(" .") or type(error).__name__, _ADVICE, error)
    name = blocked[1]
    if _is_whole(outline):
        what = f"it contains an object of class {outline.kind}"
        _refuse(path, f"{what}, which only running its code could restore", _ADVICE, error)
    advice = "Where it was made, save only the weights: torch.save(network.state_dict(), path)."
    if name.endswith(("_reconstruct", ".ndarray")) and name.startswith("numpy"):
        advice = "If its weights are NumPy arrays, convert them with torch.from_numpy and save the tensors."
    _refuse(
        path, f"beside or instead of weights it contains {name}, which only running code could restore", advice, error
    )


def _is_whole(outline: PickleOutline) -> bool:
    """Whether the pickle's content is one object, and neither a dictionary nor a list nor a tensor."""
    return "." in outline.kind and not outline.kind.startswith(("collections.", "torch._utils.", "torch._tensor."))


def _refuse(path: Path, why: str, advice: str, error: Exception | None = None) -> NoReturn:
    text = f"{path}: not a state dict that can be read without running code: {why}. {advice}"
    raise InputError(" ".join(text.split())) from error
