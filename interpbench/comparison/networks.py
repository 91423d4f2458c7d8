"""Several networks on the same subjects: do they order the methods alike, and do better networks give better maps?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interpbench.comparison.agreement import kendall_w, permutation_p
from interpbench.comparison.headline import headlines
from interpbench.comparison.statistics import ranks_within
from interpbench.comparison.wording import chance, counted, label, listed, three_digits

FEWEST = 4  # networks for a correlation between their error and a figure of their maps
Benchmarks = Mapping[str, Mapping[str, Any]]  # network -> the content of its benchmark.json


def compare_rankings(benchmarks: Benchmarks, *, seed: int = 0) -> dict[str, Any]:
    """How each network ranks the methods, by every leading measure that all networks have.

    Floors and smoothed copies take no part: that every network puts floors last is no agreement about methods.

    Args:
        benchmarks: at least two, of the same subjects.
        seed: of the permutations.

    Returns:
        By measure: `methods`, `ranks` (network -> method -> rank, 1 is best), `best` (network -> the methods that are
        best or not distinguished from the best), `kendall_w` and `p`; None where fewer than two methods have values
        with every network, or all are tied.
    """
    return {name: _ranking(name, benchmarks, seed) for name in shared_measures(benchmarks)}


def shared_measures(benchmarks: Benchmarks) -> list[str]:
    """The leading measures that every network has values of, in the order of the first one's table."""
    first, *others = ([one["name"] for one in headlines(benchmark)] for benchmark in benchmarks.values())
    return [name for name in first if all(name in some for some in others)]


def _ranking(measure: str, benchmarks: Benchmarks, seed: int) -> dict[str, Any]:
    first = next(iter(benchmarks.values()))
    direction = next(one["direction"] for one in first["measures"] if one["name"] == measure)
    own = [one["name"] for one in first["methods"] if one.get("kind") != "floor" and not one.get("blurred")]
    results = {network: one["results"][measure] for network, one in benchmarks.items()}
    methods = [name for name in own if all(name in one["methods"] for one in results.values())]
    means = np.array([[one["methods"][name]["mean"] for name in methods] for one in results.values()])
    ranks = ranks_within(means, direction) if methods else means
    able = len(methods) > 1 and bool((np.ptp(ranks, axis=1) > 0).all())
    return {
        "methods": methods,
        "ranks": {
            network: dict(zip(methods, map(float, row), strict=True))
            for network, row in zip(results, ranks, strict=True)
        },
        "best": {network: [name for name in one["best"] if name in methods] for network, one in results.items()},
        "kendall_w": kendall_w(ranks) if able else None,
        "p": permutation_p(ranks, seed=seed) if able else None,
    }


def figures_by_error(benchmarks: Benchmarks, errors: Mapping[str, float | None]) -> dict[str, Any]:
    """The mean of each leading measure against the error of the network.

    Args:
        errors: network -> mean absolute error, in the predictor's unit; None where it is unknown.

    Returns:
        By measure and method: `error` and `mean`, one a network in the order of the errors, and `spearman`, their rank
        correlation; None for fewer than four networks, or where one of the two is constant.
    """
    from scipy.stats import spearmanr

    order = sorted((name for name, error in errors.items() if error is not None), key=lambda name: errors[name] or 0)
    found: dict[str, Any] = {}
    for measure in shared_measures(benchmarks):
        results = {network: benchmarks[network]["results"][measure]["methods"] for network in order}
        methods = [name for name in next(iter(results.values()), {}) if all(name in one for one in results.values())]
        found[measure] = {}
        for name in methods:
            error = [errors[network] for network in order]
            mean = [results[network][name]["mean"] for network in order]
            able = len(order) >= FEWEST and len(set(error)) > 1 and len(set(mean)) > 1
            found[measure][name] = {
                "error": error,
                "mean": mean,
                "spearman": float(spearmanr(error, mean).statistic) if able else None,
            }
    return found


def verdict_on_networks(
    benchmarks: Benchmarks, errors: Mapping[str, float | None], rankings: Mapping[str, Any], maps: Mapping[str, Any]
) -> list[str]:
    """The sentences that figures of several networks allow.

    Args:
        errors: as for `figures_by_error`.
        rankings: of `compare_rankings`.
        maps: method -> `correlation` (mean, interval, n) and `icc` (median over regions) of maps between networks.
    """
    first = next(iter(benchmarks.values()))
    known = [error for error in errors.values() if error is not None]
    between = (
        f", mean absolute error {three_digits(min(known))} to {three_digits(max(known))} {first['unit']}"
        if known
        else ""
    )
    found = [f"{counted(len(benchmarks), 'network')}{between}, and {counted(first['n'], 'subject')}, the same for all."]
    found += [_on_ranking(first, name, one, len(benchmarks)) for name, one in rankings.items()]
    return [*found, *_on_maps(maps)]


def _on_ranking(benchmark: Mapping[str, Any], name: str, ranking: Mapping[str, Any], networks: int) -> str:
    title = label(next(one for one in benchmark["measures"] if one["name"] == name))
    if ranking["kendall_w"] is None:
        return f"{title}: too few methods have values with every network to compare their order."
    always = [one for one in ranking["methods"] if all(one in best for best in ranking["best"].values())]
    text = (
        f"{title}: the networks order {counted(len(ranking['methods']), 'method')} with Kendall's W ="
        f" {three_digits(ranking['kendall_w'])} (1: all alike; {chance(ranking['p'])})."
    )
    if always:
        return f"{text} Best, or not distinguished from the best, with each of {networks} networks: {listed(always)}."
    return f"{text} No method is among the best with each of {networks} networks."


def _on_maps(maps: Mapping[str, Any]) -> list[str]:
    known = {name: one["correlation"]["mean"] for name, one in maps.items() if one["correlation"]["mean"] is not None}
    if not known:
        return []
    order: Sequence[str] = sorted(known, key=lambda name: -known[name])
    each = listed([f"{name} {three_digits(known[name])}" for name in order], len(order))
    found = [f"Rank correlation of one person's maps from two networks: {each}."]
    regional = {name: maps[name]["icc"]["median"] for name in order if maps[name]["icc"]["median"] is not None}
    if regional:
        each = listed([f"{name} {three_digits(one)}" for name, one in regional.items()], len(regional))
        found.append(
            "Intraclass correlation of regional importance between networks, median over regions (1: a region ranks"
            f" people alike in every network): {each}."
        )
    return found
