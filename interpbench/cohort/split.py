"""Divides a cohort into training, validation and test."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

from interpbench.cohort.persons import person_in
from interpbench.cohort.subjects import SPLITS, Subject
from interpbench.errors import InputError


def split_cohort(
    subjects: Sequence[Subject],
    *,
    fractions: tuple[float, float, float] = (0.75, 0.10, 0.15),
    seed: int = 0,
    column: str = "age",
    classes: Sequence[str] = (),
) -> dict[str, str]:
    """Divide subjects into training, validation and test, stratified by age or another target.

    Subjects in order of age are cut into bins; each bin is dealt out at random, and after each bin the counts so
    far are the fractions' to within one. The result does not depend on the order of `subjects`. Who has a `split`
    in the table keeps it; only the others are dealt out. All scans of one person (`person_in`) go where one of them
    goes.

    Args:
        column: by which they are to be alike.
        classes: its words, where it holds words: then each class is cut into bins of its own, by age.

    Returns:
        `{id: "train" | "validation" | "test"}`, in the order of `subjects`.

    Raises:
        InputError: fractions that are negative or do not add up to 1.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise InputError(f"the fractions of the split must be three numbers that add up to 1, got {fractions}.")

    def group(subject: Subject) -> str:
        return (subject.cell(column) or "") if classes else ""

    def rank(subject: Subject) -> tuple[str, bool, float, str]:
        number = subject.number("age" if classes else column)
        return group(subject), math.isnan(number), 0.0 if math.isnan(number) else number, subject.id

    chosen = {subject.id: subject.split for subject in subjects if subject.split is not None}
    who = {subject.id: person_in(subject) for subject in subjects}
    words_of = {who[label]: chosen[label] for label in sorted(chosen, reverse=True)}
    first_scans: dict[str, Subject] = {}  # a person is dealt out once, by the first scan in the ranking
    for subject in sorted((one for one in subjects if one.split is None), key=rank):
        if who[subject.id] not in words_of:
            first_scans.setdefault(who[subject.id], subject)
    free = list(first_scans.values())
    draw = random.Random(seed)
    ends: list[int] = []
    for _, members in itertools.groupby(free, key=group):
        number, first = len(list(members)), ends[-1] if ends else 0
        bins = max(1, min(10, number // 7))
        ends += [first + round(number * (one + 1) / bins) for one in range(bins)]
    start, given = 0, [0, 0, 0]
    for end in ends:
        upto = _counts(end, fractions)
        words = [word for word, total, before in zip(SPLITS, upto, given, strict=True) for _ in range(total - before)]
        draw.shuffle(words)
        words_of.update({who[subject.id]: word for subject, word in zip(free[start:end], words, strict=True)})
        start, given = end, upto
    return {subject.id: str(chosen.get(subject.id, words_of[who[subject.id]])) for subject in subjects}


def _counts(number: int, fractions: tuple[float, float, float]) -> list[int]:
    """The number of subjects of each split among the first `number`; it never decreases with `number`."""
    first, second = round(number * fractions[0]), round(number * (fractions[0] + fractions[1]))
    return [first, second - first, number - second]
