"""On real heads, with each person's own segmentation: images differ in the truth alone, and atrophy has its volume."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interpbench import plant

DATA = os.environ.get("INTERPBENCH_DATA")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA, reason="INTERPBENCH_DATA is not set: it names the folder of real images"),
]
HIPPOCAMPI = "47,48"
WAYS: dict[str, dict[str, Any]] = {
    "contrast": {"kind": "contrast", "region": HIPPOCAMPI, "strength": 0.1},
    "atrophy": {"kind": "atrophy", "region": HIPPOCAMPI, "strength": 0.5, "distractors": ["contrast:59,60"]},
    "fluid": {"kind": "atrophy", "region": HIPPOCAMPI, "strength": 0.3, "options": {"filled_by": "fluid"}},
    "lesion": {"kind": "lesion", "strength": 0.2},
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(str(DATA)) / "ixi_hh"
    head, *rows = (folder / "participants.tsv").read_text().splitlines()
    cells = [row.split("\t") for row in rows[::45]]
    kept = ["\t".join([*row[:3], *(str(folder / file) for file in row[3:])]) for row in cells]
    table = tmp_path_factory.mktemp("real") / "participants.tsv"
    table.write_text("\n".join([head, *kept]) + "\n")
    return table


@pytest.mark.parametrize("way", WAYS)
def test_real_images_differ_exactly_in_the_truth(
    heads: SimpleNamespace, way: str, cohort: Path, tmp_path: Path
) -> None:
    record = plant(cohort, tmp_path / "out", **WAYS[way])
    for changed, truth, others, _ in heads.pairs(cohort, tmp_path / "out"):
        assert (changed == (truth | others)).all() and not (truth & others).any()
        assert 30 < truth.sum() < 8000
    if WAYS[way]["kind"] == "atrophy":
        assert -0.25 < record["measured"]["volume_change_per_sd"] < -0.04
