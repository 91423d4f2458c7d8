"""All methods in one measure: their figures, and which of them are distinguished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from interpbench.comparison.statistics import (
    ALPHA,
    DIGITS,
    RESAMPLES,
    Direction,
    cliques,
    friedman,
    holm,
    intervals,
    ranks_within,
    signed_rank,
)
from interpbench.comparison.table import Scores

Standing = Literal["better", "worse", "open"]


def compare(
    scores: Scores, direction: Direction | None, *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """The figures of each method in one measure, and, for a measure with a direction, which methods are distinguished.

    `best` are the method with the best mean and those that the test does not find worse; `groups` the maximal sets
    whose members are not told apart. Both, and the mean ranks, leave out a method that lacks most of the subjects.
    """
    names, values = scores.methods, scores.values
    spread = intervals(values, seed=seed, resamples=resamples)
    ranked = np.flatnonzero(scores.ranked)
    ranks = np.empty((0, len(ranked)))
    if direction:
        ranks = ranks_within(values[scores.complete][:, ranked], direction)
    mean_ranks = dict(zip(ranked.tolist(), ranks.mean(axis=0), strict=True)) if len(ranks) else {}
    found: dict[str, Any] = {}
    for at, name in enumerate(names):
        own = values[np.isfinite(values[:, at]), at]
        found[name] = {
            "mean": _mean(own),
            "sd": float(own.std(ddof=1)) if len(own) > 1 else None,
            "median": float(np.median(own)),
            "interval": bounds_of(spread[at]),
            "n": len(own),
            "mean_rank": float(mean_ranks[at]) if at in mean_ranks else None,
        }
    pairs = _pairs(scores, seed, resamples) if direction else []
    order = [names[at] for at in sorted(mean_ranks, key=lambda at: (mean_ranks[at], at))]
    return {
        "n": len(scores.subjects),
        "methods": found,
        "friedman": friedman(ranks),
        "pairs": pairs,
        "best": _best(found, [names[at] for at in ranked], pairs, direction) if direction else [],
        "groups": _groups(order, pairs),
        "left_out": dict(scores.left_out),
    }


def _mean(values: np.ndarray) -> float:
    """0 where only the computer's rounding is left of values that cancel out."""
    mean = float(values.mean())
    return 0.0 if abs(mean) <= 10.0**-DIGITS * float(np.abs(values).max()) else mean


def _pairs(scores: Scores, seed: int, resamples: int) -> list[dict[str, Any]]:
    """Every two methods, over the subjects that both have a value for; Holm's correction is over all of these."""
    names, values = scores.methods, scores.values
    both = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))]
    known = np.isfinite(values)
    both = [(a, b) for a, b in both if (known[:, a] & known[:, b]).any()]
    if not both:
        return []
    firsts, seconds = (values[:, [pair[side] for pair in both]] for side in (0, 1))
    differences = firsts - seconds
    spread = intervals(differences, seed=seed, resamples=resamples)
    tests = []
    for at in range(len(both)):
        shared = np.isfinite(differences[:, at])
        tests.append(signed_rank(firsts[shared, at], seconds[shared, at]))
    corrected = holm(np.array([p for p, _ in tests]))
    return [
        {
            "a": names[a],
            "b": names[b],
            "n": int(np.isfinite(differences[:, at]).sum()),
            "difference": float(np.nanmean(differences[:, at])),
            "difference_interval": bounds_of(spread[at]),
            "p": tests[at][0],
            "p_holm": float(corrected[at]),
            "effect": tests[at][1],
        }
        for at, (a, b) in enumerate(both)
    ]


def _best(
    found: Mapping[str, Any], ranked: Sequence[str], pairs: Sequence[Mapping[str, Any]], direction: str
) -> list[str]:
    """The method with the best mean, then those that are not found worse than it, by their means."""
    sign = -1 if direction == "higher" else 1
    order = sorted(ranked, key=lambda name: sign * found[name]["mean"])
    if not order:
        return []
    return [name for name in order if standing(pairs, direction, name, order[0]) != "worse"]


def standing(pairs: Sequence[Mapping[str, Any]], direction: str | None, one: str, other: str) -> Standing | None:
    """The result of the test of `one` against `other`: better, worse, or not distinguished.

    None where the two are one, or were not compared.
    """
    for pair in pairs:
        if {one, other} == {pair["a"], pair["b"]} and one != other:
            if pair["p_holm"] >= ALPHA:
                return "open"
            return "better" if (pair["effect"] > 0) == ((direction == "higher") == (pair["a"] == one)) else "worse"
    return None


def least_p(subjects: int) -> float:
    """The smallest p that the signed-rank test can give: all differences of one sign, `2 / 2^n`."""
    return min(1.0, 2.0 ** (1 - subjects))


def powerless(result: Mapping[str, Any]) -> bool:
    """Whether there are too few subjects to distinguish any two methods after the correction."""
    pairs = result["pairs"]
    return bool(pairs) and min(least_p(pair["n"]) for pair in pairs) * len(pairs) >= ALPHA


def _groups(order: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    place = {name: at for at, name in enumerate(order)}
    apart = np.zeros((len(order), len(order)), bool)
    for pair in pairs:
        if pair["a"] in place and pair["b"] in place:
            a, b = place[pair["a"]], place[pair["b"]]
            apart[a, b] = apart[b, a] = pair["p_holm"] < ALPHA
    return [[order[at] for at in clique] for clique in cliques(apart)]


def bounds_of(bounds: np.ndarray) -> list[float] | None:
    """`[low, high]`, or None without an interval."""
    return [float(bounds[0]), float(bounds[1])] if np.isfinite(bounds).all() else None
