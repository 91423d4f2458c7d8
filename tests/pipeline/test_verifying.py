"""`verify` names every file that is not as it was recorded, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from interpbench import aggregate, explain
from interpbench.errors import InputError
from interpbench.pipeline.verifying import verify

METHOD = {"method": "saliency", "device": "cpu", "participants": ["07", "08", "09"]}


@pytest.fixture(scope="module")
def made(toy_cohort: Path, toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort, maps and their population."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(toy_cohort, folder / "cohort")
    shutil.copytree(toy_model, folder / "model")
    explain(folder / "cohort", folder / "model", folder / "maps", **METHOD)
    aggregate(folder / "maps", folder / "population")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """The same, for a test of its own; records name the images of `made`."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def product(place: Path, label: str, suffix: str = ".nii.gz") -> Path:
    return place / "maps" / f"sub-{label}" / f"sub-{label}_desc-saliency_importance{suffix}"


@pytest.mark.parametrize("name", ["maps", "population", "model", "."])
def test_what_was_written_fits(place: Path, name: str) -> None:
    found = verify(place / name)
    assert not found.misfits
    assert found.files >= 3


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


def without_sidecar(path: Path) -> None:
    path.with_name(path.name.replace(".nii.gz", ".json")).unlink()


def of_another_run(path: Path) -> None:
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "run": "0" * 64}))


def half_a_sidecar(path: Path) -> None:
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    sidecar.write_text(sidecar.read_text()[:100])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flipped, "content differs from the record"),
        (Path.unlink, "is missing"),
        (without_sidecar, "has no record"),
        (of_another_run, "belongs to an earlier run in this folder"),
        (half_a_sidecar, "is not JSON"),
    ],
)
def test_a_map_that_does_not_fit_is_named_and_no_other(place: Path, change: Callable[[Path], None], words: str) -> None:
    change(product(place, "08"))
    misfits = verify(place / "maps").misfits
    assert any(words in one.message for one in misfits)
    assert all("sub-08" in str(one.file) for one in misfits)


@pytest.mark.parametrize(
    "name",
    [
        "population/population_mean.nii.gz",
        "population/population.json",
        "model/model.safetensors",
        "model/model.json",
        "model/split.tsv",
    ],
)
def test_any_file_of_a_whole_run_is_watched(place: Path, name: str) -> None:
    flipped(place / name)
    assert {str(one.file) for one in verify(place).misfits if "content differs" in one.message} == {str(place / name)}


def test_an_image_that_changed_is_named(made: Path, place: Path) -> None:
    image = made / "cohort" / "09.nii.gz"
    before = image.read_bytes()
    try:
        flipped(image)
        (misfit,) = verify(place / "maps").misfits
        assert misfit.file == image
    finally:
        image.write_bytes(before)


def test_what_is_half_written_is_named(place: Path) -> None:
    stump = place / "maps" / "sub-07" / ".sub-07_map.0123456789ab.tmp.nii.gz"
    stump.write_bytes(b"half")
    (misfit,) = verify(place / "maps").misfits
    assert misfit.file == stump


def test_where_there_is_no_run_there_is_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the folder of a run"):
        verify(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        verify(tmp_path / "missing")


def test_the_command_line_tells_each_and_ends_in_3(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from interpbench.cli import main

    def ended(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as found:
            main(list(words))
        return found.value.code, capsys.readouterr().out

    code, told = ended("verify", str(place / "maps"))
    assert code == 0 and "files agree with the record" in told
    flipped(product(place, "07"))
    code, told = ended("verify", str(place / "maps"))
    assert code == 3 and told.count("\n") == 1 and "sub-07" in told
