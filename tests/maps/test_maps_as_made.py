"""A map is 0 outside the brain on its image's grid, and what the method made is measured, however the image lies."""

from __future__ import annotations

import json
import shutil
import types
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import nibabel
import numpy as np
import pytest
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy.ndimage import binary_fill_holes
from scipy.spatial.transform import Rotation

from interpbench import Aggregator, Explainer, Predictor, Recipe, aggregate, benchmark, explain, read_volume
from interpbench.errors import InputError, PluginError, SubjectsFailed
from interpbench.files.atomic import sha256_of
from interpbench.images.prepared import Prepared
from interpbench.pipeline.verifying import verify
from interpbench.testing import linear_predictor

SHAPE = (10, 13, 9)
RECIPE = Recipe(shape=SHAPE, voxel_size=4.0, centre=(1.0, -2.0, 3.0))
FIELD = np.array([44, 56, 40])  # mm: of the images

# voxel edges in mm, turns in degrees, how it is stored, brain by a mask, by the background, or by nothing
IMAGES = {
    "01": ((4, 4, 4), (0, 0, 0), "RAS", "background"),  # moved voxel by voxel
    "02": ((4, 4, 4), (0, 0, 0), "PSR", "mask"),
    "03": ((1, 1, 1), (0, 0, 0), "RAS", "background"),
    "04": ((1.5, 1.5, 1.5), (12, -9, 20), "RAS", "mask"),
    "05": ((1.5, 1.5, 1.5), (12, -9, 20), "LIP", "background"),
    "06": ((1, 1, 5), (0, 0, 0), "SAL", "mask"),
    "07": ((6, 6, 6), (0, 0, 0), "RAS", "background"),
    "08": ((5, 6, 7), (8, 0, -15), "IRA", "mask"),
    "09": ((2, 2, 2), (0, 0, 0), "LAS", "nothing"),
}
PLACED_EXACTLY = ("01", "02")


class Line(Predictor):
    """A weighted sum of some voxels."""

    def __init__(self) -> None:
        weights = torch.zeros(SHAPE)
        weights[3:6, 4:8, 2:5] = 0.1 + torch.rand(3, 4, 3, generator=torch.Generator().manual_seed(0))
        self.toy, self.recipe = linear_predictor(weights), RECIPE

    @property
    def module(self):
        return self.toy.module

    def predict(self, volumes):
        return self.toy.predict(volumes)


def texture(volumes: torch.Tensor) -> torch.Tensor:
    """Other values in every voxel, inside the brain and outside, of either sign."""
    noise = torch.randn(volumes[:, 0].shape[1:], generator=torch.Generator().manual_seed(3))
    return noise * (1 + volumes[:, 0].abs())


class Everywhere(Explainer):
    """Says something everywhere."""

    signed: ClassVar[bool] = True
    calls: ClassVar[list[int]] = []

    def explain(self, predictor, volumes):
        self.calls.append(len(volumes))
        return texture(volumes)

    def explain_with_extras(self, predictor, volumes):
        map = self.explain(predictor, volumes)
        return map, {"size": map.abs()}


class Inside(Explainer):
    """Says something where there is an image, and nothing around it."""

    def explain(self, predictor, volumes):
        return texture(volumes).abs() * (volumes[:, 0] != 0)


class Corner(Explainer):
    """Says something in one corner only."""

    def explain(self, predictor, volumes):
        map = torch.zeros_like(volumes[:, 0])
        map[:, 0, 0, 0] = 2.0
        return map


class Total(Aggregator):
    """The sum of the maps."""

    def __init__(self) -> None:
        self.sum = torch.zeros(SHAPE)

    def add(self, map):
        self.sum += map

    def merge(self, other):
        self.sum += other.sum

    def result(self):
        return {"sum": self.sum}


@pytest.fixture(autouse=True)
def components(toy_plugin: types.ModuleType) -> None:
    toy_plugin.offer("predictor", "line", Line)
    for name, method in (("everywhere", Everywhere), ("inside", Inside), ("corner", Corner)):
        toy_plugin.offer("explainer", name, method)
    toy_plugin.offer("aggregator", "total", Total)
    Everywhere.calls.clear()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image of each kind: an ellipsoid that is darker on one side, with a dark hole in the middle."""
    folder = tmp_path_factory.mktemp("kinds")
    rows = ["participant_id\tage\timage\tmask"]
    for number, (label, (edges, turns, codes, brain)) in enumerate(IMAGES.items()):
        random = np.random.default_rng(number)
        field = 0.8 * FIELD if brain == "nothing" else FIELD  # inside the network's box, for all of it counts
        shape = tuple(np.rint(field / edges).astype(int))
        affine = np.eye(4)
        affine[:3, :3] = Rotation.from_euler("xyz", turns, degrees=True).as_matrix() * edges
        middle = np.array(shape) // 2 - (0.0 if max(edges) == min(edges) == 4 else 0.3)
        affine[:3, 3] = np.array([3.0, -2.0, 3.0]) - affine[:3, :3] @ middle
        places = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
        x, y, z = np.moveaxis(places - RECIPE.centre, -1, 0)
        inside = (x / 15) ** 2 + (y / 20) ** 2 + (z / 13) ** 2 < 1
        hole = x**2 + y**2 + z**2 < 4.5**2
        data = np.where(inside & ~hole, 100 + 2 * x + 10 * random.standard_normal(shape), 0.0)
        if brain == "nothing":
            data += random.standard_normal(shape)
        turn = ornt_transform(io_orientation(affine), axcodes2ornt(codes))
        for name, values in (("image", data), ("mask", inside)):
            plain = nibabel.Nifti1Image(values.astype(np.float32), affine)
            plain.header.set_xyzt_units("mm")
            nibabel.save(plain.as_reoriented(turn), folder / f"{label}_{name}.nii.gz")
        mask = f"{label}_mask.nii.gz" if brain == "mask" else "n/a"
        rows.append(f"{label}\t{50 + number}\t{label}_image.nii.gz\t{mask}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def run(cohort: Path, tmp_path: Path) -> Callable[..., Path]:
    def explained(method: str = "everywhere", out: str = "maps", **settings) -> Path:
        explain(cohort, "line", tmp_path / out, method=method, split=None, device="cpu", **settings)
        return tmp_path / out

    return explained


def brain_on_disk(cohort: Path, label: str) -> np.ndarray:
    """What counts as brain on the image's own grid."""
    if IMAGES[label][3] == "mask":
        return nibabel.load(cohort / f"{label}_mask.nii.gz").get_fdata() > 0
    return binary_fill_holes(nibabel.load(cohort / f"{label}_image.nii.gz").get_fdata() != 0)


def prepared_of(cohort: Path, label: str) -> Prepared:
    mask = cohort / f"{label}_mask.nii.gz" if IMAGES[label][3] == "mask" else None
    return RECIPE.prepare(cohort / f"{label}_image.nii.gz", mask)


def made_of(cohort: Path, label: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The map that `everywhere` makes, and the brain, on the network's grid."""
    prepared = prepared_of(cohort, label)
    return texture(prepared.volume[None])[0], prepared.brain


def path_of(maps: Path, label: str, name: str = "importance", method: str = "everywhere") -> Path:
    return maps / f"sub-{label}" / f"sub-{label}_desc-{method}_{name}.nii.gz"


def kept_of(maps: Path, label: str, method: str = "everywhere") -> Path:
    return maps / "network" / f"sub-{label}" / f"sub-{label}_space-network_desc-{method}_map.nii.gz"


def record_of(path: Path) -> dict:
    return json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())


def test_a_map_and_its_extras_are_zero_outside_the_images_brain_and_the_share_that_lay_there_is_told(run, cohort):
    maps = run()
    for label in IMAGES:
        brain = brain_on_disk(cohort, label)
        for name in ("importance", "size"):
            values = nibabel.load(path_of(maps, label, name)).get_fdata()
            assert values[brain].any() and not values[~brain].any(), label
        made, inside = made_of(cohort, label)
        share = float(made[~inside].abs().double().sum() / made.abs().double().sum())
        record = record_of(path_of(maps, label))
        assert record["mass_outside_brain"] == pytest.approx(share, abs=1e-9) and record["whole"] is False
        told = [words for words in record["warnings"] if "outside the brain" in words and "mass" in words]
        assert len(told) == (share > 0.1), label
        assert not told or told[0].startswith(f"{share:.0%} ")
    assert record_of(path_of(maps, "01"))["mass_outside_brain"] > 0.1


def test_in_the_brain_the_cut_changes_nothing(run, cohort):
    maps = run()
    for label in PLACED_EXACTLY:
        made, brain = made_of(cohort, label)
        back = prepared_of(cohort, label).to_network_grid(read_volume(path_of(maps, label)).data[0])
        assert torch.equal(back, torch.where(brain, made, 0.0))


@pytest.mark.slow
def test_the_whole_map_is_kept_where_that_is_asked_for_and_it_is_another_run(run, cohort):
    maps = run(whole=True)
    for label in IMAGES:
        made, _ = made_of(cohort, label)
        prepared = prepared_of(cohort, label)
        values = nibabel.load(path_of(maps, label)).get_fdata(dtype=np.float32)
        assert np.array_equal(values, prepared.to_source_grid(made))
        record = record_of(path_of(maps, label))
        assert record["whole"] is True
        told = [words for words in record["warnings"] if "lies outside the brain" in words]
        assert len(told) == (record["mass_outside_brain"] > 0.1)
    assert values[0, 0, 0] != 0 and json.loads((maps / "manifest.json").read_text())["whole"] is True
    number = len(Everywhere.calls)
    run(whole=True)
    assert len(Everywhere.calls) == number
    run()
    assert len(Everywhere.calls) == 2 * number
    assert not nibabel.load(path_of(maps, "01")).get_fdata()[0, 0, 0]


def test_a_map_of_which_nothing_lies_in_the_brain_is_refused_with_the_reason(run, tmp_path):
    with pytest.raises(PluginError, match=r"None of 9 subjects.*zero everywhere in the brain.*--whole keeps them"):
        run("corner")
    assert len((tmp_path / "maps" / "failures.tsv").read_text().splitlines()) == 1 + len(IMAGES)
    assert not list((tmp_path / "maps").glob("sub-*/*"))
    whole = run("corner", "whole", participants=["03"], whole=True)
    assert record_of(path_of(whole, "03", method="corner"))["mass_outside_brain"] == 1.0


def test_a_map_that_has_nothing_left_on_the_images_grid_is_refused_too(run, tmp_path, monkeypatch):
    back = Prepared.to_source_grid
    monkeypatch.setattr(Prepared, "to_source_grid", lambda self, map: 0 * back(self, map))
    with pytest.raises(PluginError, match="zero everywhere in the brain on the image's own grid"):
        run(participants=["03", "04"])
    assert not list((tmp_path / "maps").glob("sub-*/*"))
    assert len((tmp_path / "maps" / "failures.tsv").read_text().splitlines()) == 3


@pytest.mark.parametrize("method", ["everywhere", "inside"])
def test_what_the_method_made_is_kept_beside_unless_the_map_gives_it_back_bit_by_bit(run, cohort, method):
    maps = run(method)
    for label in IMAGES:
        path, kept = path_of(maps, label, method=method), kept_of(maps, label, method)
        prepared = prepared_of(cohort, label)
        made = texture(prepared.volume[None])[0]
        made = made if method == "everywhere" else made.abs() * (prepared.volume[0] != 0)
        record = record_of(path)
        if label in PLACED_EXACTLY and method == "inside":
            assert record["network_map"] is None and not kept.exists()
            assert torch.equal(prepared.to_network_grid(read_volume(path).data[0]), made)
            continue
        assert record["network_map"] == {"file": kept.name, "sha256": sha256_of(kept)}
        volume = read_volume(kept)
        assert torch.equal(volume.data[0], made) and np.allclose(volume.affine, prepared.affine, atol=1e-5)
        assert record_of(kept)["run"] == record["run"] and record_of(kept)["space"] == "network"
    assert not verify(maps).misfits


@pytest.mark.parametrize("harm", ["gone", "sidecar gone", "changed"])
def test_a_map_whose_kept_one_is_lost_is_made_again(run, harm):
    maps = run(participants=["03", "04"])
    kept = kept_of(maps, "03")
    content = kept.read_bytes()
    if harm == "changed":
        kept.write_bytes(content[:-1])
    else:
        (kept if harm == "gone" else kept.with_name(kept.name.replace(".nii.gz", ".json"))).unlink()
    Everywhere.calls.clear()
    run(participants=["03", "04"])
    assert len(Everywhere.calls) == 1 and kept.read_bytes() == content


def test_a_kept_map_of_an_earlier_run_goes_where_there_is_none_any_more(run, cohort):
    maps = run(participants=["01"])
    assert kept_of(maps, "01").is_file()
    run(participants=["01"], whole=True)  # in whose box the whole map lies
    assert record_of(path_of(maps, "01"))["network_map"] is None
    assert not list((maps / "network" / "sub-01").iterdir())
    assert not verify(maps).misfits


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_benchmark_measures_what_the_method_made_of_every_kind_of_image(run, cohort, tmp_path, whole):
    maps = run(whole=whole)
    settings = {
        "methods": ["everywhere"],
        "measures": ["localisation", "complexity"],
        "floors": False,
        "split": None,
        "subjects": 0,
        "blur": 0,
        "device": "cpu",
        "processes": 1,
    }
    Everywhere.calls.clear()
    given = benchmark(cohort, "line", tmp_path / "given", maps=[maps], **settings)
    assert not Everywhere.calls
    own = benchmark(cohort, "line", tmp_path / "own", **settings)
    assert given["results"] == own["results"] and given["n"] == len(IMAGES)
    for label in IMAGES:
        name = f"sub-{label}/sub-{label}_space-network_desc-everywhere_importance.nii.gz"
        taken, made = (read_volume(tmp_path / folder / name).data[0] for folder in ("given", "own"))
        assert torch.equal(taken, made)
        assert record_of(tmp_path / "given" / name)["taken_from"] == str(maps)


@pytest.mark.slow
def test_a_benchmark_makes_anew_what_was_resampled_and_says_how_many(run, cohort, tmp_path, caplog):
    maps = run()
    for label in ("03", "06"):
        kept_of(maps, label).unlink()
    Everywhere.calls.clear()
    settings = {
        "methods": ["everywhere"],
        "measures": ["complexity"],
        "floors": False,
        "split": None,
        "subjects": 0,
        "blur": 0,
        "device": "cpu",
        "processes": 1,
        "maps": [maps],
    }
    with caplog.at_level("WARNING", "interpbench"):
        found = benchmark(cohort, "line", tmp_path / "out", **settings)
    assert len(Everywhere.calls) == 2
    told = [words for words in found["warnings"] if "made again" in words]
    assert len(told) == 1 and told[0].startswith("everywhere: 2 of 9 maps were made again")
    assert told[0] in caplog.messages
    again = benchmark(cohort, "line", tmp_path / "out", **settings)
    assert again["warnings"] == found["warnings"] and len(Everywhere.calls) == 2
    shutil.copy(kept_of(maps, "04"), kept_of(maps, "05"))
    found = benchmark(cohort, "line", tmp_path / "changed", **settings)
    assert "no map of 1 of 9 subjects" in found["methods"][0]["note"]
    assert "changed after the map was made" in found["methods"][0]["note"]


@pytest.mark.parametrize("whole", [False, True])
def test_a_population_is_of_what_the_method_made(run, cohort, tmp_path, whole):
    maps = run(whole=whole)
    found = aggregate(maps, tmp_path / "out", aggregator="total")
    each = [
        made if whole else torch.where(brain, made, 0.0) for made, brain in (made_of(cohort, label) for label in IMAGES)
    ]
    total = read_volume(tmp_path / "out" / "population_sum.nii.gz").data[0]
    torch.testing.assert_close(total, torch.stack(each).sum(dim=0), rtol=0, atol=1e-4)
    assert found["n"] == len(IMAGES)
    assert not any("interpolated" in words for words in found["warnings"])


@pytest.mark.slow
def test_a_population_goes_on_with_a_resampled_map_and_says_so_and_leaves_out_one_that_changed(run, tmp_path):
    maps = run()
    kept_of(maps, "03").unlink()
    shutil.copy(kept_of(maps, "04"), kept_of(maps, "05"))
    with pytest.raises(SubjectsFailed, match=r"1 of 9 subjects failed.*sub-05.*changed after the map was made"):
        aggregate(maps, tmp_path / "out", aggregator="total")
    found = json.loads((tmp_path / "out" / "population.json").read_text())
    told = [words for words in found["warnings"] if "interpolated" in words]
    assert len(told) == 1 and told[0].startswith("sub-03: ")
    record = path_of(maps, "06").with_name(path_of(maps, "06").name.replace(".nii.gz", ".json"))
    damaged = {**json.loads(record.read_text()), "network_map": {"file": "../../elsewhere.nii.gz", "sha256": "0"}}
    record.write_text(json.dumps(damaged))
    with pytest.raises(SubjectsFailed, match="2 of 9"):
        aggregate(maps, tmp_path / "again", aggregator="total")
    assert "which is not a file name" in (tmp_path / "again" / "failures.tsv").read_text()


def test_a_kept_map_on_another_grid_is_refused(run, cohort, tmp_path):
    maps = run(participants=["03"])
    kept = kept_of(maps, "03")
    image = nibabel.load(kept)
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32)[:-1], image.affine), kept)
    sidecar = path_of(maps, "03").with_name(path_of(maps, "03").name.replace(".nii.gz", ".json"))
    record = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**record, "network_map": {"file": kept.name, "sha256": sha256_of(kept)}}))
    with pytest.raises(InputError, match="has another grid than the network"):
        aggregate(maps, tmp_path / "out", aggregator="total")


def test_the_command_line_has_the_option(run, cohort, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from interpbench.cli.explain import explain as command

    words = [
        str(cohort),
        "--predictor",
        "line",
        "--method",
        "everywhere",
        "--split",
        "all",
        "--device",
        "cpu",
        "--participant-label",
        "03",
        "--whole",
        "--out",
        str(tmp_path / "maps"),
    ]
    assert CliRunner().invoke(command, words).exit_code == 0
    assert record_of(path_of(tmp_path / "maps", "03"))["whole"] is True
