"""The files of one subject's map: on the image's grid, as the method made it, and a sidecar with its origin."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpbench.cohort.subjects import Subject
from interpbench.doubts import BOUND, METHOD, PREDICTOR, Doubt, as_record
from interpbench.errors import InterpbenchError, PluginError
from interpbench.files.run_folder import RunFolder, sidecar_of
from interpbench.host.ask_explainer import Explained
from interpbench.host.checking import MAP, doubts_about
from interpbench.images.cut import BrainCut
from interpbench.images.prepared import Prepared
from interpbench.images.volume import write_map
from interpbench.maps.network_map import place_beside
from interpbench.predictor.training_range import outside_training

log = logging.getLogger("interpbench")


@dataclass(frozen=True, eq=False)
class MapOrigin:
    """The origin of a map: its subject and prediction, and the data to resample it to the image's grid."""

    subject: Subject
    way_back: Prepared  # without its voxels
    cut: BrainCut
    read: Mapping[str, Any]  # as `read_of_subject` says it
    held: str | None = None  # a sentence, where the network's last layer holds the prediction at its floor or ceiling


@dataclass(frozen=True)
class FailedSubject:
    """A subject without a map, and the reason: unreadable image, failed method or failed predictor."""

    subject: Subject
    error: InterpbenchError
    unread: bool
    by_map: bool = False  # whether the map was made, and is refused
    for_all: bool = False  # whether the method says what holds for the network or its options, whoever is explained


class FailureWarnings:
    """Warns about subjects without a map; of several with the same error, only the first is named.

    Whose map was made, and then refused, is always named: that is about the subject.
    """

    def __init__(self) -> None:
        self._alike: dict[str, list[str]] = {}  # labels by what went wrong
        self._each: set[str] = set()  # labels of those who are told whatever others are

    def extend(self, several: Iterable[FailedSubject]) -> None:
        """Warn about each subject."""
        for failed in several:
            self.append(failed)

    def append(self, failed: FailedSubject) -> None:
        """Warn about a subject, unless another subject failed with the same message."""
        labels = self._alike.setdefault(str(failed.error), [])
        labels.append(failed.subject.id)
        if failed.by_map:
            self._each.add(failed.subject.id)
        if len(labels) == 1 or failed.by_map:
            log.warning("no map: sub-%s: %s", failed.subject.id, failed.error)

    def count(self) -> None:
        """Log how many further subjects failed with the same message."""
        for first, *more in self._alike.values():
            if more and first not in self._each:
                subjects = "subject" if len(more) == 1 else "subjects"
                log.warning("no map: sub-%s ... and %d more %s with the same error", first, len(more), subjects)


@dataclass(frozen=True, kw_only=True)
class MapFiles:
    """Writes the maps of a run, with the entries that all sidecars share."""

    run: RunFolder
    method: str
    trained: Mapping[str, Any]  # the predictor's record, where it has one
    predictor_doubts: tuple[str, ...] = ()
    details: Mapping[str, Any]  # what the method decided by itself

    def product(self, subject: Subject, name: str = MAP) -> Path:
        """The path of a subject's map, or of an extra map."""
        return self.run.product(subject.id, f"desc-{method_label(self.method)}_{name}.nii.gz")

    def network_product(self, subject: Subject) -> Path:
        """The path of a subject's map on the network's grid, as the method made it."""
        return place_beside(self.product(subject), method_label(self.method))

    def says_nothing(self, origin: MapOrigin, where: str) -> FailedSubject:
        """Why a map has no information; empty if it has.

        Args:
            where: it is zero.
        """
        held = f" ({origin.held})" if origin.held else ""
        why = f"method {self.method!r}: the map is zero {where}: it has no information about this subject{held}."
        return FailedSubject(origin.subject, PluginError(why), unread=False, by_map=True)

    def write(self, origin: MapOrigin, record: Mapping[str, Any], found: Explained) -> FailedSubject | None:
        """Write a map on the image's grid, after its extras: a map that is marked as done has all of them.

        Returns:
            Why nothing is written, where nothing of the map lies in the image's own brain.
        """
        subject, prepared, cut = origin.subject, origin.way_back, origin.cut
        back = cut.way_back(found.map, prepared)
        if not back.any():
            return self.says_nothing(origin, "everywhere in the brain on the image's own grid")
        sidecar_of(self.product(subject)).unlink(missing_ok=True)
        for name, values in found.extras.items():
            extra = cut.way_back(values, prepared)
            self._write_one(self.product(subject, name), prepared, extra, {**record, "extra": name})
        share = cut.share_outside(found.map)
        outside = outside_training(record["prediction"], self.trained, record["unit"])
        judged = found.map if cut.whole else found.map[cut.brain]
        told = [one if isinstance(one, Doubt) else Doubt(one, METHOD) for one in found.notes]
        told += [Doubt(origin.held, BOUND)] if origin.held else []
        of_predictor = [Doubt(one, PREDICTOR) for one in self.predictor_doubts]
        doubts = [*of_predictor, *prepared.warnings, *doubts_about(judged), *told, outside, cut.doubt(share)]
        whole = {
            **record,
            "signed": self.run.manifest["signed"],
            "whole": cut.whole,
            "mass_outside_brain": share,
            "network_map": self._keep_on_network_grid(subject, prepared, found.map, back, record),
            "extras": list(found.extras),
            **({"details": self.details} if self.details else {}),
            **({"measured": found.measured} if found.measured else {}),
            **as_record(doubt for doubt in doubts if doubt),
            "predictor_warnings": list(self.predictor_doubts),
        }
        self._write_one(self.product(subject), prepared, back, whole)
        return None

    def _keep_on_network_grid(
        self, subject: Subject, prepared: Prepared, map: Tensor, back: NDArray[np.float32], record: Mapping[str, Any]
    ) -> dict[str, str] | None:
        """Store the map on the network's grid as well, unless the written one gives it back bit by bit.

        Returns:
            What the map's sidecar says of it: its file's name and SHA-256; None where there is none.
        """
        product = self.network_product(subject)
        sidecar_of(product).unlink(missing_ok=True)
        if prepared.exact and torch.equal(prepared.to_network_grid(back), map):
            product.unlink(missing_ok=True)  # of an earlier run
            return None
        write_map(product, map, affine=prepared.affine)
        self.run.mark_done(product, {**record, "space": "network"})
        return {"file": product.name, "sha256": self.run.hashes.of(product)}

    def _write_one(
        self, product: Path, prepared: Prepared, values: NDArray[np.float32], record: Mapping[str, Any]
    ) -> None:
        sidecar_of(product).unlink(missing_ok=True)  # never an old sidecar beside a new map
        write_map(product, values, like=prepared.source)
        self.run.mark_done(product, record)


def method_label(method: str) -> str:
    """The method's name as a BIDS label, with letters and digits only."""
    return method.replace("-", "").replace("_", "")
