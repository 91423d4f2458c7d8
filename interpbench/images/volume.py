"""A volume: voxels, affine and file header; read from and written to NIfTI.

Affines are 4x4, voxel index to world millimetres, RAS+ (x to the right, y to the front, z up).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel.spatialimages import HeaderDataError
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from interpbench.doubts import HEADER, NOT_FINITE, Doubt
from interpbench.files.atomic import atomic_path
from interpbench.images.nifti import load_header, load_voxels, refuse_image
from interpbench.images.rules import MAX_VOXELS

_Voxels = NDArray[np.float32] | NDArray[np.uint8]
_REPEATED = 0.05  # share of neighbours along I that have the same value, above which repetition is looked for
_MILLIMETRES, _OTHER_UNITS = (0, 2), {1: "meter", 3: "micron"}  # of the header's xyzt_units; 0 says nothing
_MM_APART = 1.0  # sform and qform further apart than this are worth a warning


@dataclass(frozen=True, eq=False)
class Volume:
    """One 3D image.

    Args:
        data: `(1, I, J, K)` float32.
        affine: `(4, 4)` float64, voxel to world in mm.
        header: the file's, None where there was none.
        path: the file it came from.
        warnings: sentences for whoever reads the result.
    """

    data: Tensor
    affine: NDArray[np.float64]
    header: nib.Nifti1Header | None = None
    path: Path | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Header:
    """The header of an image file: shape `(I, J, K)`, affine, voxel sizes in mm."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    zooms: tuple[float, float, float]
    warnings: tuple[str, ...] = ()


def read_header(path: Path | str, *, max_voxels: int = MAX_VOXELS) -> Header:
    """Read the header of an image file, without its voxels.

    Raises:
        InputError: the file is refused, as far as its header tells.
    """
    path = Path(path)
    header, warnings = load_header(path, max_voxels)
    affine, words = _affine_of(path, header)
    first, second, third = (int(edge) for edge in header.get_data_shape()[:3])
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    zooms = (float(edges[0]), float(edges[1]), float(edges[2]))
    return Header((first, second, third), affine, zooms, _of_header(warnings, words))


def read_volume(
    path: Path | str, *, max_voxels: int = MAX_VOXELS, nan_to_zero: bool | None = None, constant_ok: bool = False
) -> Volume:
    """Read a 3D NIfTI image, scaled by its slope and intercept.

    Args:
        path: `.nii` or `.nii.gz`.
        max_voxels: larger images are refused before they are read.
        nan_to_zero: take voxels that are not finite as 0, and say so in `warnings`; False where the user may ask for
            that, so that a refusal names `--nan-to-zero`; None where nobody can.
        constant_ok: accept an image of one value, as a mask may be.

    Raises:
        InputError: the file is missing, damaged, not 3D, holds NaN or infinity, is constant, or has no usable affine.
    """
    path = Path(path)
    header, values, warnings = load_voxels(path, max_voxels)
    affine, words = _affine_of(path, header)
    doubts = _of_header(warnings, words)
    with np.errstate(invalid="ignore"):
        lowest, highest = values.min(), values.max()  # no finite numbers themselves where any voxel is none
    if not np.isfinite([lowest, highest]).all():
        bad = ~np.isfinite(values)
        count = int(bad.sum())
        first = tuple(int(edge) for edge in np.unravel_index(int(bad.argmax()), bad.shape))
        found = f"{count} voxels are not finite, the first at index {first}"
        if not nan_to_zero:
            refuse_image(path, found if nan_to_zero is None else f"{found}; --nan-to-zero replaces them by 0")
        values[bad] = 0.0
        lowest, highest = values.min(), values.max()
        doubts = (*doubts, Doubt(f"{found}; replaced by 0", NOT_FINITE))
    if not constant_ok and lowest == highest:
        refuse_image(path, f"every voxel is {values.flat[0]:g}: the image is constant")
    return Volume(torch.from_numpy(values)[None], affine, header, path, doubts)


def _of_header(*sentences: list[str]) -> tuple[Doubt, ...]:
    return tuple(Doubt(one, HEADER) for some in sentences for one in some)


def write_map(
    path: Path | str, data: Tensor | ArrayLike, *, like: Volume | None = None, affine: ArrayLike | None = None
) -> None:
    """Write a map as float32 NIfTI, atomically; the same map gives the same bytes.

    Args:
        path: ends in `.nii` or `.nii.gz`.
        data: `(I, J, K)`.
        like: the volume on whose grid the map lies: its header is kept, with sform, qform, their codes and units.
        affine: the map's own, where it lies on another grid than `like` or where there is no `like`.

    Raises:
        ValueError: neither `like` nor `affine`, or a shape that is not that of `like`.
    """
    values = np.asarray(data.detach().cpu() if isinstance(data, Tensor) else data, dtype=np.float32)
    _write(Path(path), values, like, affine)


def write_mask(path: Path | str, inside: ArrayLike, *, like: Volume) -> None:
    """Write a mask as uint8 NIfTI on a volume's grid, otherwise as `write_map`.

    Args:
        inside: `(I, J, K)` bool.
    """
    _write(Path(path), np.asarray(inside, dtype=np.uint8), like, None)


def _write(path: Path, values: _Voxels, like: Volume | None, affine: ArrayLike | None) -> None:
    if values.ndim != 3 or (affine is None and (like is None or values.shape != tuple(like.data.shape[1:]))):
        grid = None if like is None else tuple(like.data.shape[1:])
        raise ValueError(
            f"a map of shape {values.shape} does not fit: give its affine, or `like` of this shape (got {grid})"
        )
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"the file name of a map must end in .nii or .nii.gz, got {path.name}")
    content = _image(values, like, affine).to_bytes()
    if path.name.endswith(".gz"):
        content = _compressed(content, values)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _compressed(content: bytes, values: _Voxels) -> bytes:
    """The gzip stream of a map's file, without a time stamp.

    Most maps have another number in every voxel of the brain, and zeros around it. Then looking for what repeats itself
    finds nothing but runs of zeros, and to look for runs alone takes a third of the time for a file no larger. Maps of
    boxes or layers do repeat numbers from voxel to voxel.
    """
    inside = values[1:] != 0
    repeated = np.count_nonzero((values[1:] == values[:-1]) & inside) > _REPEATED * np.count_nonzero(inside)
    strategy = zlib.Z_DEFAULT_STRATEGY if repeated else zlib.Z_RLE
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16, strategy=strategy)
    return packer.compress(content) + packer.flush()


def _image(values: _Voxels, like: Volume | None, affine: ArrayLike | None) -> nib.Nifti1Image:
    header: Any = None if like is None else like.header
    place = like.affine if affine is None and like is not None else np.asarray(affine, dtype=np.float64)
    if header is None:
        image = nib.Nifti1Image(values, place)
        image.header.set_xyzt_units("mm")
        return image
    header = header.copy()
    header.set_data_dtype(values.dtype)
    header["cal_min"] = header["cal_max"] = 0  # the source's display range says nothing of a map's
    if affine is not None:
        header.set_sform(place, code=int(header["sform_code"]) or 2)
        header.set_qform(place, code=int(header["qform_code"]), strip_shears=True)
    kind: Any = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    made: nib.Nifti1Image = kind(values, place, header)
    return made


def _affine_of(path: Path, header: nib.Nifti1Header) -> tuple[NDArray[np.float64], list[str]]:
    """The header's affine and warnings about it; an unusable affine is refused."""
    try:
        with np.errstate(all="ignore"):  # what is no number is refused below
            affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError, np.linalg.LinAlgError) as error:
        refuse_image(path, f"has no usable affine ({error})", error)
    if not np.isfinite(affine).all():
        refuse_image(path, "its affine has non-finite values")
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if edges.min() < 1e-6 or abs(np.linalg.det(affine[:3, :3] / edges)) < 1e-4:
        refuse_image(path, "its affine is singular: an axis has no length, or two point the same way")
    return affine, _doubts(header)


def _doubts(header: nib.Nifti1Header) -> list[str]:
    warnings = []
    sform, qform = header.get_sform(coded=True)[0], None
    try:
        with np.errstate(all="ignore"):
            qform = header.get_qform(coded=True)[0]
    except (HeaderDataError, ValueError, np.linalg.LinAlgError):
        warnings.append("the qform is unusable; sform was used")
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        warnings.append(
            "the header does not define the image's position (sform and qform codes are 0); a default was used"
        )
    if sform is not None and qform is not None:
        shape = np.array(header.get_data_shape()[:3]) - 1
        corners = np.array(list(np.ndindex(2, 2, 2))) * shape
        apart = corners @ (sform - qform)[:3, :3].T + (sform - qform)[:3, 3]
        distance = float(np.linalg.norm(apart, axis=1).max())
        if not distance <= _MM_APART:
            warnings.append(f"sform and qform disagree by {distance:.1f} mm; sform was used")
    code = int(header["xyzt_units"]) % 8
    if code not in _MILLIMETRES:
        unit = _OTHER_UNITS.get(code, f"a unit of code {code}")
        warnings.append(f"the header gives lengths in {unit}; they were read as millimetres")
    return warnings
