"""The page of several networks: links, order and bold of methods, what is missing, and nothing that acts as markup."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from interpbench.report.benchmark.networks_page import write_page_of_networks


def network(name: str, mae: float | None = 4.0) -> dict[str, Any]:
    return {"name": name, "error": {"mae": mae, "interval": None if mae is None else [mae - 1, mae + 1], "n": 12}}


def record_of(networks: list[dict[str, Any]], ranks: dict[str, list[float]], **other: Any) -> dict[str, Any]:
    """A record of one measure, with each method's rank in each network, in their order."""
    names = [one["name"] for one in networks]
    by_network = {name: {method: own[place] for method, own in ranks.items()} for place, name in enumerate(names)}
    best = {name: [method for method, rank in own.items() if rank == 1] for name, own in by_network.items()}
    ranking = {"methods": list(ranks), "ranks": by_network, "best": best, "kendall_w": 0.5, "p": 0.04}
    measure = {"name": "auc", "metric": "place", "unit": "", "direction": "higher", "help": "Area", "leads": 1}
    errors = sorted(one["error"]["mae"] for one in networks if one["error"]["mae"] is not None)
    curve = {"error": errors, "mean": [0.5 for _ in errors], "spearman": None}
    return {
        "verdict": ["It does not change."],
        "warnings": [],
        "unit": "years",
        "networks": networks,
        "measures": [measure],
        "rankings": {"auc": ranking},
        "by_error": {"auc": dict.fromkeys(ranks, curve)},
        "maps": {},
        **other,
    }


RANKS = {"slow": [3.0, 3.0, 2.0], "best": [1.0, 2.0, 1.0], "odd": [2.0, 1.0, 3.0]}


def page_of(folder: Path, record: dict[str, Any], **other: Any) -> str:
    write_page_of_networks(folder / "index.html", record, **other)
    return (folder / "index.html").read_text(encoding="utf-8")


def rows_of(page: str, section: str) -> list[list[str]]:
    """The cells of each row in a section's tables, as text."""
    part = page.split(f'<section id="{section}">')[1].split("</section>", maxsplit=1)[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)]
    return [[unescape(re.sub(r"<[^>]*>", "", cell)) for cell in row] for row in rows]


def test_methods_stand_by_their_mean_rank_and_the_best_of_each_network_is_bold(tmp_path: Path) -> None:
    page = page_of(tmp_path, record_of([network("a"), network("b", 5.0), network("c", 6.0)], RANKS))
    head, *rows = rows_of(page, "rankings")
    assert head == ["Method", "a", "b", "c"]
    assert [row[0] for row in rows] == ["best", "odd", "slow"] and rows[0][1:] == ["1.00", "2.00", "1.00"]
    assert page.count("<b>1.00</b>") == 3


@pytest.mark.parametrize("name", ["plain", "größe", "a b", "50 %", "q?x#y", "<i>x", "\"quoted'"])
def test_a_networks_link_leads_to_its_own_page_and_its_name_is_text(name: str, tmp_path: Path) -> None:
    page = page_of(tmp_path, record_of([network(name), network("b", 5.0)], {"m": [1.0, 1.0]}))
    (link, *_) = re.findall(r'<a href="(networks/[^"]*)">', page)
    assert re.fullmatch(r"networks/[\w.~%-]+/index\.html", link, re.ASCII)
    assert rows_of(page, "networks")[1] == [name, "4.00", "3.00 to 5.00", "12"]
    assert "<i>" not in page


@pytest.mark.parametrize(("known", "drawn"), [(0, False), (1, False), (2, True), (3, True)])
def test_curves_are_drawn_from_two_known_errors_on(known: int, drawn: bool, tmp_path: Path) -> None:
    networks = [network(name, 4.0 + place if place < known else None) for place, name in enumerate("abc")]
    page = page_of(tmp_path, record_of(networks, RANKS))
    assert ('<section id="error">' in page) is drawn is ('href="#error"' in page)
    assert len(rows_of(page, "networks")) == 4
    if known < 3:
        assert rows_of(page, "networks")[3] == ["c", "\N{EN DASH}", "", "12"]


def test_maps_have_a_section_where_there_are_some(tmp_path: Path) -> None:
    networks = [network("a"), network("b", 5.0)]
    missing = {"correlation": {"mean": None, "interval": None, "n": 0}, "icc": {"median": None, "profile": 0.25}}
    given = {"correlation": {"mean": 0.5, "interval": [0.4, -0.0], "n": 3}, "icc": {"median": 0.1, "profile": -0.2}}
    page = page_of(tmp_path, record_of(networks, {"m": [1.0, 1.0]}, maps={"x": missing, "y": given}))
    dash = "\N{EN DASH}"
    assert rows_of(page, "maps")[1:] == [
        ["x", dash, "", "0", dash, "0.250"],
        ["y", "0.500", "0.400 to 0", "3", "0.100", "-0.200"],
    ]
    assert 'id="maps"' not in page_of(tmp_path, record_of(networks, {"m": [1.0, 1.0]}))


def test_the_page_is_the_same_for_the_same_record_and_fetches_nothing(tmp_path: Path) -> None:
    record = record_of([network("a"), network("b", 5.0)], {"m": [1.0, 1.0]})
    one, other = (page_of(tmp_path, record, title="T & <T>", commands=["x --y '<z>'"]) for _ in range(2))
    assert one == other and "<title>T &amp; &lt;T&gt;" in one and "&lt;z&gt;" in one
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', one) and "<script" not in one
