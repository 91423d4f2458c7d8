"""A recipe: how an image file becomes a network's input, and how a map comes back onto the file's own grid.

The network sees a box of cubic voxels. With a `centre` the box lies along the world's axes and is the same for all
images, as for a cohort registered to a template. Without, it lies around each image's own brain, along the image's
own axes. Then intensities are normalised.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.doubts import CUT, OFF_TEMPLATE, Doubt
from interpbench.errors import InputError, UsageError
from interpbench.images.brain import brain_in, fill_holes, foreground_of
from interpbench.images.grid import box_affine, image_axes, is_orientation, middle_of, move_all, share_outside, snapped
from interpbench.images.prepared import Prepared
from interpbench.images.rules import MAX_VOXELS, USUAL, ImageRules
from interpbench.images.volume import Volume, read_volume
from interpbench.options import check_options, option, options_json, typed_options

PAPER_BOX = (140.0, 176.0, 140.0)  # mm: the 140x176x140 voxels of 1 mm of Bintsi et al. 2021
# A fixed box is given up where it would cut away more of the brain than this share, or lies further from its middle.
MOST_CUT = 0.10
HALF = 0.5 - 1e-4  # of a voxel is brain: an exact half, which rounding may miss, is one however the image is stored
LEAST_BRAIN = 0.01  # of the box; a newborn's takes a tenth of the paper's, an adult's four tenths
FAR = 15.0  # mm; 155 children and adults registered to one template lay within 12, two unregistered adults at 19 and 30


class ImageOnFile(Protocol):
    """What names an image file, the file of its brain mask, and how they are read; a cohort's `Subject` does."""

    @property
    def image(self) -> Path:
        """The image's file."""

    @property
    def mask(self) -> Path | None:
        """The file of its brain mask, if there is one."""

    @property
    def rules(self) -> ImageRules:
        """What is accepted of the image."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a file becomes an input.

    `normalise`: `brain` is (x - mean) / SD over the brain's voxels, with background 0; `volume` the same over the
    whole box, background as it falls (the paper's words); `none` leaves intensities alone.
    """

    shape: tuple[int, int, int] = field(metadata={"help": "shape of the network's grid, in voxels"})
    voxel_size: float = field(metadata={"help": "voxel size of the network's grid, in mm", "above": 0.0})
    orientation: str = option("RAS", "axis codes of the grid: R or L, A or P, S or I, in any order")
    centre: tuple[float, float, float] | None = option(
        None, "centre of the grid in world coordinates (mm), the same for all images; none for the centre of each brain"
    )
    normalise: str = option(
        "brain",
        "voxels over which intensities are normalised to zero mean and unit variance",
        choices=("brain", "volume", "none"),
    )
    apply_mask: bool = option(True, "whether voxels outside the brain mask are set to the background value")

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "centre", None if self.centre is None else tuple(self.centre))
        check_options(self)
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise UsageError(f"shape of Recipe must be three integers of at least 1, got {self.shape}.")
        if math.prod(self.shape) > MAX_VOXELS:
            raise UsageError(f"shape of Recipe must have at most {MAX_VOXELS} voxels, got {self.shape}.")
        if not math.isfinite(self.voxel_size):
            raise UsageError(f"voxel_size of Recipe must be a length in mm, got {self.voxel_size}.")
        if not is_orientation(self.orientation):
            raise UsageError(f"orientation of Recipe must name three axes, such as RAS, got {self.orientation!r}.")
        if self.centre is not None and (len(self.centre) != 3 or not all(map(math.isfinite, self.centre))):
            raise UsageError(f"centre of Recipe must be three coordinates in mm, got {self.centre}.")

    def prepare(
        self, image: ImageOnFile | Path | str, mask: Path | str | None = None, rules: ImageRules = USUAL
    ) -> Prepared:
        """Read an image and bring it to the network's grid.

        Args:
            image: a subject or another that names its file, mask and rules; or an image file.
            mask: the brain mask's file, on the image's grid; a subject brings its own. Without one, brain is what
                differs from an even background, holes filled.
            rules: how an image file is read; a subject brings its own.

        Raises:
            InputError: a file is refused, or almost no brain lies in the field of view.
        """
        if isinstance(image, Path | str):
            source = _read(image, rules)
        else:
            mask = image.mask if mask is None else mask
            source = _read(image.image, image.rules)
        inside, warnings = brain_in(source, mask)
        affine, doubts = self._grid(source, inside)
        images = [source.data[0], inside]
        if mask is not None and not self.apply_mask:
            images.append(foreground_of(source)[0])
        values, *masks = move_all(images, source.affine, affine, self.shape, smooth=True)
        brain, *others = (one if one.dtype == torch.bool else one >= HALF for one in masks)
        if mask is None:
            brain = fill_holes(brain)
        if not brain.any():
            raise InputError(f"{source.path}: no voxel of the brain lies in the network's field of view.")
        if (there := int(brain.sum())) < LEAST_BRAIN * brain.numel():
            raise InputError(
                f"{source.path}: almost no brain in the network's field of view: {there} of the {brain.numel()} voxels."
            )
        kept = others[0] if others else brain
        volume = self._normalised(values, brain, kept, source.path)
        told = (*source.warnings, *warnings, *doubts)
        return Prepared(volume[None], brain, affine, source, inside, holes=mask is None, warnings=told)

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values; `from_json` reads them back."""
        return options_json(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The recipe from `to_json`'s values.

        Raises:
            UsageError: a name or value that is none of a recipe's, or one that is missing.
        """
        missing = [one.name for one in dataclasses.fields(cls) if one.default is dataclasses.MISSING]
        missing = [name for name in missing if name not in values]
        if missing:
            raise UsageError(f"a recipe needs {' and '.join(missing)}.")
        return cls(**typed_options(cls, values))

    def _grid(self, source: Volume, inside: Tensor) -> tuple[NDArray[np.float64], list[Doubt]]:
        """The affine of the network's grid for this image, and warnings about it."""
        middle = middle_of(inside, source.affine)
        doubts: list[Doubt] = []
        if self.centre is not None:
            affine = box_affine(self.shape, self.voxel_size, self.orientation, self.centre)
            cut = share_outside(inside, source.affine, affine, self.shape)
            far = float(np.linalg.norm(middle - self.centre))
            if cut <= MOST_CUT and far <= FAR:
                return affine, doubts
            words = (
                f"the recipe's box lies {far:.0f} mm off this brain and would cut away {cut:.0%} of it, so it was laid "
                "around this brain instead: the image seems not to be registered as those the network learned from"
            )
            doubts = [Doubt(words, OFF_TEMPLATE)]
        axes = image_axes(source.affine)
        affine = box_affine(self.shape, self.voxel_size, self.orientation, middle, axes)
        affine = snapped(affine, source.affine)
        cut = share_outside(inside, source.affine, affine, self.shape)
        if cut > MOST_CUT:
            doubts.append(Doubt(f"{cut:.0%} of the brain lies outside the network's field of view", CUT))
        return affine, doubts

    def _normalised(self, values: Tensor, brain: Tensor, kept: Tensor, path: Path | None) -> Tensor:
        """`(I, J, K)` with background where `kept` is False."""
        values = torch.where(kept, values, 0.0)
        if self.normalise == "none":
            return values
        sample = (values[brain] if self.normalise == "brain" else values).double()
        mean, spread = float(sample.mean()), float(sample.std(correction=0))
        if not spread > 1e-6 * max(abs(mean), 1e-30):
            raise InputError(f"{path}: every voxel of the brain has the same value ({mean:g}).")
        scaled = (values - mean) / spread
        return torch.where(kept, scaled, 0.0) if self.normalise == "brain" else scaled


def _read(image: Path | str, rules: ImageRules) -> Volume:
    return read_volume(image, max_voxels=rules.max_voxels, nan_to_zero=rules.nan_to_zero)
