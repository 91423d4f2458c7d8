"""How many processes a benchmark works in: as many as computing threads and free memory allow."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from interpbench.cohort.choosing import log
from interpbench.errors import UsageError
from interpbench.parallel.side_by_side import hindrance

MOST = 8  # unless more are asked for
BASE = 2**30  # bytes that a process takes whatever the volumes
EACH_VOXEL = 2 * 2**10  # bytes for each voxel of the volumes that go through the network at once


def processes_for(asked: int | None, device: torch.device, *, subjects: int, voxels: int, batch_size: int) -> int:
    """The number of processes for a benchmark.

    Args:
        asked: how many were asked for; 0 or None for as many as threads, memory and subjects allow, `MOST` at most.
        subjects: never more than these.
        voxels: of a volume on the network's grid.
        batch_size: volumes that go through the network at once.

    Raises:
        UsageError: fewer than 0.
    """
    if asked is not None and asked < 0:
        raise UsageError(f"processes must be at least 1, or 0 for as many as the machine allows, got {asked}.")
    reason = hindrance(device)
    if reason:
        if asked and asked > 1:
            log.warning("one process instead of %d: %s", asked, reason)
        return 1
    if asked:
        return min(asked, subjects)
    room = free_memory() // (BASE + voxels * batch_size * EACH_VOXEL)
    return max(1, min(torch.get_num_threads(), subjects, room, MOST))


def free_memory() -> int:
    """Bytes that processes can still take: what the machine has available, or less where this group may use less."""
    return min([_available(), *_left_to_groups()])


def _available() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 2**10
    except OSError:
        pass
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _left_to_groups() -> list[int]:
    """Bytes left below the limits of containers and batch systems (Linux control groups, version 2)."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        if line.startswith("0::"):
            group = Path("/sys/fs/cgroup") / line.removeprefix("0::/")
            found += [_left_to(folder) for folder in (group, *group.parents) if (folder / "memory.max").is_file()]
    return [left for left in found if left is not None]


def _left_to(group: Path) -> int | None:
    """Bytes below one group's limit, where it has one; files that are kept in memory as long as there is room go."""
    try:
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        kinds = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(limit) - int(used) + int(kinds.get("inactive_file", 0))
    except (OSError, ValueError):  # "max": no limit
        return None
