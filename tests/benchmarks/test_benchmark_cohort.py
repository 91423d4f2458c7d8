"""`benchmarks/cohort.py` runs, on a toy, and says what it should."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
TOY = (
    "--subjects",
    "8",
    "6",
    "--voxel-size",
    "10",
    "--shape",
    "12x14x10",
    "--width",
    "2",
    "--first-stride",
    "2",
    "--channels",
    "2",
    "--blocks",
    "2",
    "--repeats",
    "1",
    "--images",
    "3",
)


@pytest.fixture(scope="module")
def benchmark() -> Iterator[SimpleNamespace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        names = ("machine", "cohort_case", "cohort_memory", "cohort_stages", "cohort")
        yield SimpleNamespace(**{name: import_module(name) for name in names})
        for name in names:
            sys.modules.pop(name, None)


@pytest.mark.slow
def test_every_stage_and_the_whole_are_timed_and_memory_is_followed(benchmark: SimpleNamespace, tmp_path: Path) -> None:
    out = tmp_path / "cohort.json"
    benchmark.cohort.main([*TOY, "--work", str(tmp_path / "work"), "--out", str(out)])
    found = json.loads(out.read_text())
    assert found["settings"]["shape"] == [12, 14, 10]
    assert [(case["case"], case["subjects"]) for case in found["cases"]] == [("phantom", 8), ("full", 6)]
    for case in found["cases"]:
        assert case["same_bytes"] is True
        stages = {name: value["median"] for name, value in case["stage_seconds"].items()}
        assert set(stages) == set(benchmark.cohort_stages.STAGES) and min(stages.values()) >= 0
        slowest = stages[case["slowest_stage"]]
        assert slowest == max(stages.values())
        for name, ratio in case["whole_to_slowest_stage"].items():
            assert ratio == pytest.approx(case["whole_seconds"][name]["median"] / slowest, rel=0.05)
        for memory in case["memory"].values():
            assert memory["subjects"] == case["subjects"]
            assert memory["peak_mib"] == sorted(memory["peak_mib"])
            assert 0 < memory["mean_mib"][-1] <= memory["peak_mib"][-1]
        assert case["aggregate"]["subjects"][-1] == case["subjects"]
        assert case["reading"]["files"] == 3


def test_the_cohorts_are_random_brains_on_the_networks_own_grid(benchmark: SimpleNamespace) -> None:
    brain = benchmark.cohort_case._random_brain((12, 14, 10), seed=3)
    assert brain.shape == (12, 14, 10)
    assert float(brain[0, 0, 0]) == 0 < float(brain[6, 7, 5])
    assert bool((brain == brain.round()).all())
    assert not bool((brain == benchmark.cohort_case._random_brain((12, 14, 10), seed=4)).all())
