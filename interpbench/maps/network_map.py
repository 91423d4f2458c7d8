"""The map of `explain` on the network's grid, as the method made it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from interpbench.errors import InputError
from interpbench.files.hashes import Hashes
from interpbench.files.run_folder import sidecar_of
from interpbench.images.prepared import Prepared
from interpbench.images.volume import read_volume

FOLDER = "network"  # below the maps: a folder of its own, so that whoever looks for the maps finds one a subject
_SAME_PLACE = 1e-3  # mm


def place_beside(path: Path, label: str) -> Path:
    """The path of the map on the network's grid: `OUT/network/sub-X/sub-X_space-network_desc-METHOD_map.nii.gz`.

    Args:
        path: of the map on its image's grid, `OUT/sub-X/...`.
        label: the method's, as in file names.
    """
    subject = path.parent.name
    return path.parents[1] / FOLDER / subject / f"{subject}_space-network_desc-{label}_map.nii.gz"


def on_network_grid(path: Path, record: Mapping[str, Any], prepared: Prepared, hashes: Hashes) -> Tensor | None:
    """The map `(I, J, K)` as the method made it: from its own file, or from the image's grid if exact.

    Args:
        path: of the map on its image's grid, whose bytes were checked.
        record: its sidecar's.
        prepared: its image.
        hashes: of the command's files.

    Returns:
        None where the map would have to be interpolated, for the file that was kept is gone.

    Raises:
        InputError: that file is not the one that `record` vouches for, or lies on another grid.
    """
    kept = record.get("network_map")
    if kept is None:
        if not prepared.exact:
            return None
        return prepared.to_network_grid(read_volume(path, constant_ok=True, max_voxels=sys.maxsize).data[0])
    name, sha256 = (kept.get("file"), kept.get("sha256")) if isinstance(kept, Mapping) else (None, None)
    if not isinstance(name, str) or Path(name).name != name:
        raise InputError(f"{sidecar_of(path)}: network_map is {str(kept)[:60]!r}, which is not a file name.")
    place = path.parents[1] / FOLDER / path.parent.name / name
    if not place.is_file():
        return None
    if hashes.of(place) != sha256:
        raise InputError(f"{place}: changed after the map was made; run explain again.")
    found = read_volume(place, constant_ok=True, max_voxels=sys.maxsize)
    same_shape = tuple(found.data.shape[1:]) == tuple(prepared.brain.shape)
    if not same_shape or not np.allclose(found.affine, prepared.affine, atol=_SAME_PLACE):
        raise InputError(f"{place}: has another grid than the network; run explain again.")
    return found.data[0]
