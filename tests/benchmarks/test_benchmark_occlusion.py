"""The benchmark of occlusion: peers are asked what they should be, and its figures are those of the boxes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from interpbench import InterpbenchError, UsageError, write_map
from interpbench_occlusion import evaluation
from interpbench_occlusion.boxes import BoxGrid

ROOT = Path(__file__).parents[2]
NAMES = ("occlusion", "occlusion_case", "occlusion_ours", "occlusion_page", "occlusion_peers", "occlusion_scaling")
GRIDS = [BoxGrid((6, 7, 8), (2, 3, 4), (2, 3, 4)), BoxGrid((7, 9, 8), (3, 3, 3), (3, 3, 3))]
CASE = "sfcn:40x44x36:12"
TOY = ("--width", "8", "--brain", "ellipsoid", "--batches", "1", "--batch-sizes", "1", "2")
LAYOUT = torch.contiguous_format

# MONAI 1.6 takes parts of tensors by lists of slices, which torch no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")


@pytest.fixture(scope="module")
def bench() -> Iterator[SimpleNamespace]:
    """The modules of the folder `benchmarks`, which is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield SimpleNamespace(**{name.removeprefix("occlusion_"): import_module(name) for name in NAMES})
        for name in (*NAMES, "machine"):
            sys.modules.pop(name, None)


class Counted(nn.Module):
    """A little network whose answers depend on where a voxel is."""

    def __init__(self, voxels: int) -> None:
        super().__init__()
        self.weights = torch.randn(voxels, generator=torch.Generator().manual_seed(0))
        self.batches: list[int] = []

    def forward(self, volumes: Tensor) -> Tensor:
        self.batches.append(len(volumes))
        time.sleep(0.002 * len(volumes))
        return (volumes.flatten(1) ** 2 @ self.weights)[:, None]


def volume(grid: BoxGrid) -> Tensor:
    return torch.randn((1, *grid.shape), generator=torch.Generator().manual_seed(1))


def effects_by_hand(network: nn.Module, grid: BoxGrid) -> list[float]:
    found = []
    for box in grid.boxes:
        hidden = volume(grid)
        hidden[0][box] = 0
        found.append(float(network(volume(grid)[None]) - network(hidden[None])))
    return found


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_captum_hides_the_grids_boxes_in_the_order_asked_for(bench, grid: BoxGrid, batch_size: int) -> None:
    network = Counted(volume(grid).numel())
    order = bench.peers.shuffled(range(len(grid.boxes)), 0)
    found = bench.peers.by_captum(network, LAYOUT, volume(grid), grid, order, batch_size=batch_size, batches=999)
    assert list(found.effects) == order
    expected = effects_by_hand(network, grid)
    assert [found.effects[index] for index in range(len(expected))] == pytest.approx(expected, abs=1e-4)


def test_the_order_does_not_change_captums_map(bench) -> None:
    grid = GRIDS[1]
    network, order = Counted(volume(grid).numel()), bench.peers.shuffled(range(len(grid.boxes)), 0)
    told = {"sliding_window_shapes": (1, *grid.box), "strides": (1, *grid.stride), "perturbations_per_eval": 2}
    forward = lambda volumes: network(volumes)[:, 0]  # noqa: E731  one line says it
    plain = bench.peers.Occlusion(forward).attribute(volume(grid)[None], **told)
    other = bench.peers._InOrder(forward, order).attribute(volume(grid)[None], **told)
    torch.testing.assert_close(plain, other, atol=1e-4, rtol=0)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("middle", [(0, 0, 0), (3, 4, 4), (6, 7, 8)])
def test_monai_hides_the_grids_boxes_around_a_place(bench, grid: BoxGrid, middle: tuple[int, int, int]) -> None:
    network = Counted(volume(grid).numel())
    clean = float(network(volume(grid)[None]))
    found = bench.peers.by_monai(network, LAYOUT, volume(grid), grid, middle, clean, batch_size=2, batches=3)
    expected = effects_by_hand(network, grid)
    assert len(found.effects) >= 6
    for index, effect in found.effects.items():
        assert effect == pytest.approx(expected[index], abs=1e-4)


@pytest.mark.parametrize(("batches", "sizes"), [(1, [3, 3]), (2, [3, 3, 3])])
def test_a_peer_is_broken_off_after_the_batches_that_are_timed(bench, batches: int, sizes: list[int]) -> None:
    grid = GRIDS[1]
    told = {"batch_size": 3, "batches": batches}
    network, order = Counted(volume(grid).numel()), list(range(len(grid.boxes)))
    first = bench.peers.by_captum(network, LAYOUT, volume(grid), grid, order, **told)
    assert network.batches == [1, *sizes]  # Captum first asks about the clean volume
    network.batches.clear()
    second = bench.peers.by_monai(network, LAYOUT, volume(grid), grid, (4, 4, 4), first.clean, **told)
    assert network.batches == sizes
    for found in (first, second):
        assert len(found.seconds) == batches
        assert all(0.002 <= seconds < 1 for seconds in found.seconds)


def test_a_block_is_of_whole_boxes_as_near_the_middle_as_can_be(bench) -> None:
    grid = BoxGrid((10, 12, 14), (3, 3, 3), (3, 3, 3))  # 4 x 4 x 5 boxes, of which 3 x 4 x 4 are whole
    _, inside = bench.peers.block(grid, (5, 6, 7), 8)
    corners = [tuple(span.start for span in grid.boxes[index]) for index in inside]
    assert corners == [(i, j, k) for i in (3, 6) for j in (3, 6) for k in (3, 6)]
    _, all_whole = bench.peers.block(grid, (5, 6, 7), 999)
    assert len(all_whole) == 3 * 4 * 4
    assert all(span.stop - span.start == 3 for index in all_whole for span in grid.boxes[index])


def test_a_cases_name_says_what_it_is(bench) -> None:
    case = bench.case.Case.of("resnet18:14x18x14:8:30")
    assert (case.network, case.shape, case.box, case.sample) == ("resnet18", (14, 18, 14), 8, 30)
    assert bench.case.Case.of(case.name) == case
    with pytest.raises(UsageError, match="resnet18_stride2"):
        bench.case.Case.of("resnet:14x18x14:8")


@pytest.mark.parametrize("brain", ["image", "ellipsoid"])
def test_a_brain_is_normalised_and_exactly_zero_outside(bench, tmp_path: Path, brain: str) -> None:
    image = torch.zeros(14, 18, 14)
    image[3:11, 4:15, 2:12] = 50 + torch.rand(8, 11, 10, generator=torch.Generator().manual_seed(0))
    affine = torch.diag(torch.tensor([10.0, 10.0, 10.0, 1.0])).numpy()
    write_map(tmp_path / "brain.nii.gz", image, affine=affine)
    values, told = bench.case.volume_of((14, 18, 14), brain, tmp_path / "brain.nii.gz", 0)
    inside = values != 0
    assert values.shape == (1, 14, 18, 14)
    assert 0.1 < float(inside.double().mean()) < 0.6
    assert float(values[inside].mean()) == pytest.approx(0, abs=1e-5)
    assert float(values[inside].std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert ("brain.nii.gz" in told) == (brain == "image")


def test_both_layouts_hold_the_same_weights_and_the_same_seed_gives_them_again(bench) -> None:
    case = bench.case.Case.of(CASE)
    made = [bench.case.scene(case, width=8, seed=3, brain="ellipsoid", image=None) for _ in range(2)]
    networks = [network for scene in made for network in (*scene.networks.values(), scene.predictor.module)]
    states = [network.state_dict() for network in networks]
    assert all(torch.equal(state[name], value) for state in states for name, value in states[0].items())
    assert int(states[0]["1.num_batches_tracked"]) == 3 and float(states[0]["1.running_mean"].abs().max()) > 0
    assert made[0].networks["channels_last"][4].weight.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("network", ["resnet18", "resnet18_stride2", "densenet121", "sfcn"])
def test_every_network_gives_one_number_a_volume(bench, network: str) -> None:
    found = bench.case.NETWORKS[network](4).eval()(torch.zeros(2, 1, 33, 36, 34))
    assert found.shape == (2, 1)


@pytest.fixture(scope="module")
def results(bench, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two toy cases, the second on a sample; small as they are, they are traced."""
    out = tmp_path_factory.mktemp("occlusion") / "result.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "WORTH_TRACING", 0)
        sweeps = bench.scaling.sweeps
        patch.setattr(bench.scaling, "sweeps", lambda shape: {name: some[-2:] for name, some in sweeps(shape).items()})
        words = (
            "--cases",
            CASE,
            f"{CASE}:16",
            "--float64",
            "2",
            "--bfloat16",
            "--no-memory",
            "--scaling",
            "--scaling-shape",
            "18x20x16",
            "--out",
            str(out),
        )
        bench.occlusion.main([*TOY, *words])
    return json.loads(out.read_text())


@pytest.mark.slow
def test_all_sides_give_the_same_effects(results: dict[str, Any]) -> None:
    for row in results["cases"]:
        found = row["agreement"]
        sides = [f"{peer}, {layout}" for peer in ("captum", "monai") for layout in ("default", "channels_last")]
        assert all(found[side]["n"] >= 2 and found[side]["largest"] < 1e-4 for side in sides)
        assert set(found["from_float64"]) == {"ours", *sides}
        assert all(one["n"] >= 2 and one["largest"] < 1e-4 for one in found["from_float64"].values())


@pytest.mark.slow
def test_ratios_follow_from_the_seconds_of_both_sides(results: dict[str, Any]) -> None:
    row = results["cases"][0]
    assert row["boxes"] == 4 * 4 * 3 and 0 < row["boxes_with_brain"] <= row["boxes"]
    for layout, times in row["times_as_fast"].items():
        rows = [one for one in row["peers"] if one["layout"] == layout]
        assert {one["peer"] for one in rows} == {"captum", "monai"}
        for one in rows:
            assert set(one["tried"]) == {"1", "2"}
            assert one["seconds"] == pytest.approx(row["boxes"] * one["seconds_a_box"]["median"], rel=1e-2)
        best = min(one["seconds"] for one in rows)
        assert times["first"] == pytest.approx(best / row["ours"]["first_seconds"], abs=0.02)
        assert times["repeat"] == pytest.approx(best / row["ours"]["repeat_seconds"]["median"], abs=0.02)


@pytest.mark.slow
def test_work_is_told_where_the_incremental_engine_runs(results: dict[str, Any]) -> None:
    for row in results["cases"]:
        assert row["ours"]["incremental"]
        assert 0 < row["operations"]["gflop_a_box"] < row["operations"]["gflop_a_pass"]
    whole, sample = results["cases"]
    assert not whole["ours"]["estimated"] and sample["ours"]["estimated"]
    assert sample["ours"]["boxes_run"] < whole["ours"]["boxes_run"] == whole["boxes_with_brain"]
    assert whole["bfloat16"]["largest_error"] < 0.2 and sample["bfloat16"] is None


@pytest.mark.slow
def test_a_sample_has_the_effects_of_the_whole(bench) -> None:
    case = bench.case.Case.of(CASE)
    scene = bench.case.scene(case, width=4, seed=0, brain="ellipsoid", image=None)
    options = {"batch_size": 4, "memory": 1.0, "precision": "float32"}
    whole = bench.ours.Whole(case, scene, options).run()
    some = scene.with_brain(case.grid)[::3]
    found = bench.ours.Sampled(case, scene, options, some, 48).run()
    assert list(found.effects) == some
    assert bench.ours.differences(found.effects, whole.effects, 1.0)["largest"] < 1e-5
    assert set(whole.effects) == set(range(len(case.grid.boxes)))


@pytest.mark.slow
def test_scaling_is_told_with_its_exponent(results: dict[str, Any]) -> None:
    for name in ("box", "stride", "edge"):
        sweep = results["scaling"][name]
        assert len(sweep["points"]) == 2 and isinstance(sweep["exponent"], float)
        assert all(point["seconds"]["median"] > 0 and point["boxes_with_brain"] > 0 for point in sweep["points"])


def test_scaling_changes_one_thing_at_a_time(bench) -> None:
    sweeps = bench.scaling.sweeps((35, 44, 35))
    assert [(point.box, point.stride) for point in sweeps["box"]] == [(4, 4), (6, 4), (8, 4), (12, 4)]
    assert [(point.box, point.stride) for point in sweeps["stride"]] == [(8, 3), (8, 4), (8, 6), (8, 8)]
    numbers = [len(BoxGrid(point.shape, (point.box,) * 3, (point.stride,) * 3).boxes) for point in sweeps["edge"]]
    assert [point.shape for point in sweeps["edge"]] == [(35, 44, 35), (52, 66, 52), (70, 88, 70)]
    assert max(numbers) == min(numbers)


def test_the_exponent_of_a_power_law_is_found(bench) -> None:
    assert bench.scaling.exponent([1, 2, 4], [3, 24, 192]) == pytest.approx(3)


@pytest.mark.slow
def test_the_tables_go_between_the_markers_of_the_page(bench, results: dict[str, Any], tmp_path: Path) -> None:
    file, page = tmp_path / "result.json", tmp_path / "page.md"
    file.write_text(json.dumps(results))
    page.write_text("Before.\n<!-- occlusion: begin -->\nold\n<!-- occlusion: end -->\nAfter.\n")
    bench.page.main(("--results", str(file), "--page", str(page)))
    text = page.read_text()
    assert text.startswith("Before.") and text.endswith("After.\n") and "old" not in text
    row = results["cases"][0]
    assert f"**{row['times_as_fast']['default']['first']:.1f}**" in text and f"{row['operations']['share']:.1%}" in text
    lines = text.splitlines()
    assert all(
        line.count("|") == lines[number - 1].count("|") == lines[number + 1].count("|")
        for number, line in enumerate(lines)
        if line.startswith("| ---")
    )
    page.write_text("No place.\n")
    with pytest.raises(InterpbenchError, match="no place for tables"):
        bench.page.main(("--results", str(file), "--page", str(page)))


@pytest.mark.slow
def test_memory_is_of_a_process_of_its_own_and_cases_measured_before_stay(bench, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    out.write_text(json.dumps({"cases": [{"case": "other"}], "scaling": None}))
    found = bench.occlusion.main([*TOY, "--cases", "sfcn:32x36x34:16", "--out", str(out)])
    assert [row["case"] for row in found["cases"]] == ["other", "sfcn:32x36x34:16"]
    assert json.loads(out.read_text()) == found
    for side in found["cases"][1]["memory"].values():
        assert 0 < side["before_gib"] <= side["peak_gib"]
