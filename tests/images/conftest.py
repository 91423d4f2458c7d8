"""Small images on disk."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

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
