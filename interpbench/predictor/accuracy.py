"""Accuracy, balanced accuracy and AUC of a classifier with intervals, and the accuracy of the majority class.

A bootstrap has nothing to say where nobody is misclassified: every resample agrees. So the intervals are closed forms
that stay honest at 0 and 1:

- a share of n subjects: Wilson's score interval (1927);
- balanced accuracy, the mean of C such shares p_c with Wilson intervals (l_c, u_c): MOVER (Zou and Donner 2008),
  from `b - sqrt(sum (p_c - l_c)^2) / C` to `b + sqrt(sum (u_c - p_c)^2) / C`;
- the AUC A of m against n subjects: Newcombe (2006), method 5, all θ with `|A - θ| <= z sqrt(V(θ))`, where
  `V(θ) = θ (1 - θ) (1 + k (1 - θ) / (2 - θ) + k θ / (1 + θ)) / (m n)` and `k = (m + n) / 2 - 1`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interpbench.comparison.statistics import auc

Z = 1.959963984540054  # the normal distribution's 97.5 % quantile: intervals of 95 %


def class_figures(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[str], majority: str | None
) -> dict[str, Any] | None:
    """Figures of a classifier over the rows whose class is known; None without such a row.

    Args:
        rows: each with `true_class`, `predicted_class`, `target_class` and `logit` (of the target class).
        classes: all that there are.
        majority: the most frequent one of the training split, the guess of who looks at nothing; None if unknown.

    Returns:
        `n`; `counts` of each class; `accuracy`, `balanced_accuracy` (mean over the classes present of the share that is
        recognised), `auc` (of two classes: that a subject of the target class has the higher logit; null where one is
        absent), each with its `_interval`; `majority_class`, with `majority_accuracy` and `majority_interval`.
    """
    known = [row for row in rows if row["true_class"] in classes]
    if not known:
        return None
    right = {name: [row["predicted_class"] == name for row in known if row["true_class"] == name] for name in classes}
    present = {name: found for name, found in right.items() if found}
    shares = [(sum(found), len(found)) for found in present.values()]
    hits, lucky = sum(hit for hit, _ in shares), len(right.get(str(majority), ()))
    return {
        "n": len(known),
        "counts": {name: len(found) for name, found in right.items()},
        "accuracy": hits / len(known),
        "accuracy_interval": wilson(hits, len(known)),
        "balanced_accuracy": sum(hit / number for hit, number in shares) / len(shares),
        "balanced_accuracy_interval": mean_of_shares(shares),
        **_auc_of(known, classes),
        "majority_class": majority,
        "majority_accuracy": None if majority is None else lucky / len(known),
        "majority_interval": None if majority is None else wilson(lucky, len(known)),
    }


def describe_classes(figures: Mapping[str, Any]) -> str:
    """One line with each figure and its interval, n, and the accuracy of always predicting the majority class."""
    words = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "auc": "AUC"}
    told = [_spread(label, figures, name) for name, label in words.items() if figures[name] is not None]
    counts = ", ".join(f"{name} {number}" for name, number in figures["counts"].items())
    text = f"{'; '.join(told)}; n = {figures['n']} ({counts})"
    if figures["majority_class"] is not None:
        text += f"; always predicting {figures['majority_class']!r}: " + _spread("accuracy", figures, "majority")
    return text


def wilson(hits: int, number: int) -> list[float]:
    """95 % interval of a share, by Wilson's score."""
    from scipy.stats import binomtest

    low, high = binomtest(hits, number).proportion_ci(method="wilson")
    return [float(low), float(high)]


def mean_of_shares(shares: Sequence[tuple[int, int]]) -> list[float]:
    """95 % interval of the unweighted mean of independent shares, each given as hits and number."""
    values = np.array([hits / number for hits, number in shares])
    low, high = np.array([wilson(hits, number) for hits, number in shares]).T
    reaches = [float(np.sqrt(np.square(values - one).sum())) / len(values) for one in (low, high)]
    return [max(0.0, float(values.mean()) - reaches[0]), min(1.0, float(values.mean()) + reaches[1])]


def auc_interval(value: float, positive: int, negative: int) -> list[float]:
    """95 % interval of an AUC of so many positive against so many negative subjects."""
    k = (positive + negative) / 2 - 1

    def beyond(theta: float) -> float:
        inner = 1 + k * (1 - theta) / (2 - theta) + k * theta / (1 + theta)
        return (value - theta) ** 2 - Z * Z * theta * (1 - theta) * inner / (positive * negative)

    return [_edge(beyond, 0.0, value), _edge(beyond, 1.0, value)]


def _edge(beyond: Any, outside: float, inside: float) -> float:
    """The point where `beyond` changes from positive, at the end of the scale, to negative; by bisection."""
    if beyond(outside) <= 0:  # the value lies at that end itself
        return outside
    for _ in range(60):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if beyond(middle) > 0 else (outside, middle)
    return (outside + inside) / 2


def _auc_of(known: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    target = known[0]["target_class"]
    groups: tuple[list[float], list[float]] = ([], [])
    for row in known:
        groups[row["true_class"] != target].append(row["logit"])
    if len(classes) != 2 or not all(groups):
        return {"auc": None, "auc_interval": None}
    value = auc([*groups[0], *groups[1]], [1] * len(groups[0]) + [0] * len(groups[1]))
    return {"auc": value, "auc_interval": auc_interval(value, len(groups[0]), len(groups[1]))}


def _spread(label: str, figures: Mapping[str, Any], name: str) -> str:
    value = figures["majority_accuracy" if name == "majority" else name]
    low, high = figures[f"{name}_interval"]
    return f"{label} {value:.3f} (95 % interval {low:.3f} to {high:.3f})"
