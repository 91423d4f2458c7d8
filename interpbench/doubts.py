"""A doubt: a warning about a subject that does not exclude it. Each has a kind, by which doubts are counted.

A doubt is a string, so it can stand wherever a warning does. A warning without a kind counts as `OTHER`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

log = logging.getLogger("interpbench")

NO_STRIPPING = "no skull-stripping"
UNEVEN = "uneven background"
ODD_MASK = "unusual mask"
HEADER = "inconsistent header"
NOT_FINITE = "non-finite voxels"
OFF_TEMPLATE = "image not aligned with the template"
CUT = "brain outside the field of view"
INTENSITIES = "unusual intensities"
UNLIKE = "unlike the training images"
TWICE = "duplicate image"
SEVERAL = "several scans of one person"
PERSON = "one person in two splits"
AGES = "unusual ages"
PREDICTION = "prediction outside the training range"
FLAT = "constant map"
OUTSIDE = "map outside the brain"
RESAMPLED = "interpolated map"
METHOD = "warning from the method"
BOUND = "prediction at the network's limit"
PREDICTOR = "unreliable predictor"
MEMORY = "reduced batch size"
WEAK = "planted signal weaker than asked"
LEAK = "planted signal readable outside its truth"
READABLE = "target readable before planting"
OVERLAP = "overlap with the planted truth"
OTHER = "other"

NAMED = 3  # subjects named in a line


class Doubt(str):
    """A warning, with its kind: a short noun phrase."""

    __slots__ = ("kind",)
    kind: str

    def __new__(cls, sentence: str, kind: str = OTHER) -> Self:
        """The sentence, with its kind."""
        made = super().__new__(cls, sentence)
        made.kind = kind
        return made

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (str(self), self.kind)

    def after(self, words: str) -> Self:
        """The same doubt, with words before its sentence."""
        return type(self)(f"{words}{self}", self.kind)


def kind_of(sentence: str) -> str:
    """The kind of a doubt; `OTHER` for a plain string."""
    return sentence.kind if isinstance(sentence, Doubt) else OTHER


def as_record(sentences: Iterable[str]) -> dict[str, list[str]]:
    """The entries of a record for doubts: `warnings` (the sentences) and `warning_kinds` (the kind of each)."""
    kept = list(sentences)
    return {"warnings": [str(one) for one in kept], "warning_kinds": [kind_of(one) for one in kept]}


def from_record(record: Mapping[str, Any]) -> tuple[Doubt, ...]:
    """The doubts of a record that `as_record` wrote; in a record without kinds, their kind is `OTHER`."""
    sentences, kinds = record.get("warnings") or (), record.get("warning_kinds") or ()
    if not isinstance(sentences, list | tuple) or not isinstance(kinds, list | tuple) or len(kinds) != len(sentences):
        kinds = [OTHER] * len(sentences)
    return tuple(Doubt(str(one), str(kind)) for one, kind in zip(sentences, kinds, strict=True))


def by_kind(doubts: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The subjects of each kind of doubt, in their order, each once.

    Args:
        doubts: the doubts about each subject, by label.
    """
    found: dict[str, list[str]] = {}
    for label, sentences in doubts.items():
        for kind in dict.fromkeys(kind_of(one) for one in sentences):
            found.setdefault(kind, []).append(f"sub-{label.removeprefix('sub-')}")
    return found


def as_counts(doubts: Mapping[str, Iterable[str]]) -> dict[str, dict[str, list[str]]]:
    """The entry of a record for doubts without sentences: `doubts`, the labels of each kind; empty without a doubt."""
    found = by_kind(doubts)
    return {"doubts": found} if found else {}


def from_counts(record: Mapping[str, Any]) -> dict[str, list[Doubt]]:
    """The doubts of a record that `as_counts` wrote, by label; only their kinds are known."""
    kinds, found = record.get("doubts"), dict[str, list[Doubt]]()
    for kind, labels in kinds.items() if isinstance(kinds, dict) else ():
        for label in labels if isinstance(labels, list) else ():
            found.setdefault(str(label), []).append(Doubt(str(kind), str(kind)))
    return found


def named(labels: Sequence[str]) -> str:
    """The first labels of a list, each with `sub-`, and dots if there are more."""
    text = ", ".join(f"sub-{label.removeprefix('sub-')}" for label in labels[:NAMED])
    return f"{text}, ..." if len(labels) > NAMED else text


def count_lines(doubts: Mapping[str, Iterable[str]], subjects: int) -> list[str]:
    """One line for each kind of doubt: the number of subjects it concerns, and the first of them.

    Args:
        doubts: the doubts about each subject, by label.
        subjects: the number of subjects, with and without doubts.
    """
    return [
        f"{kind}: {len(labels)} of {subjects} subject{'s' * (subjects != 1)} ({named(labels)})"
        for kind, labels in by_kind(doubts).items()
    ]


def count_doubts(doubts: Mapping[str, Iterable[str]], subjects: int) -> None:
    """Log a warning for each kind of doubt: the number of subjects it concerns, and the first one's sentence.

    Args:
        doubts: by label.
        subjects: the number of subjects, with and without doubts.
    """
    counted = {label: [one for one in some if kind_of(one) != PREDICTOR] for label, some in doubts.items()}
    first: dict[str, str] = {}
    for one in (one for some in counted.values() for one in some):
        first.setdefault(kind_of(one), one)
    lines = count_lines(counted, subjects)  # a doubt about the predictor is logged once, as a sentence
    for line, (kind, sentence) in zip(lines, first.items(), strict=True):
        log.warning("%s%s", line, "" if sentence == kind else f", such as: {sentence}")
