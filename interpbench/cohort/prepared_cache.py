"""A folder of prepared volumes on disk, shared by runs.

What a file holds is found by its name, the SHA-256 of everything that the voxels depend on: the bytes of the image and
of its mask, the recipe, and the versions that did the work. So another image or recipe has another file, and nothing
is ever out of date. A file begins with a mark and the SHA-256 of what follows: the voxels, and the doubts about the
image as JSON where there are any. One that is cut short or damaged does not fit that, and is made again. Files appear
whole, and several runs may use one folder.

A file takes 5 bytes a voxel of the network's grid, 17 MB for 140 x 176 x 140 and 0.3 MB for 35 x 44 x 35. Nothing is
ever deleted here; a folder, or any file in it, may be deleted between runs.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from interpbench.doubts import as_record, from_record
from interpbench.errors import InterpbenchError, UsageError
from interpbench.files.atomic import atomic_path
from interpbench.files.hashes import Hashes
from interpbench.files.software import software
from interpbench.images.brain import RULES

if TYPE_CHECKING:
    from interpbench.cohort.subjects import Subject
    from interpbench.images.recipe import Recipe

log = logging.getLogger("interpbench")

MARK = b"interpbench prepared voxels 1\n".ljust(32, b"\0")
HEAD = len(MARK) + hashlib.sha256().digest_size  # bytes before the voxels

Voxels = tuple[Tensor, Tensor]
Kept = tuple[Tensor, Tensor, tuple[str, ...]]


class PreparedCache:
    """A folder of prepared volumes, created if missing.

    Args:
        hashes: of the command's input files.

    Raises:
        UsageError: there can be no such folder.
    """

    def __init__(self, folder: Path | str, hashes: Hashes | None = None) -> None:
        self.folder, self.hashes = Path(folder), hashes or Hashes()
        self._writes = True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.folder}: cannot be used as a folder for prepared volumes ({error.strerror})."
            ) from error

    def voxels(self, subject: Subject, recipe: Recipe) -> Voxels:
        """A subject's volume `(1, I, J, K)` float32 and brain `(I, J, K)` bool, both read-only.

        Raises:
            InputError: a file of the subject is refused.
        """
        return self.kept(subject, recipe)[:2]

    def kept(self, subject: Subject, recipe: Recipe) -> Kept:
        """The same, and the doubts about the image.

        They are mapped from the file, so that the system can let go of them whenever memory is short.

        Raises:
            InputError: a file of the subject is refused.
        """
        key = key_of(subject, recipe, self.hashes)
        path = self.folder / key[:2] / f"{key}.voxels"
        found = _mapped(path, recipe.shape)
        if found is not None:
            return found
        prepared = recipe.prepare(subject)
        volume, brain = prepared.volume, prepared.brain
        # a file that was replaced while it was read would be kept under the wrong name
        if self._writes and key == key_of(subject, recipe, self.hashes):
            self._write(path, volume, brain, prepared.warnings)
        return volume, brain, prepared.warnings

    def _write(self, path: Path, volume: Tensor, brain: Tensor, doubts: Iterable[str]) -> None:
        voxels = [volume.numpy().astype("<f4", copy=False).tobytes(), brain.numpy().tobytes()]
        if kept := list(doubts):
            voxels.append(json.dumps(as_record(kept)).encode())
        try:
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                file.writelines((MARK, hashlib.sha256(b"".join(voxels)).digest(), *voxels))
        except (InterpbenchError, OSError) as error:
            self._writes = False
            log.warning("prepared volumes are no longer stored: %s", error)


def key_of(subject: Subject, recipe: Recipe, hashes: Hashes) -> str:
    """SHA-256 over everything that a subject's prepared voxels depend on.

    Raises:
        InputError: a file cannot be read.
    """
    files = [hashes.of(subject.image), hashes.of(subject.mask) if subject.mask else None]
    read = {"files": files, "recipe": recipe.to_json(), "nan_to_zero": subject.rules.nan_to_zero}
    depends = {**read, **software(), "brain_rules": RULES}
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()


def _mapped(path: Path, shape: tuple[int, int, int]) -> Kept | None:
    """The contents of the file; None if it is missing or damaged."""
    number = int(np.prod(shape))
    try:
        if path.stat().st_size < HEAD + 5 * number:
            raise ValueError("it is truncated")
        with path.open("rb") as file:
            head = file.read(HEAD)
        content = np.memmap(path, dtype=np.uint8, mode="c", offset=HEAD)
        if head != MARK + hashlib.sha256(content.data).digest():
            raise ValueError("its voxels differ from those that were written")
        doubts = from_record(json.loads(content[5 * number :].tobytes() or b"{}"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.info("%s is prepared again: %s", path, error)
        return None
    volume = torch.from_numpy(content[: 4 * number].view("<f4"))
    brain = torch.from_numpy(content[4 * number : 5 * number]).view(torch.bool).view(shape)
    return volume.view(1, *shape), brain, doubts
