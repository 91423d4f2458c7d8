"""One NIfTI file, checked: its header alone, or all of it, read to the end so that damage shows.

nibabel stops reading a gzip stream at the last voxel, before the checksum, and so passes wrong voxels on without an
error. Here the stream is read to its end within a bound, and nibabel decodes those bytes.
"""

from __future__ import annotations

import gzip
import io
import logging
import math
import os
import stat
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from interpbench.errors import InputError

_HEADERS: dict[int, Any] = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
_TAIL = 16 * 2**20  # bytes that may follow the last voxel


def refuse(path: Path, message: str, cause: BaseException | None = None) -> NoReturn:
    """Raise the one-line error that names the file."""
    raise InputError(f"{path}: {message}") from cause


def load_header(path: Path, max_voxels: int) -> tuple[nib.Nifti1Header, list[str]]:
    """Read and check a header; returns it with warnings.

    Raises:
        InputError: whatever is wrong with the file, as far as the header tells.
    """
    with _open(path) as file:
        header, warnings, _ = _begin(path, file, max_voxels)
    return header, warnings


def load_voxels(path: Path, max_voxels: int) -> tuple[nib.Nifti1Header, NDArray[np.floating], list[str]]:
    """Read header and scaled voxels `(I, J, K)`, float; returns them with warnings.

    Raises:
        InputError: whatever is wrong with the file.
    """
    with _open(path) as file:
        header, warnings, data = _begin(path, file, max_voxels)
        size = _size(header)
        try:
            data += file.read(max(size - len(data), 0))
            tail = len(data) - size
            while _is_gzip(path) and (more := file.read(2**20)):
                tail += len(more)
                if tail > _TAIL:
                    refuse(path, f"goes on for over {_TAIL // 2**20} MiB after its last voxel")
        except (EOFError, OSError, zlib.error) as error:
            refuse(path, f"is damaged or cut short ({error})", error)
    if len(data) < size:
        refuse(path, f"is cut short: {len(data)} bytes where its header tells of {size}")
    try:
        voxels = header.data_from_fileobj(io.BytesIO(data))
    except (HeaderDataError, ValueError, OSError) as error:
        refuse(path, f"its voxels cannot be read ({error})", error)
    return header, np.asarray(voxels).reshape(header.get_data_shape()[:3]), warnings


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _open(path: Path) -> BinaryIO:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        refuse(path, "is a link to nothing" if path.is_symlink() else "no such file", error)
    if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
        refuse(path, f"is a {'folder' if stat.S_ISDIR(found.st_mode) else 'device or pipe'}, not a file")
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        refuse(path, "is not named .nii or .nii.gz; only NIfTI files are read")
    if found.st_size == 0:
        refuse(path, "is empty")
    try:
        return gzip.open(path, "rb") if _is_gzip(path) else open(path, "rb")  # type: ignore[return-value]
    except OSError as error:
        refuse(path, f"cannot be read ({error.strerror})", error)


def _begin(path: Path, file: BinaryIO, max_voxels: int) -> tuple[nib.Nifti1Header, list[str], bytes]:
    try:
        data = file.read(540)
    except (EOFError, OSError, zlib.error) as error:
        refuse(path, f"is not gzip-compressed, or damaged ({error})", error)
    little, big = (int.from_bytes(data[:4], order) for order in ("little", "big"))
    size = little if little in _HEADERS else big
    if size not in _HEADERS or len(data) < 348:
        hint = "; it is gzip-compressed: name it .nii.gz" if data[:2] == b"\x1f\x8b" else ""
        refuse(path, f"is not a NIfTI file (it begins with {data[:8]!r}){hint}")
    heard = _Listener()
    try:
        header = _HEADERS[size](data[:size], check=False)
        header.check_fix(logger=heard.logger, error_level=40)
    except (HeaderDataError, ValueError) as error:
        refuse(path, f"has a bad header ({error})", error)
    warnings = [f"the header was mended: {message}" for message in heard.messages]
    warnings += _check_shape(path, header, max_voxels)
    if not _is_gzip(path) and (there := os.stat(path).st_size) < _size(header):
        refuse(path, f"is cut short: {there} bytes where its header tells of {_size(header)}")
    return header, warnings, data


def _check_shape(path: Path, header: nib.Nifti1Header, max_voxels: int) -> list[str]:
    try:
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
    except (HeaderDataError, ValueError) as error:
        refuse(path, f"has a bad header ({error})", error)
    if len(shape) < 3 or min(shape) < 1:
        refuse(path, f"has shape {shape}; a 3D image is needed")
    if any(edge != 1 for edge in shape[3:]):
        refuse(path, f"is {len(shape)}D, shape {shape}; a 3D image is needed: take one volume out of it")
    voxels = math.prod([int(edge) for edge in shape[:3]])
    if voxels > max_voxels:
        refuse(path, f"its header tells of {voxels} voxels, shape {shape}; at most {max_voxels} are read")
    if dtype.kind not in "iuf":
        refuse(path, f"holds {header.get_value_label('datatype')} values; one real number a voxel is needed")
    return [f"shape {shape} read as {shape[:3]}"] if len(shape) > 3 else []


def _size(header: nib.Nifti1Header) -> int:
    """Bytes up to the last voxel."""
    voxels = math.prod([int(edge) for edge in header.get_data_shape()])
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)


class _Listener(logging.Handler):
    """Keeps what nibabel says about a header that it mended."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.messages: list[str] = []
        self.logger = logging.Logger("interpbench.nifti")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
