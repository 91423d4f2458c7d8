"""`interpbench check`: list every problem of a cohort before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interpbench.cli import flags
from interpbench.cli.messages import print_text, say
from interpbench.doubts import named
from interpbench.errors import InputError, SubjectsFailed

if TYPE_CHECKING:
    from interpbench.cohort.subjects import Cohort

MANY = 10  # similar problems are reported in one line
# The parts in which similar problems differ: quoted or bracketed text, file names, and numbers.
_FIGURES = re.compile(r"'[^']*'|\([^)]*\)|\S*/\S*|\S+\.(?:nii|gz)\b|[-+~]?\d[\w.,+-]*")


@click.command()
@flags.cohort
@click.option(
    "--predictor",
    type=flags.PATH,
    metavar="MODEL",
    help="Folder of a predictor: images are prepared by its recipe and compared with its training images.",
)
@flags.trust_factory
@click.option("--headers-only", is_flag=True, help="Check image headers only, without reading voxels.")
@click.option("--json", "json_out", type=flags.PATH, metavar="FILE", help="JSON file to write the full table to.")
@flags.images
@flags.common_options()
def check(
    cohort: Path,
    predictor: Path | None,
    headers_only: bool,
    json_out: Path | None,
    images: dict[str, Any],
    trust_factory: tuple[str, ...] = (),
) -> None:
    """List every problem of a cohort before anything is computed.

    COHORT is a folder with participants.tsv, or the path of such a table. Ten or more similar problems, and all
    warnings of one kind, share one line with three subjects and an example. The JSON file lists them all. Subjects
    without an age can be explained, but not used for training. The exit code is 0 if every subject can be used, 4 if
    some cannot, and 3 if none can.
    """
    from interpbench.cohort.check import check_cohort, problem_table
    from interpbench.cohort.subjects import read_cohort
    from interpbench.files.atomic import write_json
    from interpbench.images.rules import ImageRules

    loaded = refused = typical = None
    if predictor is not None:
        from interpbench.images.typical import typical_of
        from interpbench.predictor.model import open_predictor

        loaded, record = open_predictor(predictor, trust_factory=trust_factory)
        typical = typical_of(record, predictor)
    recipe = None if loaded is None else loaded.recipe
    found = read_cohort(cohort, need_age=False, rules=ImageRules.of(images))
    problems = check_cohort(
        found, voxels=not headers_only, recipe=recipe, warnings=True, typical=typical, splits=_splits(found, predictor)
    )
    rows = problem_table(problems)
    doubts: list[str] = []
    if loaded is not None and not headers_only:
        from interpbench.run.trying import doubts_of_cohort

        try:
            doubts = doubts_of_cohort(loaded, str(predictor), record, found.subjects)
        except InputError as error:
            refused, doubts = error, [str(error)]
    if json_out is not None:
        kept = {"table": found.table, "subjects": len(found.subjects), "problems": rows}
        write_json(json_out, {**kept, **({} if loaded is None else {"predictor_warnings": doubts})})
    if rows:
        print_text(_table(grouped(rows)))
    bad = {(one.subject, one.line) for one in problems if not one.warning}
    hurt = {one.subject for one in problems if not one.warning}
    usable = [subject for subject in found.subjects if f"sub-{subject.id}" not in hurt]
    left, ageless = len(usable), sum(subject.age is None for subject in usable)
    without = ", none of them has an age" if ageless == left else f", {ageless} of them without an age"
    summary = f"{found.table}: {left} subjects can be used{without if ageless else ''}"
    if refused is not None:
        raise refused
    if bad and not left:
        raise InputError(f"{summary}, {len(bad)} cannot.")
    if bad:
        raise SubjectsFailed(f"{summary}, {len(bad)} cannot.")
    doubtful = {one.subject for one in problems if one.subject}
    about = [f"{len(doubtful)} subject{'s' * (len(doubtful) != 1)}"] if doubtful else []
    about += ["the table"] if any(not one.subject for one in problems) else []
    about += ["the predictor"] if doubts else []
    listed = ", ".join([*about[:-2], " and ".join(about[-2:])])
    say(f"{summary}; no problems" + (f", warnings about {listed}" if about else ""))


def _splits(cohort: Cohort, predictor: Path | None) -> dict[str, str]:
    """The split in the predictor's record; without a predictor, the split column of the table."""
    if predictor is not None and predictor.is_dir():
        from interpbench.cohort.recorded_splits import all_splits

        return all_splits(cohort, predictor)
    return {subject.id: subject.split for subject in cohort.subjects if subject.split is not None}


def grouped(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with similar ones merged: warnings of one kind, or `MANY` problems that differ in names and numbers."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["level"], row["kind"] or _FIGURES.sub("#", row["message"])), []).append(row)
    merged = []
    for some in sorted(_parted(groups.values()), key=lambda some: int(some[0]["line"])):
        shown = {name: value for name, value in some[0].items() if name != "kind"}
        who = list(dict.fromkeys(row["participant_id"] for row in some if row["participant_id"]))
        if len(some) > 1:
            shown["participant_id"] = f"{named(who)} ({len(who)} subjects)" if len(who) > 1 else named(who) or None
        if some[0]["kind"]:
            shown["message"] = f"{some[0]['kind']}: {shown['message']}"
        merged.append(shown)
    return merged


def _parted(groups: Iterable[list[Mapping[str, Any]]]) -> Iterator[list[Mapping[str, Any]]]:
    """The groups; fewer than `MANY` similar problems are kept apart, because each is corrected in its own row."""
    for some in groups:
        if some[0]["level"] == "problem" and len(some) < MANY:
            yield from ([row] for row in some)
        else:
            yield some


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows below the names of their columns, aligned."""
    names = list(rows[0])
    cells = [
        names,
        *([" ".join(str(row[name] if row[name] is not None else "n/a").split()) for name in names] for row in rows),
    ]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names) - 1)]
    return "\n".join("  ".join([*map(str.ljust, line, widths), line[-1]]) for line in cells)
