"""A doubt: a sentence that does not keep a subject out, of a kind by which doubts are counted where people look.

A doubt is a string, so whoever reads warnings reads doubts. A warning without a kind counts as one of `OTHER`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

log = logging.getLogger("interpbench")

NO_STRIPPING = "no skull-stripping"
UNEVEN = "uneven background"
ODD_MASK = "odd mask"
HEADER = "doubtful header"
NOT_FINITE = "voxels that are no numbers"
OFF_TEMPLATE = "image off the template"
CUT = "brain cut by the box"
INTENSITIES = "odd intensities"
UNLIKE = "unlike the training images"
TWICE = "same image twice"
SEVERAL = "several scans of one person"
PERSON = "one person in two splits"
AGES = "odd ages"
PREDICTION = "prediction outside the training range"
FLAT = "map of one value"
OUTSIDE = "map outside the brain"
RESAMPLED = "interpolated map"
METHOD = "told by the method"
BOUND = "prediction at the network's limit"
PREDICTOR = "doubtful predictor"
MEMORY = "made with less memory"
OTHER = "other"

NAMED = 3  # subjects that a line names


class Doubt(str):
    """A sentence with the kind of doubt that it raises, a short noun phrase."""

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
    """The kind of a doubt; `OTHER` of a plain string."""
    return sentence.kind if isinstance(sentence, Doubt) else OTHER


def as_record(sentences: Iterable[str]) -> dict[str, list[str]]:
    """What a record keeps of doubts: `warnings`, the sentences, and `warning_kinds`, the kind of each."""
    kept = list(sentences)
    return {"warnings": [str(one) for one in kept], "warning_kinds": [kind_of(one) for one in kept]}


def from_record(record: Mapping[str, Any]) -> tuple[Doubt, ...]:
    """The doubts that `as_record` kept; those of a record without kinds are of `OTHER`."""
    sentences, kinds = record.get("warnings") or (), record.get("warning_kinds") or ()
    if not isinstance(sentences, list | tuple) or not isinstance(kinds, list | tuple) or len(kinds) != len(sentences):
        kinds = [OTHER] * len(sentences)
    return tuple(Doubt(str(one), str(kind)) for one, kind in zip(sentences, kinds, strict=True))


def by_kind(doubts: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The subjects of each kind of doubt, in the order in which they come; each once.

    Args:
        doubts: the doubts about each subject, by label.
    """
    found: dict[str, list[str]] = {}
    for label, sentences in doubts.items():
        for kind in dict.fromkeys(kind_of(one) for one in sentences):
            found.setdefault(kind, []).append(f"sub-{label.removeprefix('sub-')}")
    return found


def as_counts(doubts: Mapping[str, Iterable[str]]) -> dict[str, dict[str, list[str]]]:
    """What a record keeps where there are no sentences: `doubts`, the labels of each kind; nothing without a doubt."""
    found = by_kind(doubts)
    return {"doubts": found} if found else {}


def from_counts(record: Mapping[str, Any]) -> dict[str, list[Doubt]]:
    """The doubts that `as_counts` kept, by label, their kind alone."""
    kinds, found = record.get("doubts"), dict[str, list[Doubt]]()
    for kind, labels in kinds.items() if isinstance(kinds, dict) else ():
        for label in labels if isinstance(labels, list) else ():
            found.setdefault(str(label), []).append(Doubt(str(kind), str(kind)))
    return found


def named(labels: Sequence[str]) -> str:
    """The first labels of a list, each with `sub-`, and dots where there are more."""
    told = ", ".join(f"sub-{label.removeprefix('sub-')}" for label in labels[:NAMED])
    return f"{told}, ..." if len(labels) > NAMED else told


def count_lines(doubts: Mapping[str, Iterable[str]], subjects: int) -> list[str]:
    """One line a kind: how many of the subjects it concerns, and the first of them.

    Args:
        doubts: the doubts about each subject, by label.
        subjects: how many there are, those without a doubt too.
    """
    return [
        f"doubts: {kind}: {len(labels)} of {subjects} subject{'s' * (subjects != 1)} ({named(labels)})"
        for kind, labels in by_kind(doubts).items()
    ]


def count_doubts(doubts: Mapping[str, Iterable[str]], subjects: int) -> None:
    """Tell how many subjects there is a doubt about, one line a kind.

    Args:
        doubts: by label.
        subjects: how many there are, those without a doubt too.
    """
    told = {label: [one for one in some if kind_of(one) != PREDICTOR] for label, some in doubts.items()}
    for line in count_lines(told, subjects):  # what is doubtful about the predictor is told once, as a sentence
        log.warning("%s", line)
