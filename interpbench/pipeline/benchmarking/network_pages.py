"""The page of several networks: what changes from one to the next, with a link to each one's own page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.cohort.subjects import Subject
from interpbench.pipeline.benchmarking.network_maps import NetworkMaps
from interpbench.report.benchmark.method_maps import method_maps
from interpbench.report.benchmark.networks_page import write_page_of_networks
from interpbench.run.study import Study
from interpbench.version import __version__

PAGE = "index.html"


def write_networks_page(
    out: Path,
    record: Mapping[str, Any],
    maps: Mapping[str, NetworkMaps],
    study: Study,
    subjects: Sequence[Subject],
    commands: Sequence[str],
) -> None:
    """Draw mean and SD of the maps between networks, and write `index.html`.

    Args:
        record: the content of `networks.json`.
        maps: by method.
        study: of one of the networks, for the grid and an image.
        subjects: those who were measured.
        commands: what to type to get each network's benchmark again.
    """
    pictures = []
    spreads = {name: spread for name, one in maps.items() if (spread := one.spread()) is not None}
    if spreads:
        prepared = study.prepared.whole(subjects[0])
        for place, (name, what) in enumerate(
            (("mean", "Mean over networks and subjects"), ("sd", "SD between networks"))
        ):
            path = out / f"maps_{name}.png"
            method_maps(
                {method: spread[place].numpy() for method, spread in spreads.items()},
                prepared.volume[0].numpy(),
                prepared.affine,
                path,
                title=f"{what} of relative importance",
                brain=prepared.brain.numpy(),
            )
            pictures.append((f"{what} of relative importance, n = {len(subjects)} subjects", path))
    write_page_of_networks(
        out / PAGE, record, pictures=pictures, commands=commands, versions={"interpbench": __version__}
    )
