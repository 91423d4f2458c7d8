"""The state of a training in one file, written atomically and read without executing code."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from interpbench.errors import InputError
from interpbench.files.atomic import atomic_path

log = logging.getLogger("interpbench")

_DIGEST = hashlib.sha256().digest_size


class Stateful(Protocol):
    """A network, an optimiser or a schedule of the learning rate."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Checkpoint:
    """A file with the state of everything that a training changes, including torch's random state.

    A training that goes on from it ends with the same bytes on a CPU as one that was never interrupted, if it draws
    from nothing else.

    Args:
        path: the file; its folder is made. None keeps nothing and finds nothing.
        parts: network, optimiser and the like, by name.
    """

    def __init__(self, path: Path | None, **parts: Stateful) -> None:
        self.path, self.parts = path, parts

    def keep(self, **values: Any) -> None:
        """Write the states and further values: tensors, numbers, text, and lists and mappings of them.

        Raises:
            ResourceError: the disk is full.
        """
        if self.path is None:
            return
        states = {name: _without_functions(part.state_dict()) for name, part in self.parts.items()}
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        content = io.BytesIO()
        with atomic_path(self.path) as temporary, temporary.open("wb") as file:
            torch.save({"states": states, "random": (torch.get_rng_state(), cuda), "values": values}, content)
            file.write(hashlib.sha256(content.getbuffer()).digest())
            file.write(content.getbuffer())

    def find(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """Restore every part and torch's random state, and return the further values; None without a file.

        A damaged file is told of and left: the training then begins anew.

        Raises:
            InputError: it is whole, but of another training.
        """
        if self.path is None or not self.path.is_file():
            return None
        content = self.path.read_bytes()
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            log.warning("%s is damaged: training starts again from the beginning", self.path)
            return None
        try:
            kept = torch.load(io.BytesIO(content[_DIGEST:]), weights_only=True, map_location=device)
            states, (state, cuda), values = kept["states"], kept["random"], kept["values"]
            for name, part in self.parts.items():
                part.load_state_dict(states[name])
            torch.set_rng_state(state.cpu())
            if cuda and torch.cuda.is_available():
                torch.cuda.set_rng_state_all([one.cpu() for one in cuda])
            return dict(values)
        except Exception as error:  # whatever a file of another training, or of no training, makes torch raise
            raise InputError(
                f"{self.path}: is not a checkpoint of this training ({type(error).__name__}). Delete it to start again."
            ) from error


def _without_functions(state: Mapping[str, Any]) -> dict[str, Any]:
    """OneCycleLR has a function in its state, which is the same in every run."""
    return {name: value for name, value in state.items() if not callable(value)}
