"""A planted cohort on disk: each person's image and truth, the participants' table and its JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interpbench.cohort.subjects import FILE_COLUMNS, Cohort, Subject
from interpbench.errors import InputError
from interpbench.files.atomic import read_json, write_json, write_tsv
from interpbench.files.hashes import Hashes
from interpbench.files.run_folder import RunFolder, path_from
from interpbench.files.table import read_table
from interpbench.images.volume import write_map, write_mask
from interpbench.maps.sources import recorded_path
from interpbench.pipeline.planting_scenes import Scene
from interpbench.planting.geometry import Array
from interpbench.planting.person import Planted

TABLE, DESCRIPTION = "participants.tsv", "participants.json"
COLUMN = "planted"


def files_of(label: str) -> dict[str, str]:
    """The files of a subject in the cohort's folder, by what they are."""
    stem = f"sub-{label}/anat/sub-{label}"
    return {
        "image": f"{stem}_T1w.nii.gz",
        "truth": f"{stem}_desc-truth_mask.nii.gz",
        "difference": f"{stem}_desc-truth_map.nii.gz",
        "distractors": f"{stem}_desc-distractors_mask.nii.gz",
    }


def write_planted(
    run: RunFolder, scene: Scene, made: Planted, difference: Array, record: Mapping[str, Any], *, others: bool
) -> None:
    """Write a subject's files, the image last; those that this run has written are kept.

    Args:
        record: what the image's sidecar says of what was planted.
        others: whether anything but the target's signal is planted.
    """
    places = {what: run.path / name for what, name in files_of(scene.subject.id).items()}
    if not others:
        del places["distractors"]
    if all(run.done(place) for place in places.values()):
        return
    about = {"participant_id": f"sub-{scene.subject.id}"}
    write_mask(places["truth"], made.truth, like=scene.volume)
    write_map(places["difference"], difference, like=scene.volume)
    if others:
        write_mask(places["distractors"], made.others, like=scene.volume)
    write_map(places["image"], made.values, like=scene.volume)
    for what in reversed(places):
        run.mark_done(places[what], {**about, **record} if what == "image" else about)


def source_of(subject: Subject, root: Path, hashes: Hashes) -> dict[str, Any]:
    """The image and the mask that something was planted in, as the sidecar names them."""
    found: dict[str, Any] = {}
    for what, file in (("image", subject.image), ("mask", subject.mask)):
        found[what] = None if file is None else recorded_path(file, root)
        found[f"{what}_sha256"] = None if file is None else hashes.of(file)
    return found


def write_table(out: Path, cohort: Cohort, planted: Mapping[str, float | str], *, others: bool) -> None:
    """The participants' table: all former columns, with paths that lead to the same files, and what is new.

    Args:
        planted: the target of each subject, by label.
        others: whether there are masks of distractors.
    """
    names, rows = read_table(cohort.table)
    by_label = {str(row.cells.get("participant_id") or "").removeprefix("sub-"): row.cells for row in rows}
    written = []
    for subject in cohort.subjects:
        if subject.id not in planted:
            continue
        cells = by_label[subject.id]
        row: dict[str, Any] = {name: _cell(cells.get(name.lower())) for name in names}
        row = {name: cell for name, cell in row.items() if name.lower() not in (*FILE_COLUMNS, COLUMN)}
        own = files_of(subject.id)
        row |= {"image": own["image"], COLUMN: planted[subject.id], "truth": own["truth"]}
        row |= {"distractors": own["distractors"]} if others else {}
        kept = {what: file for what, file in subject.files.items() if what in ("mask", "labels")}
        row |= {what: path_from(out.absolute(), file.absolute()) for what, file in kept.items()}
        written.append(row)
    write_tsv(out / TABLE, written)


def write_description(out: Path, cohort: Cohort, column: str | None, what: str) -> None:
    """`participants.json`: what the former one said, and what the target is.

    Args:
        column: that the target was taken from; None where it was drawn.
        what: was planted, a sentence.
    """
    former: Any = {}
    with contextlib.suppress(InputError):
        former = read_json(cohort.table.with_suffix(".json"))
    target = (
        {"Description": f"Drawn from a standard normal distribution. {what}", "Units": "SD"}
        if column is None
        else {"Description": f"The column {column}. {what}"}
    )
    files = {
        "truth": {"Description": "Mask of the voxels of the subject's image that the target changed"},
        "distractors": {"Description": "Mask of the voxels that signals unrelated to the target changed"},
    }
    write_json(out / DESCRIPTION, {**(former if isinstance(former, dict) else {}), COLUMN: target, **files})


def _cell(text: str | None) -> Any:
    """A cell as it was; a number with a sign as a number, which no spreadsheet runs as a formula."""
    if text is not None and text[:1] in "+-":
        with contextlib.suppress(ValueError):
            return float(text)
    return text
