"""Which voxels are inside a brain mask, whatever its file holds: 0 and 1, fractions, percent, labels.

- Two values, one of them 0: inside is what is not 0. Of two others, the higher is inside.
- Fractions from 0 to 1: inside is one half and more.
- Few whole numbers, or whole numbers in pieces of one value: labels; inside is what is not 0.
- Any other values, as percent: inside is half of the highest and more.

All but the first kind with a 0, and fractions, are doubtful; so is a mask that holds next to nothing, nearly all, or
the border of the image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpbench.doubts import ODD_MASK, Doubt

FEW = 10  # whole numbers, which are labels
ALIKE = 0.5  # share of neighbours with the same label, of what lies between 0 and the highest value
OVERSHOOT = 0.25  # by which interpolated fractions may leave 0 to 1
LEAST, MOST = 0.005, 0.9  # of the image
CORNERS = 5  # of eight inside
BORDER = 0.5  # of the image's faces inside
LARGEST = 2.25  # litres: of 337 stripped brains, in template space too, the largest has 2.15; the smallest head 2.37

Values = NDArray[np.float32]
Inside = NDArray[np.bool_]


def inside_mask(values: Values, litres_a_voxel: float) -> tuple[Inside, list[Doubt]]:
    """The voxels inside a mask `(I, J, K)`, and warnings about it.

    Args:
        values: finite.
        litres_a_voxel: the volume of a voxel.
    """
    inside, doubts = _by_values(values)
    if inside.any():
        doubts += _by_place(inside, litres_a_voxel)
    return inside, doubts


def _by_values(values: Values) -> tuple[Inside, list[Doubt]]:
    lowest, highest = float(values.min()), float(values.max())
    between = (values != lowest) & (values != highest)
    if not between.any():
        return _of_two(values, lowest, highest)
    fractional = bool((values[between] != np.rint(values[between])).any()) or highest <= 1
    if fractional and lowest >= -OVERSHOOT and highest <= 1 + OVERSHOOT:
        doubts = (
            []
            if lowest >= 0 and highest <= 1
            else [
                _doubt(
                    f"holds {lowest:.4g} to {highest:.4g}, not exactly fractions of 0 to 1: voxels"
                    " of at least 0.5 are inside"
                )
            ]
        )
        return values >= 0.5, doubts
    negative = ", some below zero" if lowest < 0 else ""
    if not fractional and (labels := _labels(values, between)):
        words = f"holds {labels} labels, {lowest:g} to {highest:g}{negative}: every nonzero voxel is inside"
        return values != 0, [_doubt(words)]
    if highest <= 0:
        return values != 0, [
            _doubt(f"holds {lowest:g} to {highest:g}, nothing above zero: every nonzero voxel is inside")
        ]
    words = (
        f"holds {lowest:g} to {highest:g}{negative}, neither two values nor fractions of 1: voxels of at least half the"
    )
    return values >= highest / 2, [_doubt(f"{words} maximum, {highest / 2:g}, are inside")]


def _of_two(values: Values, lowest: float, highest: float) -> tuple[Inside, list[Doubt]]:
    if lowest == highest or 0 in (lowest, highest):
        words = f"holds {lowest:g} and 0: every nonzero voxel is inside"
        return values != 0, [_doubt(words)] if lowest < 0 and highest == 0 else []
    return values == highest, [
        _doubt(f"holds {lowest:g} and {highest:g} only, and not 0: voxels of {highest:g} are inside")
    ]


def _labels(values: Values, between: Inside) -> int:
    """The number of labels; 0 where values rise and fall from voxel to voxel as fractions do, or overshoot below 0."""
    labels = len(np.unique(values)) - int((values == 0).any())
    same = values[:, :, 1:] == values[:, :, :-1]
    alike = float(same[between[:, :, 1:]].mean()) if between[:, :, 1:].any() else 1.0
    return labels if labels <= FEW or (alike >= ALIKE and values.min() >= 0) else 0


def _by_place(inside: Inside, litres_a_voxel: float) -> list[Doubt]:
    share, litres = float(inside.mean()), float(inside.sum()) * litres_a_voxel
    corners = int(inside[:: inside.shape[0] - 1 or 1, :: inside.shape[1] - 1 or 1, :: inside.shape[2] - 1 or 1].sum())
    faces = float(np.mean(np.concatenate(faces_of(inside))))
    if share > MOST:
        return [_doubt(f"covers {share:.0%} of the image: there is no background")]
    if corners >= CORNERS or faces > BORDER:
        return [_doubt(f"covers {faces:.0%} of the image's border: it may be inverted, and cover the background")]
    if litres > LARGEST:
        return [_doubt(f"has a volume of {litres:.1f} litres, more than a brain: it may cover the whole head")]
    if share < LEAST:
        return [_doubt(f"covers only {share:.1%} of the image")]
    return []


def faces_of(image: NDArray[Any]) -> list[NDArray[Any]]:
    """The voxels of the six faces of a box `(I, J, K)`, flat."""
    return [image.take(end, axis=axis).ravel() for axis in range(3) for end in (0, -1)]


def _doubt(words: str) -> Doubt:
    return Doubt(f"the mask {words}", ODD_MASK)
