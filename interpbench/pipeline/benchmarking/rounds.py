"""The two rounds of a benchmark: maps of every subject by every method, then every measure of every map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from interpbench import store
from interpbench.cohort import Subject
from interpbench.errors import InputError, InterpbenchError, NotApplicable, PluginError, ResourceError
from interpbench.interfaces import Predictor
from interpbench.metric import Case, Metric
from interpbench.metrics.declaration import nothing
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.maps import Maps
from interpbench.pipeline.benchmarking.people import Circumstances
from interpbench.pipeline.benchmarking.tables import Row, read_rows, rows_of, write_rows
from interpbench.pipeline.checking import doubts_about
from interpbench.pipeline.map_run import hashes_of
from interpbench.pipeline.measured import measured
from interpbench.pipeline.prediction import predict_one
from interpbench.pipeline.selection import failure, log
from interpbench.prepared import Prepared
from interpbench.progress import track


@dataclass
class Found:
    """What the round of maps found out."""

    subjects: list[Subject] = field(default_factory=list)  # those that can be read
    failures: list[dict[str, Any]] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)  # method -> why it does not apply
    missing: dict[tuple[str, str], str] = field(default_factory=dict)  # (subject, method) -> why there is no map
    flat: dict[str, int] = field(default_factory=dict)  # method -> maps that say nothing
    means: dict[str, Tensor] = field(default_factory=dict)  # method -> mean of |map| in the brain, float64
    brains: Tensor | None = None  # how many subjects have brain there
    images: Tensor | None = None  # sum of the normalised images, (I, J, K)
    affine: Any = None  # of the last subject's grid


def make_maps(
    subjects: Sequence[Subject],
    contestants: Sequence[Contestant],
    maps: Maps,
    predictor: Predictor,
    excluded: Mapping[str, str],
) -> Found:
    """Make every map that is not there yet. A method that does not apply to the network is left out from then on.

    Args:
        excluded: methods that take no part from the start, and why.
    """
    found, counts = Found(excluded=dict(excluded)), dict[str, int]()
    for subject in track(subjects, "making maps", unit="subject"):
        try:
            prepared = predictor.recipe.prepare(subject)
            predict_one(predictor, prepared.volume[None].to(maps.device))  # refuses what is no number
        except (InputError, PluginError) as error:
            log.warning("left out: sub-%s: %s", subject.id, error)
            found.failures.append(failure(subject.id, subject.image, error))
            continue
        found.subjects.append(subject)
        _add(found, prepared)
        for name, map in maps_of_subject(subject, prepared, contestants, maps, found):
            importance = (map.abs().cpu() * prepared.brain).double()
            found.means[name] = found.means[name] + importance if name in found.means else importance
            counts[name] = counts.get(name, 0) + 1
            found.flat[name] = found.flat.get(name, 0) + bool(doubts_about(map))
    found.means = {name: total / counts[name] for name, total in found.means.items()}
    return found


def maps_of_subject(
    subject: Subject, prepared: Prepared, contestants: Sequence[Contestant], maps: Maps, found: Found
) -> Iterator[tuple[str, Tensor]]:
    """The maps of one subject by method; why one is missing is noted in `found`."""
    for one in contestants:
        if one.method in found.excluded or (subject.id, one.method) in found.missing:
            continue
        try:
            yield one.method, maps.of(one, subject, prepared)
        except NotApplicable as error:
            log.warning("%s takes no part: %s", one.method, error)
            found.excluded[one.method] = str(error)
        except ResourceError:
            raise
        except InterpbenchError as error:
            log.warning("no map: sub-%s by %s: %s", subject.id, one.method, error)
            found.missing[subject.id, one.method] = str(error)


def _add(found: Found, prepared: Prepared) -> None:
    brain, image = prepared.brain.long(), prepared.volume[0].double()
    found.brains = brain if found.brains is None else found.brains + brain
    found.images = image if found.images is None else found.images + image
    found.affine = prepared.affine


@dataclass(frozen=True, eq=False, kw_only=True)
class Measuring:
    """Every measure of every map, one subject after the other; each subject's results are kept as they are done."""

    run: store.RunFolder
    circumstances: Circumstances
    maps: Maps
    base: Sequence[Contestant]  # one a method, not blurred
    contestants: Sequence[Contestant]
    metrics: Sequence[tuple[str, Metric]]
    repeats: int  # subjects on whom metrics that explain again are measured

    def measure(self, found: Found) -> list[Row]:
        """Every row of the table, in the order of the subjects."""
        rows: list[Row] = []
        for index, subject in enumerate(track(found.subjects, "measuring", unit="subject")):
            product = self.run.product(subject.id, "desc-benchmark_measures.tsv")
            if not self._done(product, subject):
                write_rows(product, self._measured(subject, found, again=index < self.repeats))
                self.run.mark_done(product, {"participant_id": f"sub-{subject.id}", **hashes_of(subject)})
            rows += read_rows(product)
        return rows

    def _done(self, product: Path, subject: Subject) -> bool:
        if not self.run.done(product):
            return False
        record = store.read_json(store.sidecar_of(product))
        return all(record.get(name) == value for name, value in hashes_of(subject).items())

    def _measured(self, subject: Subject, found: Found, *, again: bool) -> list[Row]:
        prepared = self.circumstances.predictor.recipe.prepare(subject)
        maps = dict(maps_of_subject(subject, prepared, self.base, self.maps, found))
        asked = [(name, metric) for name, metric in self.metrics if again or not metric.repeats]
        rows: list[Row] = []
        for case in self.circumstances.cases(subject, prepared, maps, self.contestants):
            for name, metric in asked:
                rows += _rows(name, metric, case)
        there = {one.name for one in self.contestants if one.method in maps}
        for one in self.contestants:
            note = found.excluded.get(one.method) or found.missing.get((subject.id, one.method))
            if one.name in there or not note:
                continue
            for _, metric in asked:
                rows += rows_of(subject.id, one.name, metric.measures, nothing(metric.measures), note)
        return rows


def _rows(name: str, metric: Metric, case: Case) -> list[Row]:
    """One metric's rows of one map; a metric that fails is told, and the others go on."""
    try:
        values, note = measured(name, metric, case)
    except PluginError as error:
        log.warning("sub-%s, %s: %s", case.subject, case.method, error)
        values, note = nothing(metric.measures), str(error)
    return rows_of(case.subject, case.method, metric.measures, values, note)
