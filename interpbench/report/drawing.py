"""What the pictures of a benchmark share: how a kind of method looks, names that fit, and PNG from a canvas."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from PIL import Image

from interpbench.report.curves import COLOURS

INK, DIM, FAINT = "#1c1c1c", "#6b6b6b", "#e4e4e4"
DPI = 100
QUANTIZE = Image.Quantize.MAXCOVERAGE  # keeps a colour that few pixels have
LONGEST = 26  # letters of a name in a picture
LETTER = 0.078  # inches that a letter of a 9-point name takes at most, on average


@dataclass(frozen=True)
class MethodStyle:
    """How a method is drawn: its kind by colour, a blurred copy by a hollow marker and slanted letters."""

    colour: str = COLOURS[0]
    hollow: bool = False

    @property
    def fill(self) -> str:
        return "white" if self.hollow else self.colour

    @property
    def slant(self) -> str:
        return "italic" if self.hollow else "normal"


METHOD, LEARNED, FLOOR = COLOURS[0], COLOURS[1], "#8a8a8a"
LOOKS_IN_WORDS = (
    "Orange: methods that need fitting; blue: other methods; grey: floors, which do not use the network;"
    " hollow and slanted: blurred copies"
)


def method_style(*, floor: bool, learned: bool, blurred: bool) -> MethodStyle:
    """The look of a method of this kind."""
    return MethodStyle(FLOOR if floor else LEARNED if learned else METHOD, blurred)


def canvas_of(width: float, height: float) -> Canvas:
    """An empty canvas, in inches, that touches no setting of matplotlib's."""
    canvas = Canvas(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(canvas)
    return canvas


def png_of(canvas: Canvas, dpi: int = DPI) -> bytes:
    """The canvas as PNG in 256 colours: a third of the bytes without a visible difference."""
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font does not have, in names that we did not choose
        canvas.savefig(drawn, dpi=dpi, format="png", facecolor=canvas.get_facecolor(), pil_kwargs={"compress_level": 0})
    image = io.BytesIO()
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(256, QUANTIZE, dither=Image.Dither.NONE).save(image, "png", optimize=True)
    return image.getvalue()


def short(name: str, longest: int = LONGEST) -> str:
    """A shortened name: the middle of a long one is removed, because its end distinguishes copies."""
    if len(name) <= longest:
        return name
    end = longest // 3
    return f"{name[: longest - end - 1]}\N{HORIZONTAL ELLIPSIS}{name[-end:]}"


def width_of(text: str, size: float) -> float:
    """The width of a text of this size, in inches."""
    canvas = canvas_of(1, 1)
    written = canvas.text(0, 0, text, fontsize=size, parse_math=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font does not have
        return float(written.get_window_extent().width) / float(canvas.dpi)


def fitting(text: str, size: float, room: float) -> str:
    """As much of a text of this size as has room in so many inches, its middle left out."""
    longest = len(text)
    while longest > 3 and width_of(short(text, longest), size) > room:
        longest -= 1
    return short(text, longest)
