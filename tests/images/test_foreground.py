"""Without a mask the brain is found where the background is one value or nearly so; else it is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import shift

from interpbench import brain_of
from interpbench.doubts import NO_STRIPPING, UNEVEN, kind_of
from interpbench.images.brain import foreground_of
from interpbench.images.volume import Volume

SHAPE, EDGE = (40, 46, 38), 4.0  # mm
AXES = np.meshgrid(*((np.arange(edge) - (edge - 1) / 2) * EDGE for edge in SHAPE), indexing="ij")
RADIUS = np.sqrt((AXES[0] / 58) ** 2 + (AXES[1] / 72) ** 2 + (AXES[2] / 55) ** 2)
BRAIN = RADIUS < 1
RANDOM = np.random.default_rng(0)
TISSUE = 100 + 15 * np.cos(AXES[0] / 11) * np.cos(AXES[1] / 13) + 3 * RANDOM.standard_normal(SHAPE)
STRIPPED = np.where(BRAIN, TISSUE, 0)
NOISE = RANDOM.standard_normal(SHAPE)


def moved(image: np.ndarray) -> np.ndarray:
    """By fractions of a voxel, as Fourier's interpolation does: a ripple that goes on to the corners."""
    ramp = sum(
        part * step
        for part, step in zip(
            np.meshgrid(*(np.fft.fftfreq(edge) for edge in SHAPE), indexing="ij"), (0.3, 0.4, 0.2), strict=True
        )
    )
    return np.fft.ifftn(np.fft.fftn(image) * np.exp(-2j * np.pi * ramp)).real


def head(scale: float = 1.0) -> np.ndarray:
    skin, skull, fluid = (RADIUS < 1.28) & (RADIUS >= 1.2), (RADIUS < 1.2) & (RADIUS >= 1.06), (RADIUS < 1.06) & ~BRAIN
    image = np.where(BRAIN, TISSUE, np.abs(scale * NOISE))
    image[skin], image[skull], image[fluid] = 180, 15, 30
    return image


def found_in(image: np.ndarray, edge: float = EDGE) -> tuple[np.ndarray, list[str]]:
    volume = Volume(torch.from_numpy(image.astype(np.float32))[None], np.diag([edge, edge, edge, 1.0]))
    inside, doubts = foreground_of(volume)
    return inside.numpy(), [kind_of(one) for one in doubts]


EVEN = {
    "zero": STRIPPED,
    "one negative value": STRIPPED - 100,
    "brain on both sides of it": np.where(BRAIN, (TISSUE - 100) / 10, 0),
    "brain that touches the border": np.where(RADIUS < 1.35, TISSUE, 0),
    "darker than a brain's values by far": np.where(BRAIN, TISSUE, -1000),
}


@pytest.mark.parametrize("name", EVEN)
def test_an_even_background_gives_the_very_voxels_that_differ_from_it(name: str) -> None:
    inside, doubts = found_in(EVEN[name], edge=3.0)
    plain = brain_of(torch.from_numpy(EVEN[name].astype(np.float32))[None, None])[0].numpy()
    assert np.array_equal(inside, plain) and doubts == []


UNEVEN_ONES = {
    "spline": shift(STRIPPED, (0.3, 0.4, 0.2), order=3, mode="constant"),
    "ripple": moved(STRIPPED),
    "whole numbers": np.round(moved(STRIPPED)),
    "ones around": STRIPPED + np.where(BRAIN, 0, RANDOM.integers(-1, 2, SHAPE)),
    "tiny": np.where(BRAIN, TISSUE, 1e-5 * NOISE),
    "tiny, but for the corners": np.where(BRAIN | (RADIUS > 1.9), STRIPPED, 1e-5 * NOISE),
    "below zero": np.where(BRAIN, TISSUE, -50 + 0.5 * NOISE),
    "brain on both sides of it": np.where(BRAIN, (TISSUE - 100) / 10, 1e-4 * NOISE),
    "specks": np.where(RANDOM.random(SHAPE) < 1e-3, 90, np.where(BRAIN, TISSUE, np.abs(NOISE))),
}


@pytest.mark.parametrize("name", UNEVEN_ONES)
def test_in_a_background_of_nearly_one_value_the_brain_is_found_and_it_is_told(name: str) -> None:
    inside, doubts = found_in(UNEVEN_ONES[name])
    overlap = 2 * (inside & BRAIN).sum() / (inside.sum() + BRAIN.sum())
    assert overlap > 0.9 and doubts == [UNEVEN]


NOT_STRIPPED = {
    "a head in air": (head(), EDGE),
    "a head in air of zeros": (head(0), EDGE),
    "a head whose corners are cut to zero": (np.where(RADIUS > 1.9, 0, head()), EDGE),
    "larger than any brain": (STRIPPED, 6.0),
    "no background": (TISSUE, EDGE),
    "only some noise": (NOISE, EDGE),
}


@pytest.mark.parametrize("name", NOT_STRIPPED)
def test_what_is_not_stripped_is_told(name: str) -> None:
    image, edge = NOT_STRIPPED[name]
    assert found_in(image, edge)[1] == [NO_STRIPPING]


@pytest.mark.parametrize("rim", [0.3, 0.7, 1.6], ids=["dark fluid", "grey", "bright fluid"])
def test_a_stripped_brain_with_any_rim_is_no_head(rim: float) -> None:
    image = np.where(BRAIN, TISSUE * np.where(RADIUS > 0.93, rim, 1), 0)
    assert found_in(image)[1] == []
