"""The page of a benchmark holds all that benchmark.json says, escaped, in one file that fetches and runs nothing."""

from __future__ import annotations

import copy
import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpbench.errors import InputError, UsageError

Made = Callable[..., dict[str, Any]]
Page = Callable[..., str]
PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
EVIL = '"><script>alert(1)</script>'
NAMES = ("unoise", "saliency", "unoise+blur", "random")


@pytest.mark.slow
def test_what_to_believe_comes_first_then_the_matrix_then_warnings_then_all_sentences(
    tmp_path: Path, page: Page, parsed: Any
) -> None:
    document = parsed(page(tmp_path))
    sections = ["verdict", "matrix", "warnings", "sentences", "about", "table"]
    assert [name for name in document.sections if name][:6] == sections
    assert "Where: believe the map of unoise." in document.sections["verdict"]
    assert "Smoothness alone can win points here." in document.sections["verdict"]
    assert "unoise has the best mean." in document.sections["sentences"]
    assert "Three subjects are few." in document.sections["warnings"]
    assert "n = 3: 2 methods, 1 blurred copy and 1 floor, by 5 measures and 2 curves" in document.sections["about"]
    for word in ("mean absolute error, test split", "2.50", "2.10 to 3.00", "75"):
        assert word in document.sections["about"]


@pytest.mark.slow
def test_the_table_has_every_method_with_interval_unit_direction_and_kind_in_words(
    tmp_path: Path, page: Page, parsed: Any
) -> None:
    table = parsed(page(tmp_path)).sections["table"]
    kinds = ("best mean", "blurred copy", "floor: does not use the network", "learned")
    told = ("0.800", "0.750 to 0.850", "years", "stars", "chance 0.5", "n = 3", "too few subjects")
    better = ("\N{UPWARDS ARROW} higher", "\N{DOWNWARDS ARROW} lower", "higher is better")
    for word in (*NAMES, *kinds, *told, *better):
        assert word in table
    assert "gini" not in table and "Sorted by mean rank over auc; srg mean; beauty" in table


@pytest.mark.slow
def test_methods_can_be_sorted_by_one_measure(tmp_path: Path, result: Made, summary: Made, page: Page) -> None:
    found = summary()
    found["results"]["seconds"] = result("lower")
    found["results"]["seconds"]["methods"]["random"]["mean"] = 0.001
    first = re.search(
        r"<tbody>\s*<tr[^>]*><td>([^<]*)", page(tmp_path, found, sort_by="seconds").split('id="table"')[1]
    )
    assert first is not None and first[1] == "random"
    with pytest.raises(UsageError, match="Did you mean 'seconds'"):
        page(tmp_path, sort_by="second")


@pytest.mark.slow
def test_columns_and_plots_are_those_that_are_asked_for(tmp_path: Path, page: Page) -> None:
    text = page(tmp_path, headline=["gini", "beauty"])
    assert text.count('class="dots"') == 2 and text.count('class="ranks"') == 1  # gini has no ranks
    assert page(tmp_path).count('class="dots"') == 4


@pytest.mark.slow
def test_every_measure_has_its_full_table(tmp_path: Path, page: Page) -> None:
    text = page(tmp_path)
    section = text.split('id="measures"')[1].split("</section>")[0]
    assert section.count("<details>") == 5
    assert "chi-square(3) = 9.00, p = 0.029" in section and "Differences are from unoise" in section
    assert "What gini asks" in section and section.count("Differences are from") == 4


@pytest.mark.slow
def test_agreement_cost_and_break_even_are_told(tmp_path: Path, page: Page, parsed: Any) -> None:
    sections = parsed(page(tmp_path)).sections
    for word in ("0.750", "-0.33", "1.00"):
        assert word in sections["agreement"]
    for word in ("seconds", "30", "never: it is not faster", "60.00"):
        assert word in sections["cost"]
    assert "unoise+blur" not in sections["cost"]


@pytest.mark.slow
def test_curves_leave_out_blurred_copies_and_say_so(tmp_path: Path, page: Page, parsed: Any) -> None:
    curves = parsed(page(tmp_path)).sections["curves"]
    assert "Not drawn: 1 blurred copy" in curves and "Grey: floors" in curves


@pytest.mark.slow
def test_pale_curves_are_named(tmp_path: Path, method: Made, summary: Made, page: Page, parsed: Any) -> None:
    found = summary()
    many = [f"method{index}" for index in range(12)]
    found["methods"] += [method(name) for name in many]
    for curve in found["curves"].values():
        curve.update(dict.fromkeys(many, curve["saliency"]))
    curves = parsed(page(tmp_path, found)).sections["curves"]
    pale = curves.split("Pale lines: ")[1].split(".")[0].split(", ")
    assert len(pale) == 12 + 2 - 7 and set(pale) < {*many, "saliency"}


@pytest.mark.slow
def test_methods_with_a_colour_are_those_that_are_asked_for(
    tmp_path: Path, summary: Made, page: Page, parsed: Any
) -> None:
    curves = parsed(page(tmp_path, coloured=["random", "saliency", "saliency"])).sections["curves"]
    assert "Pale lines: unoise." in curves and "95 % intervals of random, saliency;" in curves
    no_curves = {name: value for name, value in summary().items() if name != "curves"}
    for found in (summary(), no_curves):
        with pytest.raises(UsageError, match=r"^Unknown method 'salience' .* Did you mean 'saliency'"):
            page(tmp_path, found, coloured=["salience"])
    with pytest.raises(UsageError, match=r"^Unknown method 'nobody' in this benchmark.$"):
        page(tmp_path, coloured=["nobody"])


@pytest.mark.slow
def test_a_long_name_may_be_broken_after_its_joints_only(tmp_path: Path, page: Page) -> None:
    text = page(tmp_path)
    assert "<td>unoise+<wbr>blur<small>" in text and "<small>srg_<wbr>mean</small>" in text
    assert "<td>saliency" in text and "<b>srg mean</b>" in text


@pytest.mark.slow
def test_what_to_type_versions_and_settings_are_at_the_end(tmp_path: Path, page: Page, parsed: Any) -> None:
    words = parsed(page(tmp_path, commands=["interpbench benchmark X"], versions={"torch": "2.13.0"})).words
    for word in ("interpbench benchmark X", "torch", "2.13.0", "repeats", "predictor: name", "resnet18"):
        assert word in words.split("Reproduce")[-1]


def replaced(value: Any, names: dict[str, str]) -> Any:
    """The same with names changed wherever they stand."""
    if isinstance(value, dict):
        return {replaced(key, names): replaced(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


@pytest.mark.slow
def test_hostile_names_are_text_wherever_they_stand(tmp_path: Path, summary: Made, page: Page, parsed: Any) -> None:
    names = (*NAMES, "auc", "beauty", "morf_mean", "third_party", "stars", "years", "deletion")
    hostile = {name: rf"{EVIL}$\frac{index}" for index, name in enumerate(names)}
    document = parsed(page(tmp_path, replaced(summary(), hostile)))
    values = [value or "" for _, value in document.attributes]
    assert "script" not in document.tags
    for name in hostile.values():
        assert name in document.words or any(name in value for value in values)
    assert not [key for key, _ in document.attributes if key.startswith("on")]


@pytest.mark.slow
def test_whatever_else_looks_like_markup_is_text(tmp_path: Path, summary: Made, page: Page, parsed: Any) -> None:
    (tmp_path / "map.png").write_bytes(PIXEL)
    found = summary()
    found |= {"beliefs": [{"sentence": f"{EVIL}: {EVIL}", "notes": [EVIL]}]}
    found["measures"][1]["title"] = EVIL
    found |= {"verdict": [EVIL, f"{EVIL}: {EVIL}"], "warnings": [EVIL], "settings": {EVIL: EVIL}}
    found["methods"][1] |= {"note": EVIL, "options": {EVIL: EVIL}}
    found["measures"][0]["help"] = found["measures"][-1]["steps_name"] = EVIL
    given: dict[str, Any] = {"title": EVIL, "commands": [EVIL], "versions": {EVIL: EVIL}}
    document = parsed(page(tmp_path, found, pictures=[(EVIL, tmp_path / "map.png")], **given))
    assert "script" not in document.tags and document.words.count(EVIL) >= 12


def test_nothing_is_fetched_or_run(tmp_path: Path, page: Page, parsed: Any) -> None:
    text = page(tmp_path)
    document = parsed(text)
    assert [address for address in document.addresses if not address.startswith(("data:", "#"))] == []
    assert "default-src 'none'" in text and "script" not in text and "http" not in text.replace("http-equiv", "")
    ids = {value for key, value in document.attributes if key == "id"}
    assert {address[1:] for address in document.addresses if address.startswith("#")} <= ids


@pytest.mark.slow
def test_the_pictures_bytes_are_in_the_page_and_a_missing_one_leaves_no_page(
    tmp_path: Path, page: Page, parsed: Any
) -> None:
    (tmp_path / "map.png").write_bytes(PIXEL)
    text = page(tmp_path, pictures=[("Maps of sub-1", tmp_path / "map.png")])
    images = [b64decode(one.partition(",")[2]) for one in parsed(text).addresses if one.startswith("data:image")]
    assert PIXEL in images and "Maps of sub-1" in text and "percentile ranks of |map|" in text
    (tmp_path / "index.html").unlink()
    with pytest.raises(InputError, match=r"gone\.png"):
        page(tmp_path, pictures=[("gone", tmp_path / "gone.png")])
    assert not (tmp_path / "index.html").exists()


@pytest.mark.slow
def test_the_same_benchmark_gives_the_same_page_and_is_not_changed(tmp_path: Path, summary: Made, page: Page) -> None:
    found = summary()
    before = copy.deepcopy(found)
    assert page(tmp_path, found) == page(tmp_path, found) and found == before
