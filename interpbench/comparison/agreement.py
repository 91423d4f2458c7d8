"""Agreement of measures about which methods are better: Kendall's W and tau.

Each measure ranks the methods by their means. Kendall's W says how far all these rankings agree, tau how far two do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interpbench.comparison.statistics import Direction, ranks_within

COVERED = 0.75  # share of the methods that a measure must apply to, to take part
PERMUTATIONS = 9999


def agreement(
    means: Mapping[str, Mapping[str, float]], directions: Mapping[str, Direction], *, seed: int = 0
) -> dict[str, Any] | None:
    """Agreement of measures about methods: Kendall's W, its p value, and tau of each pair.

    A measure takes part that has a direction, applies to three quarters of the methods and does not give all the same;
    a method, that has a mean in each of these measures.

    Args:
        means: measure -> method -> mean over subjects.
        directions: measure -> which is better; measures without one are not in it.

    Returns:
        `kendall_w`, `p` (against rankings at random), `measures`, `methods`, and `tau`: Kendall's tau-b of each measure
        with each; None where fewer than two measures or three methods are left.
    """
    every = list(dict.fromkeys(method for measure in directions for method in means.get(measure, {})))
    measures = [name for name in directions if len(means.get(name, {})) >= max(COVERED * len(every), 1)]
    measures = [name for name in measures if np.ptp(_ranks(means[name], list(means[name]), directions[name])) > 0]
    while True:  # a measure that does not take part takes no method from the others
        methods = [name for name in every if all(name in means[measure] for measure in measures)]
        if len(measures) < 2 or len(methods) < 3:
            return None
        rows = {measure: _ranks(means[measure], methods, directions[measure]) for measure in measures}
        measures = [measure for measure, ranks in rows.items() if np.ptp(ranks) > 0]
        if len(measures) == len(rows):
            break
    ranks, names = np.stack(list(rows.values())), list(rows)
    return {
        "kendall_w": kendall_w(ranks),
        "p": permutation_p(ranks, seed=seed),
        "measures": names,
        "methods": methods,
        "tau": {
            name: {other: float(value) for other, value in zip(names, row, strict=True)}
            for name, row in zip(names, taus(ranks), strict=True)
        },
    }


def _ranks(means: Mapping[str, float], methods: Sequence[str], direction: Direction) -> np.ndarray:
    """The ranks of methods by one measure, `(n,)`."""
    ranks: np.ndarray = ranks_within(np.array([[means[name] for name in methods]]), direction)[0]
    return ranks


def kendall_w(ranks: np.ndarray) -> float:
    """Kendall's coefficient of concordance, 1 where all rankings are the same, about `1 / m` where they are random.

    `W = 12 S / (m^2 (n^3 - n) - m sum(t^3 - t))`, where S is the sum of squared deviations of the methods' rank sums
    from their mean, and t the sizes of the ties within each measure (Kendall and Babington Smith 1939; Siegel 1956).

    Args:
        ranks: `(m, n)`, m measures that each rank n methods, tied ones sharing their mean rank.
    """
    return float(_spread_of_sums(ranks)) / _largest_spread(ranks)


def _spread_of_sums(ranks: np.ndarray) -> np.ndarray:
    """The spread of the rank sums, Kendall's S, of `(..., m, n)` ranks."""
    sums = ranks.sum(axis=-2)
    spread: np.ndarray = ((sums - sums.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return spread


def _largest_spread(ranks: np.ndarray) -> float:
    """The largest possible S, with the ties of each measure."""
    count, methods = ranks.shape
    ties = sum(int((size**3 - size).sum()) for row in ranks for size in [np.unique(row, return_counts=True)[1]])
    return float(count**2 * (methods**3 - methods) - count * ties) / 12


def permutation_p(ranks: np.ndarray, *, seed: int = 0, permutations: int = PERMUTATIONS) -> float:
    """The share of random rankings, each measure's own ranks shuffled, that agree at least as far as these.

    The ranking itself counts as one of them, so p is never below `1 / (1 + permutations)` (Phipson and Smyth 2010).

    Args:
        ranks: `(m, n)`, as for `kendall_w`.
    """
    random, reached = np.random.default_rng(seed), 0
    spread = float(_spread_of_sums(ranks))
    for start in range(0, permutations, 1000):
        size = min(1000, permutations - start)
        shuffled = random.permuted(np.broadcast_to(ranks, (size, *ranks.shape)), axis=-1)
        reached += int((_spread_of_sums(shuffled) >= spread * (1 - 1e-12)).sum())
    return (1 + reached) / (1 + permutations)


def taus(ranks: np.ndarray) -> np.ndarray:
    """Kendall's (1945) tau-b of each ranking with each, `(m, m)`.

    Of all ordered pairs of methods, the sum of products of the signs by which two measures order them, over the
    geometric mean of the numbers of pairs that each of both orders at all.

    Args:
        ranks: `(m, n)`, no row constant.
    """
    signs = np.sign(ranks[:, :, None] - ranks[:, None, :]).reshape(len(ranks), -1)
    products = signs @ signs.T
    ordered = np.sqrt(np.diag(products))
    found: np.ndarray = products / np.outer(ordered, ordered)
    return found
