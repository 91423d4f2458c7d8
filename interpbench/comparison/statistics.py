"""Intervals and tests over subjects who are explained by several methods.

Every figure of a benchmark is paired: each subject was given every method. So differences are taken within subjects,
tests look at their signs and ranks, and the bootstrap draws whole subjects. See docs/explanation/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

ALPHA = 0.05  # level of the tests, and of what intervals leave out
RESAMPLES = 9999  # of the bootstrap
EXACT_UP_TO = 100  # differences that are not zero: up to here the signed-rank test counts, beyond it is normal
DIGITS = 12  # two numbers that differ later than here differ by the computer's rounding only
_BATCH = 1000  # resamples at a time

Direction = Literal["higher", "lower"]


def interval(values: Sequence[float] | np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES) -> list[float] | None:
    """95 % interval of the mean over subjects, by the BCa bootstrap (Efron 1987).

    Args:
        values: `(n,)`, one a subject.

    Returns:
        `[low, high]`; None for fewer than three subjects, or where nothing varies.
    """
    low, high = intervals(np.asarray(values, np.float64)[:, None], seed=seed, resamples=resamples)[0]
    return [float(low), float(high)] if np.isfinite(low) and np.isfinite(high) else None


def intervals(columns: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """`interval` of many columns at once, all by the same draws of subjects.

    Args:
        columns: `(n, c)`; a NaN takes its subject from its column only.

    Returns:
        `(c, 2)` low and high; NaN where `interval` would be None.
    """
    found = np.full((columns.shape[1], 2), np.nan)
    if columns.size == 0:
        return found
    patterns, place = np.unique(np.isfinite(columns), axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        members = place.ravel() == number
        found[members] = _bca(columns[known][:, members], seed, resamples)
    return found


def _bca(values: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """BCa intervals of the means of `(n, c)`, which has no NaN, as `(c, 2)`.

    `alpha_BCa = Phi(z0 + (z0 + z) / (1 - a (z0 + z)))`, with z the normal quantile of `alpha`, z0 that of the share of
    resampled means below the mean, and for a mean `a = sum(u^3) / (6 sum(u^2)^1.5)`, `u = value - mean`: the jackknife
    in closed form (Efron 1987; Efron and Tibshirani 1993, equations 14.10, 14.14 and 14.15).
    """
    from scipy.special import ndtr, ndtri

    count, width = values.shape
    if count < 3:
        return np.full((width, 2), np.nan)
    mean, size = values.mean(axis=0), np.abs(values).max(axis=0)
    apart = values - mean
    rounding = size * 10.0**-DIGITS
    drawn = _resampled_means(apart, seed, resamples)  # (c, resamples), sorted, around 0
    below = (drawn < -rounding[:, None]).sum(axis=1)
    level = (drawn <= rounding[:, None]).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # what cannot be computed is told by its NaN
        bias = ndtri((below + level) / (2 * resamples))[:, None]
        skew = ((apart**3).sum(axis=0) / (6 * (apart**2).sum(axis=0) ** 1.5))[:, None]
        shifted = bias + ndtri(np.array([ALPHA / 2, 1 - ALPHA / 2]))
        chance = ndtr(bias + shifted / (1 - skew * shifted))  # (c, 2)
    chance[np.ptp(values, axis=0) <= rounding] = np.nan
    place = np.nan_to_num(chance) * (resamples - 1)
    under = np.minimum(place.astype(int), resamples - 2)
    low, high = (np.take_along_axis(drawn, at, axis=1) for at in (under, under + 1))
    bounds: np.ndarray = mean[:, None] + low + (high - low) * (place - under)
    return np.where(np.isfinite(chance), bounds, np.nan)


def _resampled_means(values: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """Means of `(n, c)` over subjects drawn with replacement, as `(c, resamples)`, each row sorted."""
    random, count = np.random.default_rng(seed), len(values)
    means = np.empty((values.shape[1], resamples))
    for start in range(0, resamples, _BATCH):
        size = min(_BATCH, resamples - start)
        drawn = random.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        means[:, start : start + size] = (times / count @ values).T
    means.sort(axis=1)
    return means


def signed_rank(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Wilcoxon's signed-rank test of paired values, and the matched-pairs rank-biserial effect size.

    The sizes of all differences are ranked, ties sharing their mean rank and zeros included (Pratt 1959). Given those
    ranks, each difference that is not zero is as likely positive as negative: p is the share of all such sign patterns
    whose rank sums differ at least as much as the observed ones; counted exactly for up to `EXACT_UP_TO` differences,
    by the normal approximation (variance `sum(rank^2) / 4`) beyond. Effect = `(R+ - R-) / sum of all ranks` (Kerby
    2014), from 1, where `first` is larger in every subject, to -1; subjects without a difference count for neither.

    Args:
        first, second: `(n,)`, finite, one value a subject.

    Returns:
        p, two-sided, 1 where no difference is left; effect, NaN without subjects.
    """
    from scipy.stats import rankdata

    if len(first) == 0:
        return 1.0, float("nan")
    size = max(float(np.abs(first).max()), float(np.abs(second).max())) or 1.0
    difference = np.round((first - second) / size, DIGITS)
    ranks = np.rint(2 * rankdata(np.abs(difference))).astype(int)  # doubled they are whole, so their sums are exact
    won, lost = int(ranks[difference > 0].sum()), int(ranks[difference < 0].sum())
    p = _two_sided(np.sort(ranks[difference != 0]), min(won, lost))
    return p, (won - lost) / int(ranks.sum())


def _two_sided(ranks: np.ndarray, smaller: int) -> float:
    """The chance that the smaller of both rank sums is at most `smaller`, where signs are tossed."""
    if len(ranks) == 0:
        return 1.0
    if len(ranks) <= EXACT_UP_TO:
        return min(1.0, 2 * float(_chances(tuple(ranks.tolist()))[smaller]))
    from scipy.special import ndtr

    deviation = np.sqrt((ranks.astype(np.float64) ** 2).sum()) / 2
    return min(1.0, 2 * float(ndtr((smaller - ranks.sum() / 2) / deviation)))


@lru_cache(maxsize=256)  # without ties and zeros all pairs of one measure have the same ranks
def _chances(ranks: tuple[int, ...]) -> np.ndarray:
    """The chance that the sum of those ranks whose coin shows heads is at most 0, 1, ..., half of the sum of all."""
    chance = np.zeros(sum(ranks) // 2 + 1)
    chance[0] = 1.0
    for rank in ranks:
        moved = np.zeros_like(chance)
        moved[rank:] = chance[: max(len(chance) - rank, 0)]
        chance = (chance + moved) / 2
    found: np.ndarray = chance.cumsum()
    return found


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down correction: the chance of one false finding among all is at most the level.

    The i-th smallest of m becomes the largest of `(m - j + 1) p_j` over all `j <= i`, and at most 1.

    Args:
        p: `(m,)`.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def ranks_within(values: np.ndarray, direction: Direction) -> np.ndarray:
    """Rank of each method within each subject: 1 is best, tied ones share the mean of their ranks.

    Args:
        values: `(n, k)` finite, subjects by methods.
    """
    from scipy.stats import rankdata

    if values.size == 0:
        return np.empty(values.shape)
    level = np.round(values / (np.abs(values).max() or 1.0), DIGITS) * (-1 if direction == "higher" else 1)
    ranks: np.ndarray = rankdata(level, axis=1)
    return ranks


def auc(score: ArrayLike, truth: ArrayLike) -> float:
    """The area below the ROC curve: the chance that one of the truth scores higher than another, ties counting half.

    `AUC = U / (n m)`, with U of Mann and Whitney (1947) for `n` of the truth and `m` others.

    Args:
        score: any shape, higher is more; an array or a tensor on the CPU. To look at voxels of the brain only, pass
            `map[brain]` and `truth[brain]`.
        truth: of the same shape, not 0 where the truth is.

    Returns:
        0 to 1, where 0.5 is chance; NaN where the truth is empty or everything.

    Raises:
        ValueError: the shapes differ, or a score is NaN.
    """
    from scipy.stats import mannwhitneyu

    values, inside = np.asarray(score, np.float64), np.asarray(truth) != 0
    if values.shape != inside.shape:
        raise ValueError(f"score and truth must have one shape, got {values.shape} and {inside.shape}")
    if np.isnan(values).any():
        raise ValueError(f"score holds {int(np.isnan(values).sum())} values that are NaN, which have no rank")
    hits, others = values[inside], values[~inside]
    if not hits.size or not others.size:
        return float("nan")
    found = mannwhitneyu(hits, others, method="asymptotic")
    area: float = float(found.statistic) / (hits.size * others.size)
    return area


def friedman(ranks: np.ndarray) -> dict[str, Any] | None:
    """Friedman's test whether any method differs, by chi-square with `k - 1` degrees of freedom, corrected for ties.

    Args:
        ranks: `(n, k)`, methods ranked within subjects.

    Returns:
        `statistic`, `df`, `p`, `n`, `k`; None for fewer than three subjects or methods, or where all ranks are tied.
    """
    from scipy.stats import friedmanchisquare

    count, methods = ranks.shape
    if count < 3 or methods < 3 or np.ptp(ranks) == 0:
        return None
    found = friedmanchisquare(*ranks.T)
    return {
        "statistic": float(found.statistic),
        "df": methods - 1,
        "p": float(found.pvalue),
        "n": count,
        "k": methods,
    }


def cliques(apart: np.ndarray) -> list[tuple[int, ...]]:
    """Maximal sets of methods that are not distinguished: the bars of a critical-difference plot.

    A set of one is no bar.

    Args:
        apart: `(k, k)` bool, symmetric: whether two methods are told apart; methods in the order of their mean rank.

    Returns:
        Sets of indices, each in order, the sets in order.
    """
    from networkx import find_cliques, from_numpy_array

    found = [tuple(sorted(one)) for one in find_cliques(from_numpy_array(~apart))]
    return sorted(one for one in found if len(one) > 1)
