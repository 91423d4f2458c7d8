"""Methods, and what the verdict says of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from interpbench.comparison.summary import summarise
from interpbench.comparison.table import table_of


def method(name: str, **other: Any) -> dict[str, Any]:
    base = {"name": name, "method": name, "kind": "method", "blurred": False, "learned": False, "training_seconds": 0.0}
    return base | {"note": ""} | other


def floor(name: str) -> dict[str, Any]:
    return method(name, kind="floor")


def blurred(name: str) -> dict[str, Any]:
    return method(f"{name}+blur", method=name, blurred=True)


def told(
    levels: dict[str, dict[str, float]],
    measures: list[dict[str, Any]],
    methods: list[dict[str, Any]],
    count: int = 40,
    noise: float = 0.05,
) -> str:
    """The verdict on methods whose means are those levels, with noise of that SD, one statement a line."""
    drawn = np.random.default_rng(0)
    rows = [
        {"participant_id": f"sub-{at:03d}", "method": name, "measure": of, "value": level + noise * one}
        for of, some in levels.items()
        for name, level in some.items()
        for at, one in enumerate(stats.zscore(drawn.normal(size=count)))
    ]
    found = summarise(table_of(rows, [one["name"] for one in methods]), measures, methods, unit="years", resamples=499)
    return "\n".join(found["verdict"])


def measure(name: str, **other: Any) -> dict[str, Any]:
    return {"name": name, "metric": f"metric of {name}", "unit": "", "direction": "higher", "help": ""} | other


def outcome(
    means: dict[str, float], *better: str, direction: str = "higher", n: int = 40, shared: int | None = None
) -> dict[str, Any]:
    """A measure's figures by hand: `outcome({"a": 3, "b": 1}, "a>b")`; two that no sign compares are not distinguished.

    Args:
        shared: how many subjects two methods have in common; `n` where it is not given.
    """
    sign = 1 if direction == "higher" else -1
    order = sorted(means, key=lambda name: -sign * means[name])
    pairs = [
        {
            "a": a,
            "b": b,
            "n": n if shared is None else shared,
            "difference": means[a] - means[b],
            "difference_interval": [means[a] - means[b] - 0.1, means[a] - means[b] + 0.1],
            "p": 0.0001 if {f"{a}>{b}", f"{b}>{a}"} & set(better) else 0.4,
            "p_holm": 0.0002 if {f"{a}>{b}", f"{b}>{a}"} & set(better) else 0.8,
            "effect": sign * (-1.0 if f"{b}>{a}" in better else 1.0),
        }
        for a, b in itertools.combinations(means, 2)
    ]
    figures = {
        name: {
            "mean": mean,
            "sd": 0.3,
            "median": mean,
            "interval": [mean - 0.1, mean + 0.1],
            "n": n,
            "mean_rank": 1.0 + order.index(name),
        }
        for name, mean in means.items()
    }
    best = [name for name in order if f"{order[0]}>{name}" not in better]
    return {"n": n, "methods": figures, "friedman": None, "pairs": pairs, "best": best, "groups": [], "left_out": {}}


@pytest.fixture(name="measure", scope="session")
def give_measure() -> Callable[..., dict[str, Any]]:
    return measure


@pytest.fixture(name="outcome", scope="session")
def give_outcome() -> Callable[..., dict[str, Any]]:
    return outcome


@pytest.fixture(name="method", scope="session")
def give_method() -> Callable[..., dict[str, Any]]:
    return method


@pytest.fixture(name="floor", scope="session")
def give_floor() -> Callable[..., dict[str, Any]]:
    return floor


@pytest.fixture(name="blurred", scope="session")
def give_blurred() -> Callable[..., dict[str, Any]]:
    return blurred


@pytest.fixture(name="told", scope="session")
def give_told() -> Callable[..., str]:
    return told
