"""Subjects on the network's grid, for all that a command does with them: nobody is prepared twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from interpbench.cohort.prepared_cache import Kept, PreparedCache
from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError
from interpbench.files.hashes import Signature, signature_of
from interpbench.images.prepared import Prepared
from interpbench.images.recipe import Recipe

Found = TypeVar("Found")


class Shelf(Protocol):
    """Keeps what was prepared, for other steps and other processes of a command."""

    def take(self, subject: Subject) -> Prepared | None:
        """What is kept of a subject, without the voxels of the file; None where nothing is.

        Raises:
            InputError: the one that refused the subject.
        """

    def keep(self, subject: Subject, found: Prepared | InputError, files: tuple[Signature, ...] | None) -> None:
        """Keep what was prepared of a subject, or why it is refused.

        Args:
            files: signatures of the subject's files from before they were read: a file that changed meanwhile has
                another one now, and what was read of it is not taken again. None where one was gone.
        """


class PreparedOnce:
    """Prepares the subjects of a command.

    A predictor is tried on a few subjects before the work begins: what was prepared of them is held until it is asked
    for again. With a shelf, everybody who has a place there is kept.

    Args:
        recipe: of the predictor.
        cache: a folder of prepared volumes that other runs share.
    """

    def __init__(self, recipe: Recipe, cache: PreparedCache | None = None) -> None:
        self.recipe, self.cache = recipe, cache
        self.shelf: Shelf | None = None
        self._whole, self._voxels = _Held[Prepared](), _Held[Kept]()

    def whole(self, subject: Subject) -> Prepared:
        """A subject on the network's grid, and the way back.

        Raises:
            InputError: a file of the subject is refused.
        """
        if self.shelf is None:
            return self._whole.taken(subject) or self.recipe.prepare(subject)
        found = self.shelf.take(subject)
        if found is not None:
            self._whole.forget(subject)
            return found
        files = signatures_of(subject)
        try:
            found = self._whole.taken(subject) or self.recipe.prepare(subject)
        except InputError as error:
            self.shelf.keep(subject, error, files)
            raise
        self.shelf.keep(subject, found, files)
        return found

    def voxels(self, subject: Subject) -> Kept:
        """A subject's volume `(1, I, J, K)`, brain `(I, J, K)` and doubts, from the cache where there is one.

        Raises:
            InputError: a file of the subject is refused.
        """
        held = self._voxels.taken(subject)
        if held is not None:
            return held
        if self.cache is not None:
            return self.cache.kept(subject, self.recipe)
        prepared = self.whole(subject)
        return prepared.volume, prepared.brain, prepared.warnings

    def first_volumes(
        self, subjects: Sequence[Subject], device: torch.device, number: int = 2, *, learn: bool = False
    ) -> Tensor:
        """The first volumes that can be read, `(B, 1, I, J, K)`, `number` of them at most.

        They are what a predictor is tried on before a long run begins; who cannot be read is told in the run itself.

        Args:
            learn: whether these subjects' `voxels` will be asked for, and not `whole`.
        """
        found: list[Tensor] = []
        for subject in subjects:
            if len(found) == number:
                break
            try:
                if learn:
                    found.append(self._voxels.hold(subject, self.voxels)[0])
                else:
                    found.append(self._whole.hold(subject, self.whole).volume)
            except InputError:
                continue
        return torch.stack(found).to(device) if found else torch.empty(0, 1, *self.recipe.shape, device=device)


class _Held(Generic[Found]):
    """What was prepared of subjects before it is needed, or why they are refused; as long as their files stay."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[tuple[Signature, ...], Found | InputError]] = {}

    def hold(self, subject: Subject, prepare: Callable[[Subject], Found]) -> Found:
        files = signatures_of(subject)
        found: Found | InputError
        try:
            found = prepare(subject)
        except InputError as error:
            found = error
        if files is not None:
            self._found[subject.id] = (files, found)
        return _raised(found)

    def taken(self, subject: Subject) -> Found | None:
        files, found = self._found.pop(subject.id, (None, None))
        return None if found is None or files != signatures_of(subject) else _raised(found)

    def forget(self, subject: Subject) -> None:
        self._found.pop(subject.id, None)


def _raised(found: Found | InputError) -> Found:
    if isinstance(found, InputError):
        raise found.with_traceback(None)
    return found


def signatures_of(subject: Subject) -> tuple[Signature, ...] | None:
    """What says that a subject's files are as they were; None where one is gone."""
    try:
        return tuple(signature_of(file) for file in (subject.image, subject.mask) if file is not None)
    except OSError:
        return None
