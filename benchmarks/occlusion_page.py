"""Write the tables of `benchmarks/README.md` about occlusion from what `occlusion.py` measured.

Only what stands between the two markers is written; the words around it are somebody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from result_page import fill_page

HERE = Path(__file__).parent
PEERS = {"captum": "Captum", "monai": "MONAI"}
LAYOUTS = {"default": "as documented", "channels_last": "channels last"}
NONE = "n/a"

Row = Mapping[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    """Read the result, write the tables into the page."""
    fill_page(words, __doc__, HERE / "results" / "occlusion.json", HERE / "README.md", "occlusion", tables)


def tables(results: Row) -> list[str]:
    """All that the page says in figures, in Markdown."""
    rows = results["cases"]
    lines = [*measured_on(rows), "", *ratios(rows), "", *peers(rows), "", *the_same(rows), "", *limits(rows)]
    if results.get("scaling"):
        lines += ["", *scaling(results["scaling"])]
    return lines


def measured_on(rows: Sequence[Row]) -> list[str]:
    """Machine and brain, once for the cases that share them."""
    found: dict[str, list[str]] = {}
    for row in rows:
        machine = row["machine"]
        versions = ", ".join(f"{PEERS.get(name, name)} {machine[name]}" for name in ("torch", *PEERS))
        told = f"cores: {machine['cores']}, threads: {machine['threads']} ({machine['architecture']}), {versions}"
        told += f"; {row['brain']}"
        found.setdefault(told, []).append(f"`{row['case']}`")
    return [f"{', '.join(cases)}: {told}." for told, cases in found.items()]


def ratios(rows: Sequence[Row]) -> list[str]:
    """How many times as fast ours is."""
    heads = [
        "case",
        "boxes (with brain)",
        "peer, as documented",
        "peer, channels last",
        "ours: first run",
        "further runs",
        "times as fast as documented",
        "as channels last",
    ]
    body = []
    for row in rows:
        ours, times = row["ours"], row["times_as_fast"]
        best = [min(one["seconds"] for one in row["peers"] if one["layout"] == name) for name in LAYOUTS]
        told = " (estimated)" if ours["estimated"] else ""
        ratio = [f"**{times[name]['first']:.1f}**; {times[name]['repeat']:.1f}" for name in LAYOUTS]
        body.append(
            [
                f"`{row['case']}`",
                f"{row['boxes']} ({row['boxes_with_brain']})",
                *map(duration, best),
                duration(ours["first_seconds"]) + told,
                _spread(ours["repeat_seconds"], duration) + told,
                *ratio,
            ]
        )
    return [
        "Seconds for a volume, of the better of the two peers. Times as fast: the first run; further runs.",
        "",
        *table(heads, body),
    ]


def peers(rows: Sequence[Row]) -> list[str]:
    """Seconds a box."""
    keys = [(peer, layout) for layout in LAYOUTS for peer in PEERS]
    heads = ["case", *(f"{PEERS[peer]}, {LAYOUTS[layout]}" for peer, layout in keys), "ours, a box with brain"]
    body = []
    for row in rows:
        found = {(one["peer"], one["layout"]): one for one in row["peers"]}
        cells = [f"{_spread(found[key]['seconds_a_box'], seconds)}, batch {found[key]['batch_size']}" for key in keys]
        body.append([f"`{row['case']}`", *cells, seconds(row["ours"]["repeat_seconds_a_box"])])
    return ["Seconds a box: median (least to most; n batches), and the best batch size.", "", *table(heads, body)]


def the_same(rows: Sequence[Row]) -> list[str]:
    """Whether the answers are the same."""
    heads = [
        "case",
        *(f"ours - {peer}" for peer in PEERS.values()),
        "Captum, between layouts",
        "n",
        "ours - float64",
        "Captum - float64",
        "MONAI - float64",
        "n",
        "bfloat16 - float32",
        "r",
    ]
    body = []
    for row in rows:
        found, true = row["agreement"], row["agreement"].get("from_float64", {})
        largest = [
            max((found[f"{peer}, {layout}"] for layout in LAYOUTS), key=lambda one: one["largest"]) for peer in PEERS
        ]
        exact = [true.get(name) for name in ("ours", *(f"{peer}, channels_last" for peer in PEERS))]
        half = row["bfloat16"]
        body.append(
            [
                f"`{row['case']}`",
                *(_tiny(one) for one in largest),
                _tiny(found["captum, layouts"]),
                ", ".join(str(one["n"]) for one in largest),
                *(_tiny(one) for one in exact),
                ", ".join(str(one["n"]) for one in exact if one) or NONE,
                NONE if half is None else f"{half['largest_error']:.1e}",
                NONE if half is None else f"{half['r']:.5f}",
            ]
        )
    return [
        "The largest difference between effects of the same boxes, as a share of the map's range; n boxes.",
        "",
        *table(heads, body),
    ]


def limits(rows: Sequence[Row]) -> list[str]:
    """Work, and memory."""
    heads = [
        "case",
        "GFLOP a pass",
        "a box",
        "share",
        "floor, s a box",
        "ours / floor",
        "ours in bfloat16, first run",
        "peak memory, GiB: Captum",
        "MONAI",
        "ours",
    ]
    body = []
    for row in rows:
        flop, half, memory = row["operations"], row["bfloat16"], row["memory"] or {}
        work = [NONE] * 5
        if flop:
            work = [
                f"{flop['gflop_a_pass']:.0f}",
                f"{flop['gflop_a_box']:.1f}",
                f"{flop['share']:.1%}",
                seconds(flop["floor_seconds_a_box"]),
                f"{flop['times_floor']:.2f}",
            ]
        peaks = [memory.get(side, {}).get("peak_gib") for side in (*PEERS, "ours")]
        body.append(
            [
                f"`{row['case']}`",
                *work,
                NONE if half is None else duration(half["first_seconds"]),
                *(NONE if peak is None else f"{peak:.2f}" for peak in peaks),
            ]
        )
    return [
        (
            "The floor: the multiplications that a box with brain needs, at the rate of the better peer's pass in"
            " channels last."
        ),
        "",
        *table(heads, body),
    ]


def scaling(found: Row) -> list[str]:
    """How our time grows."""
    body = []
    for name in ("box", "stride", "edge"):
        sweep = found[name]
        points = ", ".join(f"{one['x']:g}: {_spread(one['seconds'], duration)}" for one in sweep["points"])
        body.append([name, points, f"{sweep['exponent']:.2f}", f"{sweep['exponent_a_box']:.2f}"])
    return [
        (
            f"Ours, {found['network']}, from {found['shape']} on; seconds ~ voxels of box edge, stride or mean edge to"
            " the power of the exponent. `box` keeps the stride, `stride` the box, `edge` the number of boxes."
        ),
        "",
        *table(["over", "seconds", "exponent", "exponent a box"], body),
    ]


def duration(value: float) -> str:
    """Seconds with their unit."""
    return f"{value:.0f} s" if value >= 100 else f"{value:.3g} s"


def seconds(value: float) -> str:
    """Seconds to three digits."""
    return f"{value:.3g}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]


def _spread(value: Row, written: Any) -> str:
    """Median, and least to most where there are several."""
    middle = written(value["median"])
    if value["n"] < 2:
        return f"{middle}"
    return f"{middle} ({written(value['least'])} to {written(value['most'])}; {value['n']})"


def _tiny(value: Row | None) -> str:
    return NONE if value is None or not value["n"] else f"{value['largest']:.1e}"


if __name__ == "__main__":
    main()
