"""What may have happened to maps before they are added up: one that is no longer what it was is left out by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

Run = Callable[..., tuple[int, str, str]]

LABELS = ("00", "01", "02")


@pytest.fixture
def cohort(toy_cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_cohort, tmp_path / "cohort"))


@pytest.fixture
def maps(cohort: Path, toy_model: Path, run: Run, tmp_path: Path) -> Path:
    picked = [word for label in LABELS for word in ("--participant-label", label)]
    given = ["--predictor", toy_model, "--method", "saliency", "--device", "cpu", *picked]
    assert run("explain", cohort, *given, "--out", tmp_path / "maps")[0] == 0
    return tmp_path / "maps"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


Deed = Callable[[Path, Path, Path], object]  # with a map, its sidecar and its image
DEEDS: dict[str, tuple[Deed, str]] = {
    "a flipped bit in the map": (lambda map, sidecar, image: flip(map), "changed after the map was made"),
    "a map that is gone": (lambda map, sidecar, image: map.unlink(), "is missing since the map was made"),
    "an image that is gone": (lambda map, sidecar, image: image.unlink(), "is missing since the map was made"),
    "an image that changed": (lambda map, sidecar, image: flip(image), "changed after the map was made"),
    "a sidecar that is cut": (lambda map, sidecar, image: sidecar.write_bytes(sidecar.read_bytes()[:9]), "is not JSON"),
    "an empty sidecar": (lambda map, sidecar, image: sidecar.write_bytes(b""), "is not JSON"),
    "a sidecar of something else": (lambda map, sidecar, image: sidecar.write_text("[]"), "is not a record of a map"),
    "a sidecar of other kinds": (lambda map, sidecar, image: edit(sidecar, sha256=5), "sha256 is '5'"),
    "a map of another run": (
        lambda map, sidecar, image: edit(sidecar, run="another"),
        "belongs to an earlier run in this folder",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("deed", DEEDS)
def test_left_out_by_name_is(deed: str, maps: Path, cohort: Path, run: Run, tmp_path: Path) -> None:
    act, said = DEEDS[deed]
    (map,), (sidecar,) = maps.glob("sub-01/*_importance.nii.gz"), maps.glob("sub-01/*_importance.json")
    act(map, sidecar, cohort / "01.nii.gz")
    code, _, told = run("aggregate", maps, "--out", tmp_path / "population")
    assert code == 4
    assert told.splitlines()[-1].startswith("Error: 1 of 3 subjects failed") and "Traceback" not in told
    (row,) = (tmp_path / "population" / "failures.tsv").read_text().splitlines()[1:]
    assert row.startswith("sub-01\t") and said in row
    assert json.loads((tmp_path / "population" / "population.json").read_text())["n"] == 2
    assert run("verify", maps)[0] == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"kind": "train"}'])
def test_a_folder_of_maps_whose_manifest_is(content: bytes, maps: Path, run: Run, tmp_path: Path) -> None:
    (maps / "manifest.json").write_bytes(content)
    code, _, told = run("aggregate", maps, "--out", tmp_path / "population")
    assert code == 3 and told.count("\n") == 1 and str(maps) in told
    assert not (tmp_path / "population").exists()


def test_an_image_whose_nan_was_taken_as_0_is_so_again(cohort: Path, toy_model: Path, run: Run, tmp_path: Path) -> None:
    image = nibabel.load(cohort / "01.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    voxels[3, 5, 7] = np.nan
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine), cohort / "01.nii.gz")
    picked = [word for label in LABELS for word in ("--participant-label", label)]
    given = ["--predictor", toy_model, "--method", "saliency", "--device", "cpu", *picked, "--nan-to-zero"]
    assert run("explain", cohort, *given, "--out", tmp_path / "maps")[0] == 0
    assert run("aggregate", tmp_path / "maps", "--out", tmp_path / "population")[0] == 0
    assert json.loads((tmp_path / "population" / "population.json").read_text())["n"] == 3
    assert run("verify", tmp_path / "maps")[0] == 0
