"""The first round of a benchmark: the maps of every subject by every method.

With several processes the round begins side by side; then it goes through all subjects as it does alone, and finds on
disk what is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from interpbench.cohort.choosing import log
from interpbench.cohort.subjects import Subject
from interpbench.errors import InterpbenchError, NotApplicable, ResourceError
from interpbench.files.failures import failure
from interpbench.host.ask_predictor import predict_one
from interpbench.host.checking import doubts_about
from interpbench.images.prepared import Prepared
from interpbench.images.typical import unlike
from interpbench.parallel.side_by_side import side_by_side
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.maps import MapSource
from interpbench.progress import track


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
