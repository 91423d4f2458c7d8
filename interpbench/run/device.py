"""Where to compute: `auto`, `cpu` or `cuda`."""

from __future__ import annotations

import torch

from interpbench.errors import UsageError


def resolve_device(device: str) -> torch.device:
    """Turn the name of a device into an available device; `auto` uses a GPU if there is one.

    Raises:
        UsageError: no such device on this machine.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"device must be auto, cpu or cuda, got {device!r}.") from error
    if wanted.type not in ("cpu", "cuda"):
        raise UsageError(f"device must be auto, cpu or cuda, got {device!r}.")
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        number = torch.cuda.device_count()
        raise UsageError(f"device {device!r} is not available on this machine with {number} GPUs: use cpu or auto.")
    return wanted
