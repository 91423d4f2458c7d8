"""Small heads in any orientation, with voxels of unequal edges, and the effects of each kind on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from interpbench.planting.geometry import distances_in
from interpbench.planting.tissue import Tissue, tissue_of

SHAPE = (26, 24, 22)
AFFINES = {
    "2 mm RAS": np.diag([2.0, 2.0, 2.0, 1.0]),
    "LAS": np.diag([-2.0, 2.0, 2.0, 1.0]),
    "PSR, anisotropic": np.array([[0, 0, 2.4, 0], [-1.8, 0, 0, 0], [0, 2.1, 0, 0], [0, 0, 0, 1.0]]),
    "sheared and turned": np.array([[1.9, 0.5, 0.0, 0], [-0.4, 2.0, 0.1, 0], [0.0, 0.2, 2.3, 0], [0, 0, 0, 1.0]]),
}


def centred(affine: np.ndarray, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """The affine with the world's origin in the middle of the image."""
    found = affine.copy()
    found[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return found


def head(affine: np.ndarray, seed: int = 0, radius: float = 20.0) -> Tissue:
    """A ball of tissue of 500 with dark fluid in its middle and noise; 0 around it."""
    affine = centred(affine)
    window = tuple(slice(0, edge) for edge in SHAPE)
    distance = distances_in(window, affine, np.zeros(3))
    values = np.where(distance < 4, 100.0, 500.0) + 20 * np.random.default_rng(seed).standard_normal(SHAPE)
    brain = distance < radius
    return tissue_of(np.where(brain, values, 0).astype(np.float32), brain, affine)


@pytest.fixture(params=AFFINES)
def affine(request: pytest.FixtureRequest) -> np.ndarray:
    return AFFINES[request.param]


@pytest.fixture
def tissue(affine: np.ndarray) -> Tissue:
    return head(affine)


@pytest.fixture
def ball(tissue: Tissue) -> np.ndarray:
    """A ball of 7 mm, off the middle."""
    window = tuple(slice(0, edge) for edge in SHAPE)
    return distances_in(window, tissue.affine, np.array([8.0, -3.0, 2.0])) < 7


@pytest.fixture
def make_head() -> Callable[..., Tissue]:
    return head


@pytest.fixture
def plain() -> Tissue:
    """A head in the usual orientation."""
    return head(AFFINES["2 mm RAS"])
