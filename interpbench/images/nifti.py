"""One NIfTI file, checked: its header alone, or all of it, read to the end so that damage shows.

nibabel stops reading a gzip stream at the last voxel, before the checksum, and so passes wrong voxels on without an
error. Here the stream is read to its end within a bound, and the voxels are what those bytes hold. zlib is asked for
large pieces, in which it leaves Python's other threads to their work.
"""

from __future__ import annotations

import itertools
import logging
import math
import stat
import zlib
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from interpbench.errors import InputError

_GZIP = 31  # zlib's word for a gzip stream, with its header and checksum
_HEADERS: dict[int, Any] = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
_LATEST = 2**30  # byte at which the voxels must have begun
_TAIL = 16 * 2**20  # bytes that may follow the last voxel
_FIRST, _CHUNK = 2**12, 2**17  # bytes of a file that are read at once; a header lies in the first few
_SLICES = 4  # that are scaled at once
_PIECE = 2**19  # bytes that come out of one chunk at once, however well it was compressed


def refuse_image(path: Path, message: str, cause: BaseException | None = None) -> NoReturn:
    """Raise the one-line error that names the file."""
    raise InputError(f"{path}: {message}") from cause


def load_header(path: Path, max_voxels: int) -> tuple[nib.Nifti1Header, list[str]]:
    """Read and check a header; returns it with warnings.

    Raises:
        InputError: whatever is wrong with the file, as far as the header tells.
    """
    with _open(path) as file:
        header, warnings, _ = _begin(path, _pieces(path, file), max_voxels)
    return header, warnings


def load_voxels(path: Path, max_voxels: int) -> tuple[nib.Nifti1Header, NDArray[np.float32], list[str]]:
    """Read header and voxels `(I, J, K)`, scaled by slope and intercept; returns them with warnings.

    Raises:
        InputError: whatever is wrong with the file. Voxels that are no finite numbers are passed on.
    """
    with _open(path) as file:
        pieces = _pieces(path, file)
        header, warnings, start = _begin(path, pieces, max_voxels)
        try:
            if _is_gzip(path):
                content = _content(path, itertools.chain([start], pieces), _size(header))
            else:
                content = _plain_content(path, file, _size(header))
        except (EOFError, OSError, zlib.error) as error:
            refuse_image(path, f"is damaged or truncated ({error})", error)
    try:
        return header, _scaled(header, content), warnings
    except (HeaderDataError, ValueError, OSError) as error:
        refuse_image(path, f"its voxels cannot be read ({error})", error)


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _open(path: Path) -> FileIO:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        refuse_image(path, "is a broken link" if path.is_symlink() else "no such file", error)
    if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
        refuse_image(path, f"is a {'folder' if stat.S_ISDIR(found.st_mode) else 'device or pipe'}, not a file")
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        refuse_image(path, "is not named .nii or .nii.gz; only NIfTI files are read")
    if found.st_size == 0:
        refuse_image(path, "is empty")
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        refuse_image(path, f"cannot be read ({error.strerror})", error)


def _pieces(path: Path, file: FileIO) -> Iterator[bytes]:
    """The content of a file piece by piece, uncompressed.

    Raises:
        zlib.error: it is no gzip stream, or what came out of it has another checksum.
        EOFError: the stream does not come to its end.
    """
    chunks = itertools.chain([file.read(_FIRST)], iter(lambda: file.read(_CHUNK), b""))
    if not _is_gzip(path):
        yield from chunks
        return
    stream = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        rest = chunk
        while rest:
            if stream.eof:  # a gzip file may be several streams, one after the other, and end in zeros
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                stream = zlib.decompressobj(_GZIP)
            yield stream.decompress(rest, _PIECE)
            rest = stream.unconsumed_tail or stream.unused_data
    if not stream.eof:
        raise EOFError("the compressed stream is truncated")


def _content(path: Path, pieces: Iterable[bytes], size: int) -> NDArray[np.uint8]:
    """All bytes up to the last voxel of a compressed file, which is read to its end."""
    content, there = np.empty(size, dtype=np.uint8), 0
    for piece in pieces:
        wanted = memoryview(piece)[: max(size - there, 0)]
        content[there : there + len(wanted)] = np.frombuffer(wanted, dtype=np.uint8)
        there += len(piece)
        if there > size + _TAIL:
            refuse_image(path, f"continues for more than {_TAIL // 2**20} MiB after its last voxel")
    if there < size:
        refuse_image(path, f"is truncated: it has {there} bytes, and its header requires {size}")
    return content


def _plain_content(path: Path, file: FileIO, size: int) -> NDArray[np.uint8]:
    """All bytes up to the last voxel, straight from the file to where they stay."""
    content, there = np.empty(size, dtype=np.uint8), 0
    file.seek(0)
    while read := file.readinto(content[there:].data):
        there += read
    if there < size:
        refuse_image(path, f"is truncated: it has {there} bytes, and its header requires {size}")
    return content


def _scaled(header: nib.Nifti1Header, content: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The voxels that the bytes hold, as nibabel scales them, in C order."""
    slope, inter = header.get_slope_inter()  # both None where there is nothing to do
    shape, offset = header.get_data_shape()[:3], int(header.get_data_offset())
    stored: NDArray[Any] = np.ndarray(shape, header.get_data_dtype(), content, offset, order="F")
    values = np.empty(shape, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what lies beyond float32 becomes infinite
        for first in range(0, shape[1], _SLICES):  # which turns the axes in half the time of all at once
            some = slice(first, first + _SLICES)
            values[:, some] = apply_read_scaling(stored[:, some], slope, inter)
    return values


def _begin(path: Path, pieces: Iterator[bytes], max_voxels: int) -> tuple[nib.Nifti1Header, list[str], bytes]:
    data = b""
    try:
        while len(data) < 540 and (piece := next(pieces, None)) is not None:
            data += piece
    except (EOFError, OSError, zlib.error) as error:
        refuse_image(path, f"is not gzip-compressed, or damaged ({error})", error)
    little, big = (int.from_bytes(data[:4], order) for order in ("little", "big"))
    size = little if little in _HEADERS else big
    if size not in _HEADERS or len(data) < 348:
        hint = "; it is compressed with gzip: rename it to .nii.gz" if data[:2] == b"\x1f\x8b" else ""
        refuse_image(path, f"is not a NIfTI file (it begins with {data[:8]!r}){hint}")
    heard = _Listener()
    try:
        header = _HEADERS[size](data[:size], check=False)
        header.check_fix(logger=heard.logger, error_level=40)
    except (HeaderDataError, ValueError) as error:
        refuse_image(path, f"has an invalid header ({error})", error)
    warnings = [f"the header was corrected: {message}" for message in heard.messages]
    warnings += _check_shape(path, header, max_voxels)
    if not _is_gzip(path) and (there := path.stat().st_size) < _size(header):
        refuse_image(path, f"is truncated: it has {there} bytes, and its header requires {_size(header)}")
    return header, warnings, data


def _check_shape(path: Path, header: nib.Nifti1Header, max_voxels: int) -> list[str]:
    try:
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
    except (HeaderDataError, ValueError) as error:
        refuse_image(path, f"has an invalid header ({error})", error)
    if len(shape) < 3 or min(shape) < 1:
        refuse_image(path, f"has shape {shape}; a 3D image is needed")
    if any(edge != 1 for edge in shape[3:]):
        refuse_image(path, f"is {len(shape)}D, shape {shape}; a 3D image is needed: extract one volume from it")
    voxels = math.prod([int(edge) for edge in shape[:3]])
    if voxels > max_voxels:
        refuse_image(
            path, f"its header declares {voxels} voxels, shape {shape}; at most {max_voxels} are read (--max-voxels)"
        )
    begins = float(header["vox_offset"])
    if not int(header["sizeof_hdr"]) <= begins <= _LATEST:
        refuse_image(
            path, f"its header places the voxels at byte {begins:g}; they must follow the header, within 1 GiB"
        )
    if dtype.kind not in "iuf":
        refuse_image(path, f"holds {header.get_value_label('datatype')} values; one real number per voxel is needed")
    return [f"shape {shape} read as {shape[:3]}"] if len(shape) > 3 else []


def _size(header: nib.Nifti1Header) -> int:
    """Bytes up to the last voxel."""
    voxels = math.prod([int(edge) for edge in header.get_data_shape()])
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)


class _Listener(logging.Handler):
    """Collects nibabel's messages about a header that it corrected."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.messages: list[str] = []
        self.logger = logging.Logger("interpbench.images.nifti")  # noqa: LOG001  its own, which nobody configures
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
