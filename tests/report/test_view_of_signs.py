"""The interactive view: the same bytes for the same map, colours from 0 to the largest value, and no network."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from interpbench.report.view import WIDTH, View, view_html

SHAPE = (6, 7, 8)
AFFINE = np.diag([-2.0, 2.0, 2.5, 1.0])


def view(**other: object) -> View:
    random = np.random.default_rng(0)
    background = np.zeros(SHAPE)
    background[1:-1, 1:-1, 1:-1] = random.uniform(50, 150, (4, 5, 6))
    return dataclasses.replace(View(random.normal(size=SHAPE), background, AFFINE, "a map", "years"), **other)


def test_the_same_map_gives_the_same_document_without_any_address_to_fetch() -> None:
    document, width, height = view_html(view())
    assert (document, width, height) == view_html(view())
    assert height > 0 and width > WIDTH / 2 and 'rel="icon"' not in document
    assert not re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="https?:', document)


@pytest.mark.parametrize("below", [0.0, -1.0, -1e6])
def test_what_lies_below_the_threshold_is_painted_like_nothing(below: float) -> None:
    map = np.zeros(SHAPE)
    map[2:4, 3, 4] = 1.5
    expected = view_html(view(map=map))
    assert view_html(view(map=np.where(map == 0, below, map))) == expected
    assert view_html(view(map=np.where(map == 0, 0.4, map), threshold=0.4)) == expected


def test_the_largest_value_is_the_top_of_the_colours_unless_another_is_given() -> None:
    map = np.abs(view().map)
    whole = view_html(view(map=map))
    assert view_html(view(map=map, vmax=float(map.max()))) == whole != view_html(view(map=map, vmax=9.0))


@pytest.mark.parametrize("axis", range(3))
def test_a_file_that_runs_the_other_way_gives_the_same_view(axis: int) -> None:
    given = view()
    affine = AFFINE.copy()
    affine[:3, 3] += affine[:3, axis] * (SHAPE[axis] - 1)
    affine[:3, axis] *= -1
    flipped = view(map=np.flip(given.map, axis), background=np.flip(given.background, axis), affine=affine)
    assert view_html(flipped) == view_html(given)
