"""What a figure of time or memory was measured on, without saying whose machine it is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any


def describe_machine(device: str, threads: int = 0) -> dict[str, Any]:
    """Cores, threads and versions, and the GPU's model where one is used.

    Args:
        device: `cpu` or `cuda`.
        threads: torch's threads on the CPU; 0 leaves them as they are.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: dict[str, Any] = {
        "device": device,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "monai", "interpbench")},
    }
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(device)
    return found
