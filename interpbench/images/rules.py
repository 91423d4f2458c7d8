"""What is accepted of an image, beyond what every image must be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from interpbench.errors import UsageError, did_you_mean

MAX_VOXELS = 512**3


@dataclass(frozen=True, kw_only=True)
class ImageRules:
    """How a cohort's images are read.

    Args:
        max_voxels: larger images are refused before they are read.
        nan_to_zero: take voxels that are no finite numbers as 0, with a warning beside the result, where such an
            image is refused otherwise.
    """

    max_voxels: int = MAX_VOXELS
    nan_to_zero: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Self:
        """The rules by name; what is not given is as always.

        Raises:
            UsageError: no such rule, or no value of one.
        """
        given = dict(given or {})
        for name in given:
            if name not in cls.__dataclass_fields__:
                hint = did_you_mean(name, cls.__dataclass_fields__)
                raise UsageError(f"unknown image option {name!r}.{hint}")
        rules = cls(**given)
        if not isinstance(rules.max_voxels, int) or rules.max_voxels < 1:
            raise UsageError(f"max_voxels must be an integer of at least 1, got {rules.max_voxels!r}.")
        return rules

    def to_json(self) -> dict[str, Any]:
        """The rules as plain JSON values."""
        return dataclasses.asdict(self)


USUAL = ImageRules()
