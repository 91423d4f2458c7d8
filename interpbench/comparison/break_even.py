"""The number of subjects from which fitting once takes less time than a method without fitting.

`N* = (T_learned - T_other) / (t_other - t_learned)`, with T the seconds of training, 0 for what does not learn, and t
the seconds a subject.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def break_even(
    learned: Sequence[str], seconds: Mapping[str, float], training: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The break-even number of subjects of each learned method against each other method.

    Args:
        learned: names of the methods that learn.
        seconds: method -> seconds a subject, all measured on one machine; methods without are not compared.
        training: method -> seconds of training; 0 where it is not named, unknown where NaN.

    Returns:
        `learned`, `other`, `training_seconds` (of `learned`), `seconds_learned`, `seconds_other` (a subject) and
        `subjects`: the smallest number from which on `learned` costs no more in all; None where there is no such one,
        though of two that learn the one that is quicker to train may cost less for a few subjects.
    """
    rows = []
    for one in learned:
        for other in seconds:
            trained = [training.get(name, 0.0) for name in (one, other)]
            if one == other or one not in seconds or not all(math.isfinite(value) for value in trained):
                continue
            rows.append(
                {
                    "learned": one,
                    "other": other,
                    "training_seconds": trained[0],
                    "seconds_learned": seconds[one],
                    "seconds_other": seconds[other],
                    "subjects": _subjects(trained[0] - trained[1], seconds[other] - seconds[one]),
                }
            )
    return rows


def _subjects(debt: float, saving: float) -> int | None:
    """The number of savings that repay the cost of fitting for good; None if they never do."""
    if saving < 0 or (saving == 0 and debt > 0):
        return None
    return 0 if debt <= 0 else math.ceil(debt / saving)


def describe_break_even(row: Mapping[str, Any]) -> str:
    """A sentence on one break-even row."""
    costs = f"{row['seconds_learned']:.3g} s per subject instead of {row['seconds_other']:.3g} s"
    trained = f"after {row['training_seconds']:.3g} s of training"
    if row["subjects"] is None:
        return f"For many subjects, {row['learned']} never costs less than {row['other']}: {costs}, {trained}."
    if row["subjects"] == 0:
        return f"{row['learned']} costs no more than {row['other']} from the first subject on: {costs}."
    return f"{row['learned']} costs no more than {row['other']} from {row['subjects']} subjects on: {costs}, {trained}."
