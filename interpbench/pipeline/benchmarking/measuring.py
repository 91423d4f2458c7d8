"""The second round of a benchmark: every measure of every map.

With several processes the round begins side by side; then it goes through all subjects as it does alone, and finds on
disk what is done.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from interpbench.cohort.choosing import log
from interpbench.cohort.subjects import Subject
from interpbench.contract.declaration import nothing
from interpbench.contract.metric import Case, Metric
from interpbench.doubts import NAMED
from interpbench.errors import InputError, InterpbenchError, ResourceError
from interpbench.files.records import MapOf, Maybe, read_record
from interpbench.files.run_folder import RunFolder, sidecar_of
from interpbench.host.ask_metric import measured
from interpbench.parallel.side_by_side import side_by_side
from interpbench.pipeline.benchmarking.cases import MeasuringContext
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.everyone import PeopleToCompare
from interpbench.pipeline.benchmarking.making import FoundMaps, maps_of_subject
from interpbench.pipeline.benchmarking.maps import MapSource
from interpbench.pipeline.benchmarking.tables import Row, read_rows, rows_of, write_rows
from interpbench.pipeline.benchmarking.unfinished import Unfinished
from interpbench.progress import track

_NEWS = {"excluded": Maybe(MapOf(str)), "missing": Maybe(MapOf(str))}  # in the record of a subject's measures


@dataclass(frozen=True, eq=False, kw_only=True)
class Measuring:
    """Every measure of every map; what is done of each subject is kept map by map."""

    run: RunFolder
    circumstances: MeasuringContext
    maps: MapSource
    base: Sequence[Contestant]  # one a method, not blurred
    contestants: Sequence[Contestant]
    metrics: Sequence[tuple[str, Metric]]
    repeats: int  # subjects on whom metrics that explain again are measured
    common: str = ""  # SHA-256 over what all figures depend on beside the run's identity: states of fits, the template
    people: PeopleToCompare | None = None  # None where no metric compares people
    people_sha256: str | None = None

    def measure(self, found: FoundMaps, processes: int = 1) -> list[Row]:
        """Every row of the table, in the order of the subjects.

        Args:
            processes: in how many to work.
        """
        left = [place for place in range(len(found.subjects)) if not self._done(found, place)]
        others = [found.subjects[place] for place in left]
        anew = [f"sub-{subject.id}" for subject in others if self.run.done(self._product(subject))]
        if anew:
            told = ", ".join(anew[:NAMED]) + (", ..." if len(anew) > NAMED else "")
            log.warning(
                "%d subjects are measured again, because the inputs of their figures changed: %s", len(anew), told
            )
        known = frozenset({*found.excluded, *found.missing})
        finish = partial(self._with_people(found)._finish if left else self._finish, found, known)
        side_by_side(left, finish, processes, "measuring", order=self._turns(left, found))
        rows: list[Row] = []
        for place, subject in enumerate(track(found.subjects, "measuring", unit="subject")):
            if not self._done(found, place):
                finish(place)
            self._recall(subject, found)
            rows += read_rows(self._product(subject))
        return rows

    def _with_people(self, found: FoundMaps) -> Measuring:
        """The same, with what is known of all subjects; worked out before there are several processes."""
        if self.people is None:
            return self
        context = dataclasses.replace(self.circumstances, everyone=self.people.known(found))
        return dataclasses.replace(self, circumstances=context)

    def _turns(self, left: Sequence[int], found: FoundMaps) -> Iterator[int]:
        """The order in which subjects, whose places are `left`, come to whoever is free, as places in `left`.

        Those on whom methods run again take longest, so they come first: nobody should have one of them in hand when
        all else is done. Where a method learns, the first of them has it fitted again to networks that the others need
        as well, so they wait for it while there is anybody else.
        """
        long = [turn for turn, place in enumerate(left) if place < self.repeats]
        short = [turn for turn, place in enumerate(left) if place >= self.repeats]
        first = long[:1] if any(one.explainer.learned for one in self.base) else []
        yield from first
        long = long[len(first) :]
        while long or short:
            wait = short and first and not self._done(found, left[first[0]])
            yield short.pop(0) if wait or not long else long.pop(0)

    def _product(self, subject: Subject) -> Path:
        return self.run.product(subject.id, "desc-benchmark_measures.tsv")

    def _done(self, found: FoundMaps, place: int) -> bool:
        return self._measured_by(found.subjects[place], self._stamp(place))

    def _measured_by(self, subject: Subject, stamp: Mapping[str, Any]) -> bool:
        """Whether a subject's table is there, and was made from the same files and by this stamp."""
        product = self._product(subject)
        if not self.run.done(product):
            return False
        try:
            record = read_record(sidecar_of(product), _NEWS, "record of measures")
        except InputError:
            return False
        return all(record.get(name) == stamp[name] for name in stamp) and self.maps.made_from(record, subject)

    def _stamp(self, place: int) -> dict[str, Any]:
        """What beside a subject's own files decides the figures."""
        return {"again": place < self.repeats, "common_sha256": self.common, "people_sha256": self.people_sha256}

    def _still_true(self, subject: Subject, place: int) -> dict[str, list[Row]]:
        """By contestant, rows of an earlier table, where only other people have changed since then.

        They hold for every metric that does not compare people.
        """
        stamp = {name: value for name, value in self._stamp(place).items() if name != "people_sha256"}
        if not self._measured_by(subject, stamp):
            return {}
        found: dict[str, list[Row]] = {}
        for row in read_rows(self._product(subject)):
            found.setdefault(row["method"], []).append({**row, "note": row["note"] or None})
        return {name: rows for name, rows in found.items() if any(math.isfinite(row["value"]) for row in rows)}

    def _finish(self, found: FoundMaps, known: Set[object], place: int) -> None:
        """Measure one subject, as far as that is not done, and mark it as done.

        Args:
            known: what was excluded or missing before anybody was measured.
        """
        subject, again = found.subjects[place], place < self.repeats
        read = self.maps.study.read_of("benchmark", subject)
        product = self._product(subject)
        unfinished = Unfinished(product=product, stamp={"run": self.run.identity, **self._stamp(place), **read})
        before = self._still_true(subject, place)
        write_rows(product, self._measured(subject, found, again, unfinished, before))
        news = {
            "excluded": {method: why for method, why in found.excluded.items() if method not in known},
            "missing": {
                method: why
                for (label, method), why in found.missing.items()
                if label == subject.id and (label, method) not in known
            },
        }
        self.run.mark_done(product, {"participant_id": f"sub-{subject.id}", **self._stamp(place), **read, **news})
        unfinished.remove()

    def _recall(self, subject: Subject, found: FoundMaps) -> None:
        """Take over why a map is missing, as far as that came out only when another process measured the subject."""
        record = read_record(sidecar_of(self._product(subject)), _NEWS, "record of measures")
        for method, why in (record.get("excluded") or {}).items():
            found.excluded.setdefault(method, why)
        for method, why in (record.get("missing") or {}).items():
            found.missing.setdefault((subject.id, method), why)

    def _measured(
        self,
        subject: Subject,
        found: FoundMaps,
        again: bool,
        unfinished: Unfinished,
        before: Mapping[str, Sequence[Row]],
    ) -> list[Row]:
        prepared = self.maps.study.prepared.whole(subject)
        maps = dict(maps_of_subject(subject, prepared, self.base, self.maps, found))
        asked = [(name, metric) for name, metric in self.metrics if again or not metric.repeats]
        done = unfinished.read()
        for case in self.circumstances.cases(subject, prepared, maps, self.contestants):
            if case.method not in done:
                known = before.get(case.method, ())
                done[case.method] = [row for name, metric in asked for row in _rows(name, metric, case, known)]
                unfinished.keep(done)
        rows = [row for one in self.contestants if one.method in maps for row in done[one.name]]
        for one in self.contestants:
            note = found.excluded.get(one.method) or found.missing.get((subject.id, one.method))
            if one.method in maps or not note:
                continue
            for _, metric in asked:
                rows += _empty_rows(subject.id, one.name, metric, note)
        return rows


def _rows(name: str, metric: Metric, case: Case, before: Sequence[Row]) -> list[Row]:
    """One metric's rows of one map; a metric that fails is told, and the others go on.

    Args:
        before: rows of this map, which hold where the metric does not compare people.
    """
    if not metric.compares_people:
        measures = {measure.name for measure in metric.measures}
        kept = [row for row in before if row["measure"] in measures]
        if kept:
            return kept
        case = dataclasses.replace(case, everyone=None, alone="")
    try:
        values, notes = measured(name, metric, case)
    except ResourceError:
        raise
    except InterpbenchError as error:
        log.warning("sub-%s, %s: %s", case.subject, case.method, error)
        return _empty_rows(case.subject, case.method, metric, str(error))
    return rows_of(case.subject, case.method, metric.measures, values, notes)


def _empty_rows(subject: str, method: str, metric: Metric, note: str) -> list[Row]:
    """Rows without values, all for one reason."""
    notes = {measure.name: note for measure in metric.measures}
    return rows_of(subject, method, metric.measures, nothing(metric.measures), notes)
