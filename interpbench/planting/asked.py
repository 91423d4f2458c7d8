"""What the user asked to be planted, from the words of the command line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interpbench.errors import UsageError, did_you_mean
from interpbench.options import options_json, typed_options
from interpbench.planting.atrophy import Atrophy
from interpbench.planting.contrast import Contrast
from interpbench.planting.kind import Kind
from interpbench.planting.lesion import Lesion
from interpbench.planting.regions import Region, Sphere

KINDS: Mapping[str, type[Kind]] = {"contrast": Contrast, "atrophy": Atrophy, "lesion": Lesion}
TARGET, DISTRACTOR, SUPPRESSOR = "target", "distractor", "suppressor"


@dataclass(frozen=True)
class Signal:
    """One signal: its role, kind and region, and its strength where that is given."""

    role: str
    name: str  # of the kind
    kind: Kind
    region: Region
    strength: float | None = None

    @property
    def needs_labels(self) -> bool:
        """Whether its region is of values."""
        return bool(self.region.values)

    def to_json(self) -> dict[str, Any]:
        """The signal as plain JSON values."""
        return {
            "role": self.role,
            "kind": self.name,
            "options": options_json(self.kind),
            "region": str(self.region),
            "strength": self.strength,
        }


def kind_named(name: str, options: Mapping[str, Any] | None = None) -> Kind:
    """A kind with its options.

    Raises:
        UsageError: no such kind or option.
    """
    if name not in KINDS:
        raise UsageError(f"kind must be one of {', '.join(KINDS)}, got {name!r}.{did_you_mean(name, KINDS)}")
    return KINDS[name](**typed_options(KINDS[name], options or {}))


def signals_asked(
    kind: str,
    region: str | Sequence[int] | None,
    spheres: Iterable[str | Sequence[float]],
    options: Mapping[str, Any] | None,
    distractors: Iterable[str],
    suppressors: Iterable[str],
) -> tuple[Signal, ...]:
    """The target's signal, then those of distractors and of suppressors.

    Raises:
        UsageError: no such kind or option, a region that cannot be, or none where one is needed.
    """
    made, balls = kind_named(kind, options), tuple(sphere_of(one) for one in spheres)
    values = values_of(region) if region is not None else ()
    if values and balls:
        raise UsageError("give a region or spheres, not both.")
    if not values and not balls and not isinstance(made, Lesion):
        raise UsageError(f"{kind} needs a place: give a region of the labels or of an atlas, or a sphere.")
    main = Signal(TARGET, kind, made, Region(values, balls))
    return (
        main,
        *(_other(DISTRACTOR, words, main) for words in distractors),
        *(_other(SUPPRESSOR, words, main) for words in suppressors),
    )


def values_of(given: str | Sequence[int]) -> tuple[int, ...]:
    """Values of a label image, from `47,48` or numbers.

    Raises:
        UsageError: other words.
    """
    words = given.split(",") if isinstance(given, str) else list(given)
    try:
        values = tuple(int(word) for word in words)
        if not values or min(values) < 1 or any(isinstance(word, float) and word != int(word) for word in words):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"a region is one or more integers above 0, such as 47,48, got {given!r}.") from None
    return values


def sphere_of(given: str | Sequence[float]) -> Sphere:
    """A sphere from `X,Y,Z,R` (or with slashes), or from four numbers, in mm.

    Raises:
        UsageError: other words.
    """
    words = given.replace("/", ",").split(",") if isinstance(given, str) else list(given)
    try:
        x, y, z, radius = (float(word) for word in words)
        if not all(map(math.isfinite, (x, y, z, radius))) or radius <= 0:
            raise ValueError
    except (TypeError, ValueError):
        raise UsageError(f"a sphere is X,Y,Z,R in mm, such as -27,-22,-15,8, got {given!r}.") from None
    return Sphere((x, y, z), radius)


def _other(role: str, words: str, main: Signal) -> Signal:
    """A distractor or suppressor from KIND:VALUES[:STRENGTH]; options of the target's kind hold for its own kind."""
    name, _, rest = words.partition(":")
    place, _, number = rest.partition(":")
    kind = main.kind if name == main.name else kind_named(name)
    balls = (sphere_of(place),) if "/" in place else ()
    values = values_of(place) if place and not balls else ()
    if not values and not balls and not isinstance(kind, Lesion):
        raise UsageError(f"a {role} is KIND:VALUES or KIND:VALUES:STRENGTH, such as contrast:59,60, got {words!r}.")
    if values and set(values) & set(main.region.values):
        raise UsageError(f"the {role} {words!r} has values of the target's region, {main.region}: choose others.")
    try:
        strength = float(number) if number else None
    except ValueError:
        strength = math.nan
    if strength is not None and not (math.isfinite(strength) and strength > 0):
        raise UsageError(f"the strength of a {role} must be a number above 0, got {words!r}.")
    return Signal(role, name, kind, Region(values, balls), strength)
