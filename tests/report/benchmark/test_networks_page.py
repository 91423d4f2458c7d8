"""The page of several networks: every figure, links, and what is said where something is missing."""

from __future__ import annotations

import copy
import re
from html import unescape

import pytest

from interpbench.report.benchmark.networks_page import write_page_of_networks

MEASURE = {
    "name": "auc",
    "metric": "place",
    "unit": "",
    "direction": "higher",
    "help": "Area below the curve",
    "title": "Points at the truth",
    "family": "localisation",
}
RECORD = {
    "unit": "years",
    "n": 12,
    "seed": 0,
    "networks": [
        {"name": "seed 0", "fingerprint": "a", "error": {"mae": 4.5, "interval": [3.0, 6.0], "n": 12}},
        {"name": "seed<1>", "fingerprint": "b", "error": {"mae": 5.25, "interval": None, "n": 12}},
    ],
    "measures": [MEASURE],
    "rankings": {
        "auc": {
            "methods": ["steep", "flat"],
            "ranks": {"seed 0": {"steep": 2.0, "flat": 1.0}, "seed<1>": {"steep": 2.0, "flat": 1.0}},
            "best": {"seed 0": ["flat"], "seed<1>": ["flat", "steep"]},
            "kendall_w": 1.0,
            "p": 0.25,
        }
    },
    "by_error": {
        "auc": {
            "steep": {"error": [4.5, 5.25], "mean": [0.7, 0.6], "spearman": None},
            "flat": {"error": [4.5, 5.25], "mean": [0.8, 0.9], "spearman": None},
            "random": {"error": [4.5, 5.25], "mean": [0.5, 0.5], "spearman": None},
        }
    },
    "maps": {
        "steep": {
            "correlation": {"mean": 0.8125, "interval": [0.7, 0.9], "n": 12},
            "icc": {"median": None, "profile": None, "regions": {}},
        }
    },
    "same_grid": True,
    "verdict": ["Two networks <agree>.", "Another sentence."],
    "warnings": [],
}


@pytest.fixture
def page(tmp_path):
    def made(record=RECORD, **settings):
        path = tmp_path / "index.html"
        write_page_of_networks(path, record, **settings)
        return path.read_text(encoding="utf-8")

    return made


def changed(**values):
    return {**copy.deepcopy(RECORD), **values}


def text_of(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_every_network_has_its_error_and_a_link_to_its_own_page(page):
    html = page()
    assert 'href="networks/seed%200/index.html"' in html and 'href="networks/seed%3C1%3E/index.html"' in html
    text = text_of(html)
    assert "mean absolute error (years)" in text and "3.00 to 6.00" in text and "5.25" in text


def test_names_and_sentences_are_text_and_no_markup(page):
    html = page()
    assert "seed<1>" not in html and "<agree>" not in html
    assert "Two networks <agree>." in text_of(html) and "Another sentence." in text_of(html)


def test_methods_stand_in_the_order_of_their_ranks_and_the_best_are_bold(page):
    html = page()
    table = html[html.index('id="rankings"') : html.index('id="maps"')]
    assert table.index("<td>flat</td>") < table.index("<td>steep</td>")
    flat, steep = (re.search(rf"<tr><td>{name}</td>.*?</tr>", table, re.DOTALL)[0] for name in ("flat", "steep"))
    assert flat.count("<b>") == 2 and steep.count("<b>") == 1


def test_a_measure_has_its_title_its_name_and_its_agreement(page):
    text = text_of(page())
    assert "Points at the truth auc" in text and "Area below the curve. Kendall's W = 1.00, p = 0.250." in text


def test_undefined_agreement_is_not_told(page):
    record = changed()
    record["rankings"]["auc"] |= {"kendall_w": None, "p": None}
    assert "Kendall's W =" not in text_of(page(record))


def test_maps_have_their_correlation_with_interval_and_n_and_no_figure_where_none_is_known(page):
    html = page()
    row = re.search(r"<tr><td>steep</td>.*?</tr>", html[html.index('id="maps"') :], re.DOTALL)[0]
    assert "0.700 to 0.900" in text_of(row) and "12" in text_of(row) and "None" not in row


@pytest.mark.parametrize(("missing", "gone"), [({"maps": {}}, 'id="maps"'), ({"rankings": {}, "measures": []}, "<h3>")])
def test_what_is_missing_has_no_section(page, missing, gone):
    html = page(changed(**missing))
    assert gone in page() and gone not in html


def test_without_measures_the_page_says_so(page):
    assert "No leading measure has values with every network." in text_of(page(changed(rankings={}, measures=[])))


def test_curves_need_the_errors_of_two_networks(page):
    record = changed()
    record["networks"][1]["error"]["mae"] = None
    assert 'id="error"' in page() and 'id="error"' not in page(record)


def test_the_page_runs_no_script_and_loads_nothing(page):
    html = page()
    assert "<script" not in html and "default-src 'none'" in html
    addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert addresses and all(one.startswith(("data:", "#", "networks/")) for one in addresses)


def test_a_floor_is_not_drawn_among_the_methods(page, monkeypatch):
    drawn = []

    def curves(panels, **settings):
        drawn.append([line.name for panel in panels for line in panel.lines])
        return b"png"

    monkeypatch.setattr("interpbench.report.benchmark.networks_page.curve_grid_png", curves)
    page()
    assert drawn == [["steep", "flat"]]


def test_versions_and_commands_are_listed(page):
    text = text_of(page(versions={"interpbench": "9.9"}, commands=["interpbench benchmark cohort"]))
    assert "9.9" in text and "interpbench benchmark cohort" in text


def test_doubts_about_a_network_come_before_all_else(page):
    html = page(changed(warnings=["seed 0: no better than predicting the mean"]))
    assert html.index("no better than predicting the mean") < html.index('id="verdict"')
    assert 'id="warnings"' not in page()
