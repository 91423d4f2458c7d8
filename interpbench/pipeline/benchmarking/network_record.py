"""What a benchmark of several networks writes of them: `networks.json`, and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interpbench.comparison.networks import compare_rankings, figures_by_error, verdict_on_networks
from interpbench.pipeline.benchmarking.entered_networks import Network
from interpbench.pipeline.benchmarking.network_maps import NetworkMaps


def record_of_networks(
    networks: Sequence[Network],
    summaries: Mapping[str, Mapping[str, Any]],
    errors: Mapping[str, Mapping[str, Any]],
    maps: Mapping[str, NetworkMaps],
    seed: int,
) -> dict[str, Any]:
    """The content of `networks.json`."""
    by_error = {name: one["mae"] for name, one in errors.items()}
    rankings = compare_rankings(summaries, seed=seed)
    figures = {name: one.figures() for name, one in maps.items()}
    first = next(iter(summaries.values()))
    return {
        "unit": first["unit"],
        "n": first["n"],
        "seed": seed,
        "networks": [
            {"name": one.name, "fingerprint": one.study.fingerprint, "error": errors[one.name]} for one in networks
        ],
        "measures": [one for one in first["measures"] if one["name"] in rankings],
        "rankings": rankings,
        "by_error": figures_by_error(summaries, by_error),
        "maps": figures,
        "same_grid": all(one.study.recipe.to_json() == networks[0].study.recipe.to_json() for one in networks),
        "verdict": verdict_on_networks(summaries, by_error, rankings, figures),
        "warnings": [f"{name}: {words}" for name, one in summaries.items() for words in one.get("doubts") or ()],
    }


def rows_of_networks(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a network, measure and method: error, mean, rank."""
    rows = []
    errors = {one["name"]: one["error"]["mae"] for one in record["networks"]}
    for measure, ranking in record["rankings"].items():
        means = record["by_error"].get(measure, {})
        order = sorted((name for name, error in errors.items() if error is not None), key=lambda name: errors[name])
        for network, ranks in ranking["ranks"].items():
            for method, rank in ranks.items():
                mean = means[method]["mean"][order.index(network)] if method in means and network in order else None
                rows.append(
                    {
                        "network": network,
                        "error": errors[network],
                        "measure": measure,
                        "method": method,
                        "mean": mean,
                        "rank": rank,
                    }
                )
    return rows
