"""How often does the 95 % interval of the person gain cover the truth, and how long does one map take?

People share truths: each one's is among the others of everybody else. So their gains are not independent, which the
bootstrap over subjects assumes. Four kinds of map, drawn many times:

- `template`: one map for everybody, likely where truths are likely. The mean gain is 0 in each draw.
- `population`: the same, with noise of each person's own.
- `permuted`: maps that follow a person, each given to somebody drawn at random. The expected gain is 0.
- `personal`: maps that follow their own person; what is to be covered is the mean over all draws.

Truths are stretches of a line of voxels, of random length, and more of them lie in the middle.

    python benchmarks/person_gain.py
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from numpy.typing import NDArray

from interpbench.comparison.statistics import intervals
from interpbench.files.atomic import write_json
from interpbench_measures.many_truths import ManyTruths, Ranking

HERE = Path(__file__).parent
KINDS = ("template", "population", "permuted", "personal")
MEASURES = ("person_gain", "person_precision_gain", "person_rank")
CHANCE = np.array([0.0, 0.0, 0.5])


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Simulate, print and write the result; returns what the file holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=200, help="draws of each kind")
    parser.add_argument("--people", type=int, nargs="+", default=[15, 60], help="people in a draw")
    parser.add_argument("--voxels", type=int, default=1000, help="voxels of the common brain")
    parser.add_argument(
        "--signal", type=float, default=0.3, help="height of a person's truth in their map, in SD of the noise"
    )
    parser.add_argument("--resamples", type=int, default=1999, help="of the bootstrap")
    parser.add_argument("--timed", type=int, nargs=2, default=[200, 100_000], help="people and voxels of the timed map")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "person_gain.json")
    asked = parser.parse_args(words)
    settings = {name: value for name, value in vars(asked).items() if name != "out"}
    found: dict[str, Any] = {"settings": settings, "machine": describe_machine("cpu"), "coverage": []}
    for people in asked.people:
        for kind in KINDS:
            found["coverage"] += coverage(asked, kind, people)
            for row in found["coverage"][-len(MEASURES) :]:
                print(json.dumps(row))
    found["seconds_of_a_map"] = seconds_of_a_map(*asked.timed)
    print(json.dumps(found["seconds_of_a_map"]))
    write_json(asked.out, found)
    print(asked.out)
    return found


def coverage(asked: argparse.Namespace, kind: str, people: int) -> list[dict[str, Any]]:
    """How often the interval of each measure covers what it should, over the draws."""
    means, bounds = [], []
    for repeat in range(asked.repeats):
        random = np.random.default_rng([repeat, people, KINDS.index(kind)])
        figures = figures_of(random, kind, people, asked.voxels, asked.signal)
        means.append(figures.mean(axis=0))
        bounds.append(intervals(figures, seed=repeat, resamples=asked.resamples))
    found, ends = np.array(means), np.array(bounds)
    expected = found.mean(axis=0) if kind == "personal" else CHANCE
    return [
        {
            "kind": kind,
            "people": people,
            "measure": name,
            "expected": round(float(expected[at]), 4),
            "covered": float(np.mean((ends[:, at, 0] <= expected[at]) & (expected[at] <= ends[:, at, 1]))),
            "mean": round(float(found[:, at].mean()), 4),
            "sd_of_means": round(float(found[:, at].std()), 4),
            "mean_width": round(float(np.ptp(ends[:, at], axis=1).mean()), 4),
        }
        for at, name in enumerate(MEASURES)
    ]


def figures_of(random: np.random.Generator, kind: str, people: int, voxels: int, signal: float) -> NDArray[np.float64]:
    """What everybody gets in one draw, `(people, measures)`."""
    truths = _stretches(random, people, voxels)
    noise = random.standard_normal((people, voxels))
    usual = signal * truths.mean(axis=0) / truths.mean() / 4
    maps = {
        "template": np.tile(usual + noise[0], (people, 1)),
        "population": usual + noise,
        "permuted": (signal * truths + noise)[random.permutation(people)],
        "personal": signal * truths + noise,
    }[kind]
    among = ManyTruths.of(list(truths))
    rankings = [Ranking.of(map) for map in maps]
    areas = np.array([one.aucs(among) for one in rankings])
    precisions = np.array([one.average_precisions(among) for one in rankings])
    own = areas.diagonal()[:, None]
    worse = (areas < own).sum(axis=1) + ((areas == own).sum(axis=1) - 1) / 2
    return np.stack([_gains(areas), _gains(precisions), worse / (people - 1)], axis=1)


def _stretches(random: np.random.Generator, people: int, voxels: int) -> NDArray[np.bool_]:
    """Truths `(people, voxels)`: 1 to 10 % of the voxels each."""
    lengths = np.maximum(1, (random.uniform(0.01, 0.1, people) * voxels).astype(int))
    starts = (random.beta(2, 2, people) * (voxels - lengths)).astype(int)
    places = np.arange(voxels)
    found: NDArray[np.bool_] = (places >= starts[:, None]) & (places < (starts + lengths)[:, None])
    return found


def _gains(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each one's own figure less the mean of that map's others; `table` has a row a map and a column a truth."""
    own, number = table.diagonal(), len(table)
    found: NDArray[np.float64] = own - (table.sum(axis=1) - own) / (number - 1)
    return found


def seconds_of_a_map(people: int, voxels: int, rounds: int = 5) -> dict[str, Any]:
    """Median time of all that is ranked of one map, its truths at hand."""
    random = np.random.default_rng(0)
    truths, map = ManyTruths.of(list(_stretches(random, people, voxels))), random.standard_normal(voxels)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        ranking = Ranking.of(map.astype(np.float32))
        ranking.aucs(truths), ranking.average_precisions(truths)
        times.append(time.perf_counter() - start)
    return {
        "people": people,
        "voxels": voxels,
        "truth_voxels": len(truths.places),
        "seconds": round(sorted(times)[rounds // 2], 4),
    }


if __name__ == "__main__":
    main()
