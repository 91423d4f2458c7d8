"""What was prepared of each subject, in one nameless file: for later steps of a command, and its forked processes.

The file has a place for each subject, 5 bytes a voxel of the network's grid. It is mapped when it is read, so that
the system can let go of it whenever memory is short. It is gone with the last process that has it open, however that
ends.
"""

from __future__ import annotations

import json
import logging
import math
import mmap
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from interpbench.cohort.prepared_once import signatures_of
from interpbench.cohort.subjects import Subject
from interpbench.doubts import as_record, from_record
from interpbench.errors import InputError
from interpbench.files.hashes import Signature
from interpbench.images.prepared import Prepared
from interpbench.images.volume import Volume

log = logging.getLogger("interpbench")

HEAD = 2**14  # bytes of what is said of a subject, as JSON after its length; what is longer is not kept
LENGTH = 8  # bytes that say how long it is; 0 where nothing is kept yet


class PreparedShelf:
    """Keeps subjects of one recipe.

    A subject's place is written by one process and read by others afterwards; its head is written last. Where the disk
    is full nothing more is kept, and a subject is prepared again where it is needed again.

    Args:
        folder: where the file lies.
        subjects: who has a place.
        shape: of the network's grid.
    """

    def __init__(self, folder: Path, subjects: Iterable[Subject], shape: tuple[int, int, int]) -> None:
        self.shape, self.voxels = shape, math.prod(shape)
        step = mmap.ALLOCATIONGRANULARITY
        self._step = -(-(HEAD + 5 * self.voxels) // step) * step
        self._places = {label: place for place, label in enumerate(dict.fromkeys(one.id for one in subjects))}
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - as long as the shelf
        self._file.truncate(self._step * len(self._places))
        self._writes = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, subject: Subject) -> Prepared | None:
        """What is kept of a subject, without the voxels of its file; None where nothing is, or its files changed.

        Nobody may change its tensors.

        Raises:
            InputError: the one that refused the subject.
        """
        place = self._places.get(subject.id)
        if place is None:
            return None
        content = np.memmap(self._file, np.uint8, "c", self._step * place, (self._step,))
        length = int.from_bytes(content[:LENGTH].tobytes(), "little")
        if not length:
            return None
        head = json.loads(content[LENGTH : LENGTH + length].tobytes())
        if tuple(map(tuple, head["files"])) != signatures_of(subject):
            return None
        if "refused" in head:
            raise InputError(head["refused"])
        split = HEAD + 4 * self.voxels
        volume = torch.from_numpy(content[HEAD:split].view("<f4")).view(1, *self.shape)
        brain = torch.from_numpy(content[split : split + self.voxels]).view(torch.bool).view(self.shape)
        return _prepared(head, subject, volume, brain)

    def keep(self, subject: Subject, found: Prepared | InputError, files: tuple[Signature, ...] | None) -> None:
        """Keep what was prepared of a subject, or why it is refused, by its files from before they were read."""
        place = self._places.get(subject.id)
        if place is None or files is None or not self._writes:
            return
        head: dict[str, Any] = {"files": files}
        head |= {"refused": str(found)} if isinstance(found, InputError) else _head(found)
        told = json.dumps(head).encode()
        if len(told) > HEAD - LENGTH:
            return
        start = self._step * place
        try:
            if isinstance(found, Prepared):
                voxels = found.volume.numpy().astype("<f4", copy=False).tobytes()
                self._write(start + HEAD, voxels + found.brain.numpy().tobytes())
            self._write(start + LENGTH, told)
            self._write(start, len(told).to_bytes(LENGTH, "little"))
        except OSError as error:
            self._writes = False
            log.warning("prepared volumes are no longer stored and will be prepared again: %s", error)

    def _write(self, at: int, content: bytes) -> None:
        """Write at a place, whatever other processes write meanwhile."""
        if sys.platform == "win32":  # nobody is forked there, so the place in the file is this process's own
            self._file.seek(at)
            self._file.write(content)
            return
        left = memoryview(content)
        while left:
            done = os.pwrite(self._file.fileno(), left, at)
            left, at = left[done:], at + done


def _head(found: Prepared) -> dict[str, Any]:
    return {
        "affine": found.affine.tolist(),
        "source_affine": found.source.affine.tolist(),
        "source_shape": list(found.source.data.shape),
        "holes": found.holes,
        "warnings": as_record(found.warnings),
    }


def _prepared(head: dict[str, Any], subject: Subject, volume: Tensor, brain: Tensor) -> Prepared:
    shape = head["source_shape"]
    source = Volume(torch.zeros(()).expand(shape), np.array(head["source_affine"]), path=subject.image)
    inside = torch.zeros((), dtype=torch.bool).expand(shape[1:])
    warnings = from_record(head["warnings"])
    return Prepared(volume, brain, np.array(head["affine"]), source, inside, holes=head["holes"], warnings=warnings)
