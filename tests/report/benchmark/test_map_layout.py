"""Where the parts of a picture of many maps stand: inside it, apart from each other, and as wide as the words need."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.figure import Figure as Canvas

from interpbench.report.benchmark.map_layout import ASIDE, BAR, EDGE, FOOT, GAP, LEAST, NAME, NEXT, Layout, Words

LAYOUTS = [
    Layout(tile, columns, blocks, lines)
    for tile in ((1.0, 1.0), (0.7, 1.2), (1.4, 0.5))
    for columns in (1, 3)
    for blocks in (1, 2)
    for lines in (1, 4)
]


def slices_of(layout: Layout) -> list[tuple[float, float, float, float]]:
    """Each slice as left, top, right and bottom, in inches."""
    rows = range(layout.blocks * layout.lines)
    starts = [(layout.slice(row, column), layout.top(row)) for row in rows for column in range(layout.columns)]
    return [(left, top, left + layout.tile[0], top + layout.tile[1]) for left, top in starts]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_no_two_slices_overlap_and_none_lies_on_a_name(layout: Layout) -> None:
    slices = slices_of(layout)
    for one, other in itertools.combinations(slices, 2):
        beside = one[2] <= other[0] or other[2] <= one[0]
        assert beside or one[3] <= other[1] or other[3] <= one[1]
    names = {layout.left(row) for row in range(layout.blocks * layout.lines)}
    assert len(names) == layout.blocks
    for left, _, right, _ in slices:
        assert all(right <= name or left >= name + NAME - 1e-9 for name in names)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_slices_leave_room_for_the_bar_beside_and_the_words_below(layout: Layout) -> None:
    slices = slices_of(layout)
    assert min(left for left, *_ in slices) == pytest.approx(EDGE + NAME)
    assert max(right for *_, right, _ in slices) <= layout.width - BAR - NEXT + 1e-9
    assert max(bottom for *_, bottom in slices) == pytest.approx(layout.height - FOOT - GAP)
    assert layout.width >= LEAST


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_parts_are_shares_of_the_picture_counted_from_below(layout: Layout) -> None:
    assert layout.parts(0, 0, layout.width, layout.height) == pytest.approx((0, 0, 1, 1))
    for left, top, right, bottom in slices_of(layout):
        x, y, width, height = layout.parts(left, top, right - left, bottom - top)
        assert 0 < x < x + width < 1 and 0 < y < y + height < 1
        assert (x * layout.width, (1 - y) * layout.height) == pytest.approx((left, bottom))
        # A slice keeps its proportions.
        assert width * layout.width / (height * layout.height) == pytest.approx(layout.tile[0] / layout.tile[1])


def test_rows_go_from_block_to_block_and_then_down() -> None:
    layout = Layout((1.0, 1.0), columns=3, blocks=2, lines=2)
    assert [(layout.left(row) > EDGE, layout.top(row) > layout.top(0)) for row in range(4)] == [
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    ]
    assert layout.block == pytest.approx(NAME + 3 * (1.0 + ASIDE) + NEXT)


@pytest.mark.parametrize("text", ["plain", "$x_1$", "größe_карта", "a\\b", "100 %", "$"])
def test_what_is_written_is_no_formula_and_stands_where_it_should(text: str) -> None:
    layout = Layout((1.0, 1.0), columns=3, blocks=1, lines=2)
    canvas = Canvas(figsize=(layout.width, layout.height))
    Words(canvas, layout).write(text, EDGE, 0.0, 8.0)
    Words(canvas, layout).write(text, layout.width, layout.height, 8.0, side="right")
    first, last = canvas.texts
    assert first.get_text() == last.get_text() == text and not first.get_parse_math()
    assert first.get_position() == pytest.approx((EDGE / layout.width, 1)) and last.get_position() == (1, 0)
    assert (first.get_ha(), last.get_ha()) == ("left", "right")
