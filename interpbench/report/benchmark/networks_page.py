"""The page of a benchmark of several networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from interpbench.comparison.wording import title_of
from interpbench.report.benchmark.curve_grid import MOST, Line, Panel, curve_grid_png
from interpbench.report.page import inlined, inlined_pictures, write_html


def write_page_of_networks(
    path: Path | str,
    record: Mapping[str, Any],
    *,
    title: str = "interpbench benchmark of several networks",
    pictures: Sequence[tuple[str, Path]] = (),
    versions: Mapping[str, str] | None = None,
    commands: Sequence[str] = (),
) -> None:
    """Write the page. It opens without a network connection, runs no script, and forbids the browser both.

    Args:
        path: of the HTML file, which appears whole or not at all.
        record: the content of `networks.json`.
        title: its heading.
        pictures: captions and PNG files.
        versions: software and its version.
        commands: what to type to get the same again.
    """
    panels, methods = _panels(record)
    write_html(
        path,
        "networks.html",
        title=title,
        verdict=record["verdict"],
        unit=record["unit"],
        networks=[(one, f"networks/{quote(one['name'])}/index.html") for one in record["networks"]],
        rankings=[(name, one, _by_mean_rank(one)) for name, one in record["rankings"].items()],
        titles={one["name"]: title_of(one) for one in record["measures"]},
        helps={one["name"]: one["help"] for one in record["measures"]},
        maps=record["maps"],
        curves=inlined(curve_grid_png(panels, coloured=methods[:MOST], columns=3)) if panels else "",
        pictures=inlined_pictures(pictures),
        warnings=record["warnings"],
        commands=commands,
        versions=versions or {},
    )


def _by_mean_rank(ranking: Mapping[str, Any]) -> list[str]:
    """The methods, those with the best mean rank over networks first."""
    total = {name: sum(float(one[name]) for one in ranking["ranks"].values()) for name in ranking["methods"]}
    return sorted(total, key=lambda name: total[name])


def _panels(record: Mapping[str, Any]) -> tuple[list[Panel], list[str]]:
    """One panel a leading measure: each method's mean against the error of the network."""
    names = [one["name"] for one in record["networks"] if one["error"]["mae"] is not None]
    if len(names) < 2:
        return [], []
    panels, methods = [], list[str]()
    for measure in record["measures"]:
        own = record["rankings"][measure["name"]]["methods"]
        found = {name: one for name, one in record["by_error"][measure["name"]].items() if name in own}
        lines = [Line(name, one["error"], one["mean"]) for name, one in found.items()]
        methods += [name for name in found if name not in methods]
        unit = measure["unit"] or "no unit"
        panels.append(Panel(title_of(measure), f"error of the network ({record['unit']})", unit, lines))
    return panels, methods
