"""Small images on disk; grids in the world, and fields on them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform
from scipy.spatial.transform import Rotation

AFFINE = np.array([[-2.0, 0, 0, 9], [0, 1.5, 0, -8], [0, 0, 3, -7], [0, 0, 0, 1]])
SHAPE = (6, 7, 8)


def values(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).normal(100, 20, shape)


def saved(folder, data=None, affine=AFFINE, name="image.nii.gz", dtype=np.float32, header=None):
    path = folder / name
    image = nib.Nifti1Image(np.asarray(values() if data is None else data, dtype=dtype), affine, header)
    image.to_filename(path)
    return path


def patched(path, offset, content):
    """The file with some of its header's bytes replaced."""
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[offset : offset + len(content)] = content
    path.write_bytes(gzip.compress(bytes(raw)))
    return path


@pytest.fixture(name="values", scope="session")
def give_values() -> Callable[..., np.ndarray]:
    return values


@pytest.fixture(name="saved", scope="session")
def give_saved() -> Callable[..., Path]:
    return saved


@pytest.fixture(name="patched", scope="session")
def give_patched() -> Callable[..., Path]:
    return patched


SLOPE = np.array([0.5, -0.3, 0.8])


def affine_of(zooms, angles, shape, centre=(3.0, -8.0, 5.0), codes="RAS"):
    """A grid whose middle voxel lies at `centre`, its axes near to `codes`; with the shape in that order."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(zooms)
    affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ (np.asarray(shape) // 2)
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    turned = apply_orientation(np.empty(shape), turn).shape
    return affine @ inv_ornt_aff(turn, shape), turned


def world_of(affine, shape):
    index = np.stack(np.meshgrid(*(np.arange(edge) for edge in shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def linear(affine, shape):
    return (world_of(affine, shape) @ SLOPE + 100).astype(np.float32)


def ball(affine, shape, centre=(3.0, -8.0, 5.0), radius=13.0):
    return np.linalg.norm(world_of(affine, shape) - centre, axis=-1) <= radius


@pytest.fixture(name="affine_of", scope="session")
def give_affine_of() -> Callable[..., Any]:
    return affine_of


@pytest.fixture(name="world_of", scope="session")
def give_world_of() -> Callable[..., Any]:
    return world_of


@pytest.fixture(name="linear", scope="session")
def give_linear() -> Callable[..., Any]:
    return linear


@pytest.fixture(name="ball", scope="session")
def give_ball() -> Callable[..., Any]:
    return ball
