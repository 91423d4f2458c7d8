"""The benchmark's page: the maps of one subject and of all beside the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from interpbench.images.prepared import Prepared
from interpbench.images.volume import Volume
from interpbench.pipeline.benchmarking.contestants import Contestant
from interpbench.pipeline.benchmarking.making import FoundMaps, maps_of_subject
from interpbench.pipeline.benchmarking.maps import MapSource
from interpbench.pipeline.benchmarking.truths import truth_of
from interpbench.report.benchmark.method_maps import method_maps
from interpbench.report.benchmark.page import write_benchmark_page
from interpbench.version import __version__

PAGE = "index.html"
PACKAGES = ("torch", "captum", "monai", "nibabel", "numpy", "scipy")


def write_benchmark_pages(
    folder: Path,
    summary: Mapping[str, Any],
    found: FoundMaps,
    base: Sequence[Contestant],
    maps: MapSource,
    truth: Volume | None,
    command: str,
) -> None:
    """Draw the maps of the first subject, and their means where the images share a space, and write the page.

    Args:
        base: one contestant a method, not blurred.
        truth: one for all.
        command: what to type to get the same again.
    """
    subject = found.subjects[0]
    prepared = maps.study.prepared.whole(subject)
    where = truth_of(subject, truth, prepared)
    pictures = [_of_one(folder, found, base, maps, prepared, where)]
    if maps.study.recipe.centre is not None:
        pictures.append(_of_all(folder, found, base, where))
    write_benchmark_page(
        folder / PAGE,
        summary,
        pictures=[picture for picture in pictures if picture is not None],
        commands=[command],
        versions={"interpbench": __version__, **{name: version(name) for name in PACKAGES}},
    )


def _of_one(
    folder: Path,
    found: FoundMaps,
    base: Sequence[Contestant],
    maps: MapSource,
    prepared: Prepared,
    truth: Tensor | None,
) -> tuple[str, Path] | None:
    subject = found.subjects[0]
    made = {name: map.cpu().numpy() for name, map in maps_of_subject(subject, prepared, base, maps, found)}
    if not made:
        return None
    drawn = {**made, **dict.fromkeys(found.excluded)}
    path = folder / "maps_of_one_subject.png"
    method_maps(
        drawn,
        prepared.volume[0].numpy(),
        prepared.affine,
        path,
        title=f"Maps of sub-{subject.id}",
        brain=prepared.brain.numpy(),
        truth=None if truth is None else truth.numpy(),
        notes=found.excluded,
    )
    return f"Every method's map of one subject, sub-{subject.id}, the first one of the benchmark", path


def _of_all(
    folder: Path, found: FoundMaps, base: Sequence[Contestant], truth: Tensor | None
) -> tuple[str, Path] | None:
    names = [one.method for one in base if one.method in found.means]
    if not names or found.brains is None or found.images is None:
        return None
    number, path = len(found.subjects), folder / "mean_maps.png"
    brain = (2 * found.brains >= number).numpy()
    image = np.where(brain, (found.images / number).numpy(), 0.0)
    method_maps(
        {name: found.means[name].numpy() for name in names},
        image,
        found.affine,
        path,
        title=f"Mean of |map| over {number} subjects",
        brain=brain,
        truth=None if truth is None else truth.numpy(),
    )
    return f"Every method's mean of |map| over {number} subjects", path
