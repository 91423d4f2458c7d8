"""An image that is odd by itself, or unlike those that a network was trained on, is told, and why."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from interpbench.doubts import INTENSITIES, UNLIKE, kind_of
from interpbench.errors import InputError
from interpbench.images.intensities import odd_intensities
from interpbench.images.typical import FEWEST, KEY, Typical, typical_of, unlike

SHAPE = (24, 28, 22)
AXES = np.meshgrid(*(np.linspace(-1.15, 1.15, edge) for edge in SHAPE), indexing="ij")
BRAIN = sum(axis**2 for axis in AXES) < 1
X, Y, Z = AXES
ANATOMY = np.cos(3 * Y + 1) * (1 + 0.6 * Z) + 0.8 * np.exp(-8 * ((X + 0.4) ** 2 + Y**2 + (Z - 0.2) ** 2))


def subject(seed: int) -> np.ndarray:
    """A brain of mean 0 and variance 1 on a background of 0: an anatomy that all share, and something of its own."""
    random = np.random.default_rng(seed)
    own = 0.3 * np.cos(4 * X + random.uniform(0, 6)) * np.cos(4 * Y + random.uniform(0, 6))
    return normalised(ANATOMY + own + 0.2 * random.standard_normal(SHAPE))


def normalised(values: np.ndarray) -> np.ndarray:
    return np.where(BRAIN, (values - values[BRAIN].mean()) / values[BRAIN].std(), 0).astype(np.float32)


def pair(image: np.ndarray, brain: np.ndarray = BRAIN) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(np.ascontiguousarray(image))[None], torch.from_numpy(np.ascontiguousarray(brain))


def spike(image: np.ndarray) -> np.ndarray:
    image = image.astype(np.float64)
    image[12, 14, 11] = 1e30
    return normalised(image)


@pytest.fixture(scope="module")
def typical() -> Typical:
    found, doubts = Typical.of([pair(subject(seed)) for seed in range(30)], "RAS")
    assert found is not None and doubts == [None] * 30
    return Typical.from_json(json.loads(json.dumps(found.to_json())), "model.json")


ODD = {
    "as the others": (lambda image: image, None),
    "mirrored": (lambda image: image[::-1], "mirrored left to right"),
    "back to front": (lambda image: image[:, ::-1], "back to front"),
    "upside down": (lambda image: image[:, :, ::-1], "upside down"),
    "inverted": (lambda image: -image, "inverted"),
    "noise": (lambda image: normalised(np.random.default_rng(5).standard_normal(SHAPE)), "its distance is"),
    "a spike": (spike, "its distance is"),
    "another contrast": (lambda image: normalised(np.abs(image)), "its distance is"),
    "shifted": (lambda image: np.roll(image, 6, axis=1), "its distance is"),
    "all 0": (lambda image: 0 * image, "its distance is"),
    "not finite": (lambda image: image * np.float32(np.inf), "unlike"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_image_unlike_the_training_images_is_told(typical: Typical, name: str) -> None:
    change, words = ODD[name]
    told = [unlike(typical, *pair(change(subject(seed)))) for seed in (101, 102, 103)]
    assert [len(one) for one in told] == [words is not None] * 3
    assert all(kind_of(one[0]) == UNLIKE and (words or "") in one[0] for one in told if one)


def test_held_out_images_are_hardly_ever_told(typical: Typical) -> None:
    assert sum(len(unlike(typical, *pair(subject(seed)))) for seed in range(200, 300)) <= 1


def test_a_brain_of_another_size_is_told(typical: Typical) -> None:
    small = (sum(axis**2 for axis in AXES) < 0.6) & BRAIN
    (doubt,) = unlike(typical, *pair(subject(101), small))
    assert "voxels on the grid" in doubt


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PSR", "SAL"])
def test_the_way_is_named_by_the_grid_s_orientation(orientation: str) -> None:
    found, _ = Typical.of([pair(subject(seed)) for seed in range(30)], orientation)
    words = {"R": "mirrored", "L": "mirrored", "A": "back", "P": "back", "S": "upside", "I": "upside"}
    for axis, letter in enumerate(orientation):
        (doubt,) = unlike(found, *pair(np.flip(subject(101), axis)))
        assert words[letter] in doubt


def test_an_odd_training_image_is_told_by_the_others() -> None:
    images = [pair(subject(seed)) for seed in range(30)]
    images[7] = pair(subject(7)[:, :, ::-1])
    found, doubts = Typical.of(images, "RAS")
    assert found is not None and [place for place, doubt in enumerate(doubts) if doubt] == [7]


def test_of_a_few_images_nothing_is_said() -> None:
    found, doubts = Typical.of([pair(subject(seed)) for seed in range(FEWEST - 1)], "RAS")
    assert found is None and doubts == [None] * (FEWEST - 1)
    assert typical_of({}, "model.json") is None and unlike(None, *pair(subject(0))) == ()


@pytest.mark.parametrize(
    "change",
    [
        5,
        "text",
        {},
        {"cells": [0, 1, 2]},
        {"cells": [10**400, 1, 1]},
        {"mean_and_directions": "!"},
        {"flips": None},
        {"mean_and_directions": "AAAA"},
        {"distance": float("nan")},
        {"limit": "far"},
        {"orientation": "R"},
        {"brain_voxels": [1]},
        {"cells": None},
    ],
)
def test_a_damaged_record_is_refused_in_one_line(typical: Typical, change: object) -> None:
    record = {**typical.to_json(), **change} if isinstance(change, dict) and change else change
    with pytest.raises(InputError, match=f"model.json: {KEY} is not a valid record"):
        typical_of({KEY: record}, "model.json")


TISSUE = 100 + 10 * ANATOMY + np.random.default_rng(3).standard_normal(SHAPE)
STRIPPED = np.where(BRAIN, TISSUE, 0)


def with_voxel(value: float, place: tuple[int, int, int] = (12, 14, 11)) -> np.ndarray:
    image = STRIPPED.copy()
    image[place] = value
    return image


ALONE = {
    "sound": (STRIPPED, None),
    "sound, some bright vessels": (np.where(np.random.default_rng(1).random(SHAPE) < 0.003, 5, 1) * STRIPPED, None),
    "one voxel of 1e30": (with_voxel(1e30), "have extreme intensities"),
    "one voxel of -1e30": (with_voxel(-1e30), "have extreme intensities"),
    "two spikes": (with_voxel(1e30) + with_voxel(1e20, (10, 10, 10)), "have extreme intensities"),
    "inverted with its background": (200 - STRIPPED, "brighter than the brain"),
    "z-scored": (np.where(BRAIN, (TISSUE - 100) / 10, 0), None),
}


@pytest.mark.parametrize("name", ALONE)
def test_odd_intensities_are_told_without_any_training_image(name: str) -> None:
    image, words = ALONE[name]
    doubts = odd_intensities(image.astype(np.float32), BRAIN)
    assert len(doubts) == (words is not None) and all(kind_of(one) == INTENSITIES for one in doubts)
    assert words is None or words in doubts[0]


def test_noise_is_told_where_there_are_enough_voxels() -> None:
    noise = np.random.default_rng(0).standard_normal((30, 32, 34)).astype(np.float32)
    inside = np.ones(noise.shape, dtype=bool)
    assert "as in noise" in odd_intensities(noise, inside)[0]
    assert odd_intensities(noise[:9], inside[:9]) == odd_intensities(noise, ~inside) == []
