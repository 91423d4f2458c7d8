"""`interpbench check`: every problem of a cohort, before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interpbench.cli import flags
from interpbench.cli.voice import say, tell
from interpbench.doubts import named
from interpbench.errors import InputError, SubjectsFailed

if TYPE_CHECKING:
    from interpbench.cohort.subjects import Cohort

MANY = 10  # like problems are told in one line
# What differs between like problems: what is quoted or in brackets, names of files, and numbers.
_FIGURES = re.compile(r"'[^']*'|\([^)]*\)|\S*/\S*|\S+\.(?:nii|gz)\b|[-+~]?\d[\w.,+-]*")


@click.command()
@flags.cohort
@click.option(
    "--predictor",
    type=flags.PATH,
    metavar="MODEL",
    help="A predictor whose recipe each image is prepared by, as in a run; tells who lies far from its training.",
)
@flags.trust_factory
@click.option("--headers-only", is_flag=True, help="Do not read the voxels: milliseconds a subject.")
@click.option("--json", "json_out", type=flags.PATH, metavar="FILE", help="Write the table as JSON, too.")
@flags.images
@flags.spoken
def check(
    cohort: Path,
    predictor: Path | None,
    headers_only: bool,
    json_out: Path | None,
    images: dict[str, Any],
    trust_factory: tuple[str, ...] = (),
) -> None:
    """List every problem of a cohort in one table, before any compute.

    Ten like problems, or doubts of one kind, are one line, with three subjects and an example; the JSON has them all.
    COHORT is a folder with participants.tsv, or the path of such a table. Subjects without an age can be explained,
    but not trained on. The exit code is that of a run: 0 where nobody would be left out, 4 where somebody would, 3
    where nobody would be left.
    """
    from interpbench.cohort.check import check_cohort, rows_of
    from interpbench.cohort.subjects import read_cohort
    from interpbench.files.atomic import write_json
    from interpbench.images.rules import ImageRules

    loaded = refused = typical = None
    if predictor is not None:
        from interpbench.images.typical import typical_of
        from interpbench.predictor.model import load_predictor
        from interpbench.run.provenance import predictor_record

        loaded = load_predictor(predictor, trust_factory=trust_factory)
        typical = typical_of(predictor_record(predictor), predictor)
    recipe = None if loaded is None else loaded.recipe
    found = read_cohort(cohort, need_age=False, rules=ImageRules.of(images))
    problems = check_cohort(
        found, voxels=not headers_only, recipe=recipe, warnings=True, typical=typical, splits=_splits(found, predictor)
    )
    rows = rows_of(problems)
    doubts: list[str] = []
    if loaded is not None and not headers_only:
        from interpbench.run.trying import doubts_of_cohort

        try:
            doubts = doubts_of_cohort(loaded, str(predictor), found.subjects)
        except InputError as error:
            refused, doubts = error, [str(error)]
    if json_out is not None:
        kept = {"table": found.table, "subjects": len(found.subjects), "problems": rows}
        write_json(json_out, {**kept, **({} if loaded is None else {"predictor_warnings": doubts})})
    if rows:
        tell(_table(grouped(rows)))
    bad = {(one.subject, one.line) for one in problems if not one.warning}
    hurt = {one.subject for one in problems if not one.warning}
    usable = [subject for subject in found.subjects if f"sub-{subject.id}" not in hurt]
    left, ageless = len(usable), sum(subject.age is None for subject in usable)
    without = ", none of them has an age" if ageless == left else f", {ageless} of them without an age"
    told = f"{found.table}: {left} subjects can be used{without if ageless else ''}"
    if refused is not None:
        raise refused
    if bad and not left:
        raise InputError(f"{told}, {len(bad)} cannot.")
    if bad:
        raise SubjectsFailed(f"{told}, {len(bad)} cannot.")
    doubtful = {one.subject for one in problems if one.subject}
    about = [f"{len(doubtful)} subject{'s' * (len(doubtful) != 1)}"] if doubtful else []
    about += ["the table"] if any(not one.subject for one in problems) else []
    about += ["the predictor"] if doubts else []
    listed = ", ".join([*about[:-2], " and ".join(about[-2:])])
    say(f"{told}; no problems" + (f", doubts about {listed}" if about else ""))


def _splits(cohort: Cohort, predictor: Path | None) -> dict[str, str]:
    """The division on record of the predictor; without one, that of the table, as far as it tells."""
    if predictor is not None and predictor.is_dir():
        from interpbench.cohort.recorded_splits import all_splits

        return all_splits(cohort, predictor)
    return {subject.id: subject.split for subject in cohort.subjects if subject.split is not None}


def grouped(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for rows that are alike: warnings of one kind, or `MANY` problems that differ in names and numbers."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["level"], row["kind"] or _FIGURES.sub("#", row["message"])), []).append(row)
    told = []
    for some in sorted(_parted(groups.values()), key=lambda some: int(some[0]["line"])):
        shown = {name: value for name, value in some[0].items() if name != "kind"}
        who = list(dict.fromkeys(row["participant_id"] for row in some if row["participant_id"]))
        if len(some) > 1:
            shown["participant_id"] = f"{named(who)} ({len(who)} subjects)" if len(who) > 1 else named(who) or None
        if some[0]["kind"]:
            shown["message"] = f"{some[0]['kind']}: {shown['message']}"
        told.append(shown)
    return told


def _parted(groups: Iterable[list[Mapping[str, Any]]]) -> Iterator[list[Mapping[str, Any]]]:
    """The groups; a few like problems one by one, for each row is to be mended in its own line of the table."""
    for some in groups:
        if some[0]["level"] == "problem" and len(some) < MANY:
            yield from ([row] for row in some)
        else:
            yield some


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows under their columns' names, in columns of even width."""
    names = list(rows[0])
    cells = [
        names,
        *([" ".join(str(row[name] if row[name] is not None else "n/a").split()) for name in names] for row in rows),
    ]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names) - 1)]
    return "\n".join("  ".join([*map(str.ljust, line, widths), line[-1]]) for line in cells)
