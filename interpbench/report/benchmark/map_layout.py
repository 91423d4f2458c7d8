"""Where the parts of a picture of many maps stand: names, slices side by side, one or two blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas

from interpbench.report.pictures import INK

# In inches. The margin, a name, a slice, and what lies beside a slice, below it and between blocks:
EDGE, NAME, TILE, ASIDE, GAP, NEXT = 0.12, 1.9, 1.0, 0.12, 0.06, 0.25
# The words above, the heads of slices, the colour bar, the words below; the least width has room for the words.
HEAD, LABEL, BAR, FOOT, LEAST = 0.62, 0.22, 0.85, 0.3, 5.6


@dataclass(frozen=True)
class Layout:
    """Where everything stands, in inches from the left and the top: rows of slices in one or two blocks."""

    tile: tuple[float, float]
    columns: int
    blocks: int
    lines: int

    @property
    def block(self) -> float:
        return NAME + self.columns * (self.tile[0] + ASIDE) + NEXT

    @property
    def width(self) -> float:
        return max(EDGE + self.blocks * self.block + BAR, LEAST)

    @property
    def height(self) -> float:
        return self.top(0) + FOOT + self.lines * (self.tile[1] + GAP)

    def left(self, row: int) -> float:
        """The start of a row's name."""
        return EDGE + (row % self.blocks) * self.block

    def slice(self, row: int, column: int) -> float:
        """The left end of a slice."""
        return self.left(row) + NAME + column * (self.tile[0] + ASIDE)

    def top(self, row: int) -> float:
        """The upper end of a row."""
        return HEAD + LABEL + (row // self.blocks) * (self.tile[1] + GAP)

    def parts(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A rectangle, given by its upper left corner, as parts of the picture."""
        bottom = self.height - top - height
        return left / self.width, bottom / self.height, width / self.width, height / self.height


@dataclass(frozen=True)
class Words:
    """Writes on the picture, at inches from the left and the top; what is written is never a formula."""

    canvas: Canvas
    layout: Layout

    def write(self, text: str, x: float, y: float, size: float, colour: str = INK, side: str = "left") -> None:
        self.canvas.text(
            x / self.layout.width,
            1 - y / self.layout.height,
            text,
            color=colour,
            fontsize=size,
            ha=side,
            va="center",
            parse_math=False,
        )
