"""The two rounds of a benchmark: maps of every subject by every method, then every measure of every map.

With several processes each round begins side by side; then it goes through all subjects as it does alone, and finds on
disk what is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from interpbench.cohort.choosing import log
from interpbench.cohort.subjects import Subject
from interpbench.contract.declaration import nothing
from interpbench.contract.metric import Case, Metric
from interpbench.doubts import NAMED
from interpbench.errors import InputError, InterpbenchError, NotApplicable, ResourceError
from interpbench.files.failures import failure
from interpbench.files.records import MapOf, Maybe, read_record
from interpbench.files.run_folder import RunFolder, sidecar_of
from interpbench.host.ask_metric import measured
from interpbench.host.ask_predictor import predict_one
from interpbench.host.checking import doubts_about
from interpbench.images.prepared import Prepared
from interpbench.images.typical import unlike
from interpbench.parallel.side_by_side import side_by_side
from interpbench.pipeline.benchmarking.cases import MeasuringContext
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.maps import MapSource
from interpbench.pipeline.benchmarking.tables import Row, read_rows, rows_of, write_rows
from interpbench.pipeline.benchmarking.unfinished import Unfinished
from interpbench.progress import track

_NEWS = {"excluded": Maybe(MapOf(str)), "missing": Maybe(MapOf(str))}  # in the record of a subject's measures


@dataclass
class FoundMaps:
    """What the round of maps found out."""

    subjects: list[Subject] = field(default_factory=list)  # those that can be read
    failures: list[dict[str, Any]] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)  # method -> why it does not apply
    missing: dict[tuple[str, str], str] = field(default_factory=dict)  # (subject, method) -> why there is no map
    doubts: dict[str, list[str]] = field(default_factory=dict)  # about each subject's image, by label
    flat: dict[str, int] = field(default_factory=dict)  # method -> maps that say nothing
    anew: dict[str, int] = field(default_factory=dict)  # method -> maps that were given, but had been resampled
    means: dict[str, Tensor] = field(default_factory=dict)  # method -> mean of |map| in the brain, float64
    brains: Tensor | None = None  # how many subjects have brain there
    images: Tensor | None = None  # sum of the normalised images, (I, J, K)
    affine: Any = None  # of the last subject's grid


def make_maps(
    subjects: Sequence[Subject],
    contestants: Sequence[Contestant],
    maps: MapSource,
    excluded: Mapping[str, str],
    processes: int = 1,
) -> FoundMaps:
    """Make every map that is not there yet. A method that does not apply to the network is left out from then on.

    Args:
        excluded: methods that take no part from the start, and why.
        processes: in how many to make them.
    """
    lasting = [one for one in contestants if not one.explainer.floor]  # a floor's map is not kept
    ahead, counts = FoundMaps(excluded=dict(excluded)), dict[str, int]()
    # What a process finds out, it keeps to itself: the loop below finds it out again, and tells.
    side_by_side(
        subjects,
        lambda subject: _look(subject, lasting, maps, ahead, counts),
        processes,
        "making maps",
        silent=True,
    )
    found, counts = FoundMaps(excluded=dict(excluded)), dict[str, int]()
    for subject in track(subjects, "making maps", unit="subject"):
        _look(subject, contestants, maps, found, counts)
    found.means = {name: total / counts[name] for name, total in found.means.items()}
    for words in said_of_resampled(found):
        log.warning("%s", words)
    return found


def said_of_resampled(found: FoundMaps) -> list[str]:
    """Sentences about maps that were given and could not be taken."""
    number = len(found.subjects)
    return [
        f"{method}: {count} of {number} maps were made again: the given ones were interpolated to their images' grids, "
        "and those on the network's grid are missing."
        for method, count in found.anew.items()
        if count
    ]


def _look(
    subject: Subject,
    contestants: Sequence[Contestant],
    maps: MapSource,
    found: FoundMaps,
    counts: dict[str, int],
) -> None:
    """See to one subject's maps, and add to `found` what they tell; `means` are sums of `counts` maps so far."""
    try:
        prepared = maps.study.prepared.whole(subject)
        predict_one(maps.predictor, prepared.volume[None].to(maps.device))  # refuses what is no number
    except ResourceError:
        raise
    except InterpbenchError as error:
        log.warning("excluded: sub-%s: %s", subject.id, error)
        found.failures.append(failure(subject.id, subject.image, error))
        return
    found.subjects.append(subject)
    found.doubts[subject.id] = [*prepared.warnings, *unlike(maps.study.typical, prepared.volume, prepared.brain)]
    _add(found, prepared)
    for name, map in maps_of_subject(subject, prepared, contestants, maps, found):
        importance = (map.abs().cpu() * prepared.brain).double()
        found.means[name] = found.means[name] + importance if name in found.means else importance
        counts[name] = counts.get(name, 0) + 1
        found.flat[name] = found.flat.get(name, 0) + bool(doubts_about(map))
    for one in contestants:
        found.anew[one.method] = found.anew.get(one.method, 0) + maps.made_anew(one, subject)


def maps_of_subject(
    subject: Subject, prepared: Prepared, contestants: Sequence[Contestant], maps: MapSource, found: FoundMaps
) -> Iterator[tuple[str, Tensor]]:
    """The maps of one subject by method; why one is missing is noted in `found`."""
    for one in contestants:
        if one.method in found.excluded or (subject.id, one.method) in found.missing:
            continue
        try:
            yield one.method, maps.of(one, subject, prepared)
        except NotApplicable as error:
            log.warning("%s is excluded: %s", one.method, error)
            found.excluded[one.method] = str(error)
        except ResourceError:
            raise
        except InterpbenchError as error:
            log.warning("no map: sub-%s by %s: %s", subject.id, one.method, error)
            found.missing[subject.id, one.method] = str(error)


def _add(found: FoundMaps, prepared: Prepared) -> None:
    brain, image = prepared.brain.long(), prepared.volume[0].double()
    found.brains = brain if found.brains is None else found.brains + brain
    found.images = image if found.images is None else found.images + image
    found.affine = prepared.affine


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
        finish = partial(self._finish, found, frozenset({*found.excluded, *found.missing}))
        side_by_side(left, finish, processes, "measuring", order=self._turns(left, found))
        rows: list[Row] = []
        for place, subject in enumerate(track(found.subjects, "measuring", unit="subject")):
            if not self._done(found, place):
                finish(place)
            self._recall(subject, found)
            rows += read_rows(self._product(subject))
        return rows

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
        subject = found.subjects[place]
        product = self._product(subject)
        if not self.run.done(product):
            return False
        try:
            record = read_record(sidecar_of(product), _NEWS, "record of measures")
        except InputError:
            return False
        stamp = self._stamp(place)
        return all(record.get(name) == stamp[name] for name in stamp) and self.maps.made_from(record, subject)

    def _stamp(self, place: int) -> dict[str, Any]:
        """What beside a subject's own files decides the figures."""
        return {"again": place < self.repeats, "common_sha256": self.common}

    def _finish(self, found: FoundMaps, known: Set[object], place: int) -> None:
        """Measure one subject, as far as that is not done, and mark it as done.

        Args:
            known: what was excluded or missing before anybody was measured.
        """
        subject, again = found.subjects[place], place < self.repeats
        read = self.maps.study.read_of("benchmark", subject)
        product = self._product(subject)
        unfinished = Unfinished(product=product, stamp={"run": self.run.identity, **self._stamp(place), **read})
        write_rows(product, self._measured(subject, found, again, unfinished))
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

    def _measured(self, subject: Subject, found: FoundMaps, again: bool, unfinished: Unfinished) -> list[Row]:
        prepared = self.maps.study.prepared.whole(subject)
        maps = dict(maps_of_subject(subject, prepared, self.base, self.maps, found))
        asked = [(name, metric) for name, metric in self.metrics if again or not metric.repeats]
        done = unfinished.read()
        for case in self.circumstances.cases(subject, prepared, maps, self.contestants):
            if case.method not in done:
                done[case.method] = [row for name, metric in asked for row in _rows(name, metric, case)]
                unfinished.keep(done)
        rows = [row for one in self.contestants if one.method in maps for row in done[one.name]]
        for one in self.contestants:
            note = found.excluded.get(one.method) or found.missing.get((subject.id, one.method))
            if one.method in maps or not note:
                continue
            for _, metric in asked:
                rows += _empty_rows(subject.id, one.name, metric, note)
        return rows


def _rows(name: str, metric: Metric, case: Case) -> list[Row]:
    """One metric's rows of one map; a metric that fails is told, and the others go on."""
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
