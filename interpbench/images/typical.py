"""What a network's training images look like, coarsely, and whether another image looks like them.

An image on the network's grid is pooled to at most 8 x 10 x 8 cells. The training images' mean and their few main
directions (principal components) say what is typical; an image's distance is the root mean square, over the cells, of
what they cannot explain. How far training images lie is found by leaving a fifth of them out at a time. An image is
unlike them where it lies three times as far as their median, and farther than their spread explains; or where it fits
clearly better upside down, back to front or mirrored than as it lies, again beyond what training images do.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool3d

from interpbench.doubts import UNLIKE, Doubt
from interpbench.errors import InputError

KEY = "training_images"  # of `model.json`
CELLS = (8, 10, 8)  # at most
DIRECTIONS = 8  # at most; no more than a third of the images
FEWEST = 10  # training images, to say what is typical
FOLDS = 5
TINY = 1e-12
FAR = 3.0  # times the median distance; of 504 held-out images of two cohorts, 3 lay farther
CLEARLY = 0.05  # of the logarithm of two distances
SPREADS = 3.5  # robust standard deviations of the logarithm, beyond what training images do; more of few images
WAYS = (("LR", "mirrored left to right"), ("AP", "back to front"), ("SI", "upside down"))

Cells = NDArray[np.float64]  # (N, cells)


@dataclass(frozen=True, eq=False)
class Typical:
    """What is typical of a network's training images.

    Args:
        cells: `(I, J, K)` of the coarse grid.
        mean: `(cells,)`.
        directions: `(D, cells)`, orthonormal.
        distance: the median distance of training images that were left out.
        limit: the distance beyond which an image is unlike them.
        flips: by axis of the grid, how much better than as it lies an image may fit when flipped: the logarithm of
            two distances.
        volumes: the least and most brain voxels of a training image.
        orientation: of the network's grid, `RAS` say.
    """

    cells: tuple[int, int, int]
    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    distance: float
    limit: float
    flips: tuple[float, float, float]
    volumes: tuple[int, int]
    orientation: str

    @classmethod
    def of(cls, images: Iterable[tuple[Tensor, Tensor]], orientation: str) -> tuple[Self | None, list[Doubt | None]]:
        """What is typical of training images, and the doubt about each of them; nothing of fewer than `FEWEST`.

        Args:
            images: volumes `(1, I, J, K)` as the network sees them, and brains `(I, J, K)`; one is held at a time.
        """
        rows, sizes, cells = [], [], CELLS
        for volume, brain in images:
            cells = _cells_for(volume)
            rows.append(_pooled(volume, cells))
            sizes.append(int(brain.sum()))
        if len(rows) < FEWEST:
            return None, [None] * len(rows)
        found = np.stack(rows)
        fold = np.arange(len(found)) % FOLDS
        models = [_main(found[fold != one]) for one in range(FOLDS)]
        apart = [models[one] for one in fold]
        distances = np.array([_distance(row, *model) for row, model in zip(found, apart, strict=True)])
        gains = np.array([_gains(row, cells, *model) for row, model in zip(found, apart, strict=True)])
        first, second, third = (max(CLEARLY, _beyond(gains[:, axis])) for axis in range(3))
        middle, limit = float(np.median(distances)), math.exp(_beyond(np.log(distances + TINY)))
        made = cls(
            cells,
            *_main(found),
            distance=middle,
            limit=max(FAR * middle, limit),
            flips=(first, second, third),
            volumes=(min(sizes), max(sizes)),
            orientation=orientation,
        )
        told = [made._doubt(row, size, *model) for row, size, model in zip(found, sizes, apart, strict=True)]
        return made, told

    def doubt(self, volume: Tensor, brain: Tensor) -> Doubt | None:
        """Why an image `(1, I, J, K)`, brain `(I, J, K)`, is unlike the training images; None where it is not."""
        return self._doubt(_pooled(volume, self.cells), int(brain.sum()), self.mean, self.directions)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` reads them back. Mean and directions are float16, in base64."""
        scale = 2.0 ** math.frexp(float(np.abs(self.mean).max()))[1]  # a mean of any unit fits into float16
        packed = np.concatenate([self.mean[None] / scale, self.directions]).astype("<f2").tobytes()
        return {
            "cells": list(self.cells),
            "mean_and_directions": base64.b64encode(packed).decode(),
            "scale": scale,
            "distance": self.distance,
            "limit": self.limit,
            "flips": list(self.flips),
            "brain_voxels": list(self.volumes),
            "orientation": self.orientation,
        }

    @classmethod
    def from_json(cls, values: object, source: object) -> Self:
        """What `to_json` wrote.

        Raises:
            InputError: `source` holds something else under `KEY`.
        """
        try:
            if not isinstance(values, Mapping):
                raise TypeError
            one, two, three = (int(edge) for edge in values["cells"])
            packed = np.frombuffer(base64.b64decode(values["mean_and_directions"], validate=True), dtype="<f2")
            table = packed.astype(np.float64).reshape(-1, one * two * three)
            first, second, third = (float(gain) for gain in values["flips"])
            least, most = (int(number) for number in values["brain_voxels"])
            distance, limit = float(values["distance"]), float(values["limit"])
            scale = float(values.get("scale", 1.0))  # earlier records have none
            orientation, numbers = str(values["orientation"]), (distance, limit, scale, first, second, third)
            sound = np.isfinite(table).all() and np.isfinite(numbers).all() and len(table) and min(one, two, three) > 0
            if not sound or len(orientation) != 3:
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
            raise InputError(f"{source}: {KEY} is not a valid record of training images: train again.") from error
        cells, flips = (one, two, three), (first, second, third)
        return cls(cells, table[0] * scale, table[1:], distance, limit, flips, (least, most), orientation)

    def _doubt(
        self, row: NDArray[np.float64], size: int, mean: NDArray[np.float64], directions: NDArray[np.float64]
    ) -> Doubt | None:
        distance = _distance(row, mean, directions)
        gains = _gains(row, self.cells, mean, directions)
        over = [gain - limit for gain, limit in zip(gains, self.flips, strict=True)]
        best = int(np.argmax(over))
        unlike = distance > self.limit
        if unlike and 2 * _distance(-row, mean, directions) < distance:
            return Doubt("the image seems inverted: bright where the training images are dark", UNLIKE)
        better = over[best] > 0
        if better and distance / math.exp(gains[best]) <= self.limit:
            return Doubt(f"the image fits the training images better {self._way(best)} than in its orientation", UNLIKE)
        if unlike or better:
            times = distance / max(self.distance, TINY)
            words = f"the image is unlike the training images: its distance is {times:.1f} times their own"
            return Doubt(words, UNLIKE)
        least, most = self.volumes
        if not 0.6 * least <= size <= 1.6 * most:
            words = f"the brain has {size} voxels on the grid; brains of the training images have {least} to {most}"
            return Doubt(words, UNLIKE)
        return None

    def _way(self, axis: int) -> str:
        letter = self.orientation[axis]
        return next(words for letters, words in WAYS if letter in letters)


def typical_of(record: Mapping[str, Any], source: object) -> Typical | None:
    """The summary of training images in a predictor's record; None if it has none.

    Raises:
        InputError: `source` holds something else there.
    """
    return None if record.get(KEY) is None else Typical.from_json(record[KEY], source)


def unlike(typical: Typical | None, volume: Tensor, brain: Tensor) -> tuple[Doubt, ...]:
    """The doubt that an image is unlike the training images, as a tuple of one, or none."""
    doubt = None if typical is None else typical.doubt(volume, brain)
    return () if doubt is None else (doubt,)


def _cells_for(volume: Tensor) -> tuple[int, int, int]:
    first, second, third = (min(edge, most) for edge, most in zip(volume.shape[1:], CELLS, strict=True))
    return first, second, third


def _pooled(volume: Tensor, cells: tuple[int, int, int]) -> NDArray[np.float64]:
    """The cells' means, flat; what no float32 can hold counts as 0."""
    pooled = adaptive_avg_pool3d(volume[None].float(), cells).double().flatten().numpy()
    return np.nan_to_num(np.asarray(pooled, dtype=np.float64), posinf=0.0, neginf=0.0)


def _main(rows: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean, and the main directions around it."""
    mean = rows.mean(axis=0)
    number = min(DIRECTIONS, len(rows) // 3)
    return mean, np.linalg.svd(rows - mean, full_matrices=False)[2][:number]


def _distance(row: NDArray[np.float64], mean: NDArray[np.float64], directions: NDArray[np.float64]) -> float:
    apart = row - mean
    apart = apart - (apart @ directions.T) @ directions
    return float(np.sqrt(np.mean(apart**2)))


def _gains(
    row: NDArray[np.float64], cells: tuple[int, int, int], mean: NDArray[np.float64], directions: NDArray[np.float64]
) -> list[float]:
    """How much better the image fits flipped along each axis: the logarithm of two distances."""
    here = _distance(row, mean, directions)
    flipped = [np.flip(row.reshape(cells), axis).ravel() for axis in range(3)]
    return [math.log((here + TINY) / (_distance(one, mean, directions) + TINY)) for one in flipped]


def _beyond(values: NDArray[np.float64]) -> float:
    """What hardly any value of this kind exceeds: the median, and a number of robust standard deviations."""
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    return float(middle + SPREADS * (1 + 40 / len(values) ** 2) * spread)
