"""Methods, and what the verdict says of them."""

from __future__ import annotations

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
