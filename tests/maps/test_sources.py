"""Images that moved are found again by their bytes, and nothing else is taken for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from interpbench import aggregate, explain
from interpbench.errors import InputError, SubjectsFailed, UsageError
from interpbench.files.atomic import sha256_of
from interpbench.maps import sources as images
from interpbench.maps.sources import MovedImages, SourceImages, recorded_path
from interpbench.pipeline.verifying import verify

Run = Callable[..., tuple[int, str, str]]
LABELS = ["07", "08", "09"]


@pytest.fixture(scope="module")
def made(toy_cohort: Path, toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort in which each image lies in a folder of its own, with masks, and maps of three subjects."""
    folder = tmp_path_factory.mktemp("made")
    rows = ["participant_id\tage\timage\tmask"]
    for label in LABELS:
        place = folder / "cohort" / "anat" / f"sub-{label}"
        place.mkdir(parents=True)
        shutil.copy(toy_cohort / f"{label}.nii.gz", place / "T1w.nii.gz")
        image = nibabel.load(place / "T1w.nii.gz")
        brain = (np.asarray(image.dataobj) != 0).astype(np.uint8)
        brain[5, 6, 4 + LABELS.index(label)] = 0  # no two are the same bytes
        nibabel.save(nibabel.Nifti1Image(brain, image.affine), place / "mask.nii.gz")
        rows.append(f"sub-{label}\t5{label[1]}\tanat/sub-{label}/T1w.nii.gz\tanat/sub-{label}/mask.nii.gz")
    (folder / "cohort" / "participants.tsv").write_text("\n".join(rows) + "\n")
    explain(folder / "cohort", toy_model, folder / "maps", method="saliency", device="cpu", split=None)
    aggregate(folder / "maps", folder / "population")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A cohort that is where it was when its maps were made, for a test to change; its manifest says so."""
    shutil.copytree(made, tmp_path / "run")
    manifest = tmp_path / "run" / "maps" / "manifest.json"
    record = json.loads(manifest.read_text())
    record["command"]["cohort"] = str(tmp_path / "run" / "cohort" / "participants.tsv")
    manifest.write_text(json.dumps(record))
    return tmp_path / "run"


def sidecar(place: Path, label: str) -> Path:
    return place / "maps" / f"sub-{label}" / f"sub-{label}_desc-saliency_importance.json"


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def in_one_folder(cohort: Path, new: Path) -> None:
    new.mkdir()
    for file in cohort.glob("anat/*/*"):
        shutil.move(file, new / f"{file.parent.name}-{file.name}")
    shutil.rmtree(cohort)


MOVES: dict[str, Callable[[Path, Path], object]] = {
    "as a whole": lambda cohort, new: cohort.rename(new),
    "deeper": lambda cohort, new: (new.mkdir(), cohort.rename(new / "deep")),
    "only the folder of images": lambda cohort, new: (cohort / "anat").rename(new),
    "with other names": in_one_folder,
    "with other folders": lambda cohort, new: (
        (cohort / "anat" / "sub-07").rename(cohort / "anat" / "x"),
        (cohort / "anat" / "sub-08").rename(cohort / "anat" / "sub-07"),
        cohort.rename(new),
    ),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_data_set_that_moved_is_found_below_its_root(move: str, place: Path, tmp_path: Path, run: Run) -> None:
    before = verify(place / "maps")
    assert not before.misfits and before.files > 9  # three maps, their images and masks, and what the run read
    MOVES[move](place / "cohort", tmp_path / "new")
    told = verify(place / "maps").misfits
    assert len(told) == 6 and all("if the images were moved, give --root DIR" in str(one) for one in told)
    with pytest.raises(
        InputError, match="is missing since the map was made; if the images were moved, give --root DIR"
    ):
        aggregate(place / "maps", tmp_path / "population")
    found = aggregate(place / "maps", tmp_path / "population", root=tmp_path / "new")
    assert found == json.loads((place / "population" / "population.json").read_text())
    assert verify(place / "maps", tmp_path / "new") == verify(place / "maps", root=str(tmp_path / "new"))
    assert not verify(place / "maps", tmp_path / "new").misfits
    assert verify(place / "maps", tmp_path / "new").files == before.files
    assert run("verify", place / "maps", "--root", tmp_path / "new")[0] == 0


def test_the_command_line_has_a_root_too(place: Path, tmp_path: Path, run: Run) -> None:
    (place / "cohort").rename(tmp_path / "new")
    words = ["aggregate", place / "maps", "--out", tmp_path / "population"]
    code, _, told = run(*words)
    assert code == 3 and "--root DIR" in told.splitlines()[-1]
    assert run(*words, "--root", tmp_path / "new")[0] == 0


@pytest.mark.parametrize("name", ["T1w.nii.gz", "mask.nii.gz"])
@pytest.mark.parametrize("where", ["there", "deeper"])
def test_a_file_of_the_same_name_with_other_bytes_is_refused(
    where: str, name: str, place: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    MOVES["as a whole" if where == "there" else "deeper"](place / "cohort", new)
    (changed,) = new.glob(f"**/sub-08/{name}")
    flipped(changed)
    with pytest.raises(SubjectsFailed, match=r"1 of 3 subjects failed.*sub-08.*its content differs"):
        aggregate(place / "maps", tmp_path / "population", root=new)
    (misfit,) = verify(place / "maps", new).misfits
    assert "its content differs from the image that the map was made from" in misfit.message
    assert misfit.file == changed


def test_a_file_that_is_nowhere_is_named(place: Path, tmp_path: Path) -> None:
    (place / "cohort" / "anat" / "sub-09" / "mask.nii.gz").unlink()
    (place / "cohort" / "anat").rename(tmp_path / "new")
    (misfit,) = verify(place / "maps", tmp_path / "new").misfits
    assert "its content differs" in misfit.message, "two others are called so"
    shutil.rmtree(tmp_path / "new")
    (tmp_path / "new").mkdir()
    told = verify(place / "maps", tmp_path / "new").misfits
    assert len(told) == 6 and all("no file below" in one.message for one in told)


def test_what_lies_elsewhere_than_the_table_is_recorded_as_it_is(tmp_path: Path) -> None:
    assert recorded_path(tmp_path / "a" / "b.nii", tmp_path) == "a/b.nii"
    assert recorded_path(tmp_path / ".." / "b.nii", tmp_path) == "../b.nii"
    assert recorded_path(tmp_path / "b.nii", tmp_path / "a") == str(tmp_path / "b.nii")
    assert recorded_path(tmp_path / "b.nii", None) == str(tmp_path / "b.nii")


def test_maps_name_their_images_relative_to_the_table(made: Path) -> None:
    record = json.loads(sidecar(made, "07").read_text())
    assert (record["image"], record["mask"]) == ("anat/sub-07/T1w.nii.gz", "anat/sub-07/mask.nii.gz")


def test_absolute_paths_are_found_where_they_are_and_below_a_root(place: Path, tmp_path: Path) -> None:
    for label in LABELS:
        record = json.loads(sidecar(place, label).read_text())
        record |= {name: str(place / "cohort" / record[name]) for name in ("image", "mask")}
        sidecar(place, label).write_text(json.dumps(record))
    assert not verify(place / "maps").misfits
    (place / "cohort").rename(tmp_path / "new")
    assert len(verify(place / "maps").misfits) == 6
    assert not verify(place / "maps", tmp_path / "new").misfits


ODD = ["a\0b.nii", "\udc80\ud800.nii", "x" * 5000 + ".nii", "../" * 50 + "dev/zero", ".", "", "/dev/zero"]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("root", [False, True])
def test_a_recorded_path_may_be_odd(name: str, root: bool, tmp_path: Path) -> None:
    manifest = {"command": {"cohort": str(tmp_path / "participants.tsv")}}
    with pytest.raises(InputError):
        SourceImages(manifest, MovedImages(tmp_path) if root else None).find(name, "0" * 64)


@pytest.mark.parametrize("manifest", [{}, {"command": None}, {"command": {"cohort": 5}}, {"command": {"cohort": "x"}}])
def test_without_a_table_a_relative_path_is_looked_for_nowhere(
    manifest: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.nii").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="--root"):
        SourceImages(manifest).find("a.nii", sha256_of("a.nii"))
    assert SourceImages(manifest, MovedImages(tmp_path)).find("a.nii", sha256_of("a.nii")) == tmp_path / "a.nii"


def test_a_root_that_is_no_folder_is_refused(place: Path, tmp_path: Path, run: Run) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        verify(place / "maps", tmp_path / "missing")
    code, _, told = run("aggregate", place / "maps", "--root", tmp_path / "missing", "--out", tmp_path / "out")
    assert (code, told.count("\n")) == (2, 1) and not (tmp_path / "out").exists()


def test_files_are_hashed_once_and_not_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        (tmp_path / f"{number}.nii").write_bytes(bytes([number]))
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "6.nii").write_bytes(b"6")
    hashed: list[str] = []
    monkeypatch.setattr(
        "interpbench.files.hashes.sha256_of", lambda file: hashed.append(Path(file).name) or sha256_of(file)
    )
    wanted = [sha256_of(tmp_path / f"{number}.nii") for number in range(6)]
    moved = MovedImages(tmp_path)
    for number in (2, 1, 2, 0):
        assert moved.find(Path(f"x{number}.nii"), wanted[number], None) == tmp_path / f"{number}.nii"
    assert hashed == ["0.nii", "1.nii", "2.nii"]
    monkeypatch.setattr(images, "MOST_HASHED", 4)
    with pytest.raises(InputError, match=r"no file below .* of which 4 were hashed"):
        MovedImages(tmp_path).find(Path("x.nii"), wanted[5], None)
    assert MovedImages(tmp_path).find(Path("5.nii"), wanted[5], None) == tmp_path / "5.nii", (
        "by its name it needs no search"
    )
