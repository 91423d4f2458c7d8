"""A cohort, a model, a fit and maps, as far as their places are concerned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def plant(folder: Path, read: dict[str, str]) -> Path:
    """A file or folder for everything that a command reads, at those places; no content is ever looked at."""
    for name, place in read.items():
        path = folder / place
        path.parent.mkdir(parents=True)
        if path.suffix:
            path.write_text("seed = 1\n" if name == "config" else name)
        else:
            path.mkdir()
    cohort = folder / read["cohort"]
    for file in ("s0.nii.gz", "s0_mask.nii.gz", "sub-01/anat/image.nii.gz"):
        (cohort / file).parent.mkdir(parents=True, exist_ok=True)
        (cohort / file).write_text(file)
    (folder / "far.nii.gz").write_text("far")
    (cohort / "linked.nii.gz").symlink_to(folder / "far.nii.gz")
    rows = [
        "participant_id\tage\timage\tmask",
        "sub-s0\t50\ts0.nii.gz\ts0_mask.nii.gz",
        "sub-01\t50\tsub-01/anat/image.nii.gz\tn/a",
        "sub-l\tnothing\tlinked.nii.gz\tn/a",
    ]
    (cohort / "participants.tsv").write_text("\n".join(rows) + "\n")
    (cohort / "participants.json").write_text('{"age": {"Units": "years"}}')
    (cohort / "truth.nii.gz").write_text("truth")
    (folder / read["predictor"] / "model.json").write_text("{}")
    (folder / read["fitted"] / "fitted.json").write_text("{}")
    manifest = {"kind": "explain", "interpbench": "0", "command": {"cohort": str(cohort / "participants.tsv")}}
    (folder / read["maps"] / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def planted() -> Callable[[Path, dict[str, str]], Path]:
    """`planted(folder, read)`: the folder, with something at each of the places that `read` names."""
    return plant
