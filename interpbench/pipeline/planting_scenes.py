"""People ready to have something planted in them: an image, its brain, and the effect of each signal on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from interpbench.cohort.choosing import log
from interpbench.cohort.subjects import Cohort, Subject
from interpbench.errors import InputError, UsageError
from interpbench.files.failures import failure
from interpbench.images.atlas import LabelImage, read_labels
from interpbench.images.brain import brain_in
from interpbench.images.volume import Volume, read_volume
from interpbench.parallel.overlap import AHEAD, ahead
from interpbench.planting.asked import Signal
from interpbench.planting.drawn import random_of
from interpbench.planting.kind import Effect
from interpbench.planting.parcels import Parcels, blocks_of, labels_of
from interpbench.planting.regions import region_in
from interpbench.planting.tissue import Tissue, tissue_of
from interpbench.progress import track


@dataclass(frozen=True, eq=False)
class Scene:
    """One person before planting; `effects` are in the order of the signals, the target's first."""

    subject: Subject
    volume: Volume
    tissue: Tissue
    effects: tuple[Effect, ...]
    labels: NDArray[np.int64] | None  # the person's own
    warnings: tuple[str, ...]

    def parcels(self, *, blocks: bool) -> Parcels:
        """What the linear reader takes means over: blocks of the world, or the person's own labels."""
        if blocks or self.labels is None:
            return blocks_of(self.tissue)
        return labels_of(self.tissue, self.labels)


@dataclass(kw_only=True, eq=False)
class Scenes:
    """The people of a cohort, read one after the other; who cannot be used is a failure, once.

    Args:
        signals: what is planted, the target's first.
        bounds: the largest amount of each, in SD.
        atlas: of the regions; None where they are of each subject's own labels.
    """

    cohort: Cohort
    signals: Sequence[Signal]
    bounds: Sequence[float]
    atlas: LabelImage | None
    seed: int
    failures: list[dict[str, object]] = field(default_factory=list)

    def each(self, subjects: Sequence[Subject], description: str) -> Iterator[Scene]:
        """The scenes of subjects in their order, without those that fail."""
        with ahead(self._scene, subjects, AHEAD) as scenes:
            for subject, scene in zip(track(subjects, description, unit="subject"), scenes, strict=True):
                if isinstance(scene, InputError):
                    self.fail(subject, scene)
                else:
                    yield scene

    def fail(self, subject: Subject, error: InputError) -> None:
        """Exclude a subject."""
        log.warning("excluded: sub-%s: %s", subject.id, error)
        self.failures.append(failure(subject.id, subject.image, error))

    def check(self) -> None:
        """Refuse regions that nobody can have.

        Raises:
            InputError: regions are of labels, and no subject has any.
            UsageError: the atlas has no such region.
        """
        values = sorted({value for signal in self.signals for value in signal.region.values})
        if self.atlas is not None:
            missing = [value for value in values if not (self.atlas.values == value).any()]
            if missing:
                raise UsageError(f"{self.atlas.path}: the atlas has no region {missing[0]}.")
        elif values and not any(subject.labels for subject in self.cohort.subjects):
            raise InputError(
                f"{self.cohort.table}: has no column 'labels' with each subject's segmentation: add it, or give an"
                " atlas in the space of the images."
            )

    def _scene(self, subject: Subject) -> Scene | InputError:
        """A subject's scene, or why there is none."""
        try:
            rules = subject.rules
            volume = read_volume(subject.image, max_voxels=rules.max_voxels, nan_to_zero=rules.nan_to_zero)
            inside, doubts = brain_in(volume, subject.mask)
            brain = inside.numpy()
            own = None if subject.labels is None else _on(volume, read_labels(subject.labels))
            labels = own if self.atlas is None else _on(volume, self.atlas)
            with _about(subject.image):
                tissue = tissue_of(volume.data[0].numpy(), brain, volume.affine)
                effects = self._effects(subject, tissue, labels)
        except InputError as error:
            return error
        return Scene(subject, volume, tissue, effects, own, (*volume.warnings, *doubts))

    def _effects(self, subject: Subject, tissue: Tissue, labels: NDArray[np.int64] | None) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        avoid = None
        for number, signal in enumerate(self.signals):
            random = random_of(self.seed, subject.id, f"place {number}")
            region = region_in(signal.region, tissue.brain, tissue.affine, labels)
            effects.append(signal.kind.on(tissue, region, random, self.bounds[number], avoid))
            if number == 0 and len(self.signals) > 1:
                avoid = np.zeros(tissue.brain.shape, dtype=bool)
                avoid[effects[0].window] = effects[0].noticeable(effects[0].most)
        return tuple(effects)


@contextmanager
def _about(path: object) -> Iterator[None]:
    """Name the image in an error that does not."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _on(volume: Volume, labels: LabelImage) -> NDArray[np.int64]:
    """Labels on the image's grid.

    Raises:
        InputError: none of them lies in the image.
    """
    found = labels.on(volume.affine, tuple(volume.data.shape[1:]))
    if not found.any():
        raise InputError(
            f"{labels.path}: none of its regions lies in the image {volume.path}: the two do not overlap in world"
            " coordinates."
        )
    return found
