"""Little memory, another order of the subjects, other batches and shards: the same maps, or one line of why not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]
LABELS = [f"{number:02d}" for number in range(4)]


@pytest.mark.parametrize(("room", "batch"), [(2, 4), (1, 4), (1, 3), (3, 4)])
def test_too_little_memory_for_a_batch(room: int, batch: int, explained: Run, tmp_path: Path, maps: Any) -> None:
    assert explained("alone", "-o", "room=4", method="greedy")[0] == 0
    assert explained("maps", "-o", f"room={room}", "--batch-size", batch, method="greedy")[0] == 0
    assert maps(tmp_path / "maps") == maps(tmp_path / "alone")
    sidecars = [json.loads(path.read_text()) for path in (tmp_path / "maps").glob("sub-*/*_importance.json")]
    told = [any("out of memory" in warning for warning in sidecar["warnings"]) for sidecar in sidecars]
    assert told == [True] * len(LABELS) if batch == 4 else any(told)


def test_too_little_memory_for_one_subject(explained: Run, tmp_path: Path, contents: Any) -> None:
    code, _, told = explained("maps", "-o", "room=0", "--batch-size", 4, method="greedy")
    assert code == 6
    assert "memory" in told.splitlines()[-1] and "Traceback" not in told
    assert not contents(tmp_path / "maps", "**/*.nii.gz")


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["as it is", "turned round", "shuffled"])
def test_the_same_bytes_in_another_order_and_batch(
    order: str, batch: int, explained: Run, cohort: Path, tmp_path: Path, maps: Any
) -> None:
    assert explained("maps")[0] == 0
    table = cohort / "participants.tsv"
    header, *rows = table.read_text().splitlines()
    if order == "turned round":
        rows.reverse()
    elif order == "shuffled":
        random.Random(0).shuffle(rows)
    table.write_text("\n".join([header, *rows]) + "\n")
    assert explained("again", "--batch-size", batch)[0] == 0
    assert maps(tmp_path / "again") == maps(tmp_path / "maps")


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_the_same_population_from_shards(number: int, explained: Run, run: Run, tmp_path: Path, contents: Any) -> None:
    for name, shards in (("whole", [None]), ("shards", random.Random(number).sample(range(number), number))):
        for shard in shards:
            words = [] if shard is None else ["--shard", f"{shard}/{number}"]
            assert explained(name, *words)[0] == 0
        assert run("aggregate", tmp_path / name, "--out", tmp_path / f"{name}-population")[0] == 0
    first, second = (tmp_path / f"{name}-population" for name in ("whole", "shards"))
    assert contents(first, "*.nii.gz") == contents(second, "*.nii.gz")
    assert contents(first, "*.nii.gz")
