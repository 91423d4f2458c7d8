"""What may arrive as an image: refused by name in `check` and in a run, or read right with a word about it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from interpbench.images.volume import read_volume

SHAPE, AFFINE = (12, 14, 10), np.array([[4.0, 0, 0, -22], [0, 4, 0, -30], [0, 0, 4, -10], [0, 0, 0, 1]])
DAMAGED = "is not gzip-compressed, or damaged|is damaged"
WEB_PAGE = b"<!DOCTYPE html><html><body>Sign in to download</body></html>"


def voxels() -> NDArray[np.float32]:
    """An ellipsoid of noise."""
    axes = np.meshgrid(*(np.linspace(-1.2, 1.2, edge) for edge in SHAPE), indexing="ij")
    noise = 100 + 10 * np.random.default_rng(7).standard_normal(SHAPE)
    return np.where(sum(axis**2 for axis in axes) < 1, noise, 0).astype(np.float32)


def image(data: Any = None, affine: Any = AFFINE, **fields: Any) -> bytes:
    """A NIfTI file's bytes, with some of its header's fields written over."""
    data = voxels() if data is None else data
    made = nibabel.Nifti1Image(data, affine, dtype=data.dtype)
    made.header.set_xyzt_units("mm")
    content = bytearray(made.to_bytes())
    for name, value in fields.items():
        kind, offset = nibabel.Nifti1Header.template_dtype.fields[name][:2]
        content[offset : offset + kind.itemsize] = np.asarray(value, dtype=kind.base).tobytes()
    return bytes(content)


def changed(index: tuple[int, int, int], value: float) -> bytes:
    data = voxels()
    data[index] = value
    return image(data)


def speck() -> NDArray[np.float32]:
    """Four voxels of a head."""
    data = np.zeros_like(voxels())
    data[5:7, 6:8, 5] = [[90, 100], [110, 120]]
    return data


def squeezed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :]


def bomb() -> bytes:
    """32 MiB of zeros after the last voxel."""
    return squeezed(image() + bytes(32 * 2**20))


def of_type(name: str) -> bytes:
    data = voxels()
    if name == "RGB":
        return image(np.stack([data] * 3, -1).astype(np.uint8).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0])
    return image(data.astype(name))


def turned() -> bytes:
    """Two axes that point the same way."""
    affine = AFFINE.copy()
    affine[:3, 1] = affine[:3, 0]
    return image(srow_x=affine[0], srow_y=affine[1], srow_z=affine[2])


SOUND = squeezed(image())
REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {  # the file's name, its content, what is said of it
    "a .nii.gz cut in the header": ("cut1.nii.gz", lambda: SOUND[:60], "damaged|cut short|not a NIfTI"),
    "a .nii.gz cut in the voxels": ("cut2.nii.gz", lambda: SOUND[: len(SOUND) // 2], "damaged or truncated"),
    "a .nii.gz without its last byte": ("cut3.nii.gz", lambda: SOUND[:-1], "damaged or truncated"),
    "a .nii.gz without its trailer": ("cut4.nii.gz", lambda: SOUND[:-8], "damaged or truncated"),
    "a .nii cut in the header": ("cut5.nii", lambda: image()[:300], "not a NIfTI"),
    "a .nii cut in the voxels": ("cut6.nii", lambda: image()[:2000], "is truncated: it has 2000 bytes"),
    "a wrong checksum": ("crc.nii.gz", lambda: flipped(SOUND, len(SOUND) - 6), DAMAGED),
    "a wrong length in the trailer": ("isize.nii.gz", lambda: flipped(SOUND, len(SOUND) - 2), DAMAGED),
    "a flipped bit": ("bit.nii.gz", lambda: flipped(SOUND, len(SOUND) // 2), DAMAGED),
    "an empty file": ("empty.nii.gz", lambda: b"", "is empty"),
    "a web page": ("page.nii.gz", lambda: WEB_PAGE, "not gzip-compressed, or damaged"),
    "a web page named .nii": ("page.nii", lambda: WEB_PAGE, "not a NIfTI file"),
    "a compressed image named .nii": ("packed.nii", lambda: SOUND, "compressed with gzip: rename it to .nii.gz"),
    "a plain image named .nii.gz": ("plain.nii.gz", image, "not gzip-compressed, or damaged"),
    "another ending": ("image.mgz", lambda: SOUND, "not named .nii or .nii.gz"),
    "30000 voxels an edge": (
        "huge.nii.gz",
        lambda: squeezed(image(dim=[3, 30000, 30000, 30000, 1, 1, 1, 1])),
        "declares 27000000000000 voxels",
    ),
    "a gzip bomb": ("bomb.nii.gz", bomb, "continues for more than 16 MiB"),
    "a header of another size": ("sizeof.nii.gz", lambda: squeezed(image(sizeof_hdr=347)), "not a NIfTI file"),
    "an unknown data type": ("type.nii.gz", lambda: squeezed(image(datatype=77)), "invalid header|values"),
    "a negative edge": ("negative.nii.gz", lambda: squeezed(image(dim=[3, -12, 14, 10, 1, 1, 1, 1])), "shape|header"),
    "an edge of 0": ("zero.nii.gz", lambda: squeezed(image(dim=[3, 12, 0, 10, 1, 1, 1, 1])), "shape"),
    "two axes": ("flat.nii.gz", lambda: squeezed(image(voxels()[:, :, 5])), "a 3D image is needed"),
    "voxels that begin in the header": (
        "offset.nii.gz",
        lambda: squeezed(image(vox_offset=100)),
        "vox offset 100 too low",
    ),
    "voxels that begin nowhere": (
        "nowhere.nii.gz",
        lambda: squeezed(image(vox_offset=np.nan)),
        "places the voxels at byte nan",
    ),
    "voxels that begin far away": (
        "far.nii.gz",
        lambda: squeezed(image(vox_offset=2e9)),
        "places the voxels at byte 2e",
    ),
    "more voxels than there are": (
        "more.nii.gz",
        lambda: squeezed(image(dim=[3, 12, 14, 11, 1, 1, 1, 1])),
        "truncated",
    ),
    "two volumes": ("two.nii.gz", lambda: squeezed(image(np.stack([voxels()] * 2, -1))), "is 4D"),
    "a voxel that is no number": (
        "nan.nii.gz",
        lambda: squeezed(changed((3, 5, 7), np.nan)),
        "1 voxels are not finite, the first at index (3, 5, 7); --nan-to-zero",
    ),
    "an infinite voxel": ("inf.nii.gz", lambda: squeezed(changed((0, 1, 2), -np.inf)), "the first at index (0, 1, 2)"),
    "a constant image": (
        "constant.nii.gz",
        lambda: squeezed(image(np.full(SHAPE, 7, np.float32))),
        "every voxel is 7: the image is constant",
    ),
    "almost no brain": (
        "speck.nii.gz",
        lambda: squeezed(image(speck())),
        "almost no brain in the network's field of view",
    ),
    "colours": ("rgb.nii.gz", lambda: squeezed(of_type("RGB")), "one real number per voxel is needed"),
    "complex numbers": (
        "complex.nii.gz",
        lambda: squeezed(of_type("complex64")),
        "one real number per voxel is needed",
    ),
    "an affine that holds no number": ("affine1.nii.gz", lambda: squeezed(image(srow_x=[np.nan, 0, 0, 0])), "affine"),
    "an axis without a length": ("affine2.nii.gz", lambda: squeezed(image(srow_x=[0, 0, 0, 0])), "affine is singular"),
    "two axes that point the same way": ("affine3.nii.gz", lambda: squeezed(turned()), "affine is singular"),
}
ELSEWHERE: dict[str, str] = {  # what stands in place of a file, and what is said of it
    "a folder": "is not a file",
    "nothing": "does not exist",
    "a dangling link": "does not exist",
    "a named pipe": "is not a file",
    "a device": "is not a file",
}
WARNED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a fourth axis of 1": (lambda: image(voxels()[..., None]), "shape (12, 14, 10, 1) read as (12, 14, 10)"),
    "no word of where it lies": (lambda: image(sform_code=0, qform_code=0), "a default was used"),
    "sform and qform that disagree": (lambda: image(qform_code=1, qoffset_x=30), "sform and qform disagree by"),
    "lengths in metres": (lambda: image(xyzt_units=1), "lengths in meter"),
}


def big_endian() -> bytes:
    made = nibabel.Nifti1Image(voxels(), AFFINE, nibabel.Nifti1Header(endianness=">"))
    return bytes(made.to_bytes())


READ_RIGHT: dict[str, tuple[Callable[[], bytes], float]] = {  # content, and how far voxels may be from the sound ones
    "int16": (lambda: of_type("int16"), 1.0),
    "uint8": (lambda: of_type("uint8"), 1.0),
    "int64": (lambda: of_type("int64"), 1.0),
    "float64": (lambda: of_type("float64"), 0.0),
    "big-endian": (big_endian, 0.0),
    "a slope": (lambda: image(voxels() / 2, scl_slope=2), 1e-5),
    "a slope of 0": (lambda: image(scl_slope=0), 0.0),
    "several gzip streams": (image, 0.0),
}


@dataclass(frozen=True)
class Ran:
    """What `check` and `explain` did with one cohort of good and bad images."""

    cohort: Path
    maps: Path
    checked: tuple[int, str, str]
    explained: tuple[int, str, str]
    problems: list[dict[str, Any]]
    labels: dict[str, str]  # of each fault
    before: dict[str, bytes]

    def failure(self, fault: str) -> dict[str, str]:
        header, *rows = [line.split("\t") for line in (self.maps / "failures.tsv").read_text().splitlines()]
        (found,) = (dict(zip(header, row, strict=True)) for row in rows if row[0] == f"sub-{self.labels[fault]}")
        return found

    def told(self, fault: str, level: str) -> str:
        (found,) = (
            row["message"]
            for row in self.problems
            if row["participant_id"] == f"sub-{self.labels[fault]}" and row["level"] == level
        )
        return str(found)


@pytest.fixture(scope="module")
def ran(toy_model: Path, tmp_path_factory: pytest.TempPathFactory, command: Callable[..., Any]) -> Ran:
    cohort, out = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("out")
    rows, labels = [], {}

    def enter(fault: str, name: str) -> None:
        labels[fault] = f"{len(labels):03d}"
        rows.append(f"sub-{labels[fault]}\t{name}")

    for fault, (name, content, _) in REFUSED.items():
        (cohort / name).write_bytes(content())
        enter(fault, name)
    (cohort / "folder.nii.gz").mkdir()
    (cohort / "link.nii.gz").symlink_to(cohort / "gone.nii.gz")
    os.mkfifo(cohort / "pipe.nii.gz")
    for fault, name in zip(
        ELSEWHERE, ("folder.nii.gz", "gone.nii.gz", "link.nii.gz", "pipe.nii.gz", "/dev/zero"), strict=True
    ):
        enter(fault, name)
    for table in (WARNED, READ_RIGHT):
        for fault, (content, _) in table.items():
            made, name = content(), f"{fault.replace(' ', '-')}.nii.gz"
            middle = len(made) // 2
            streams = [made[:middle], made[middle:]] if fault == "several gzip streams" else [made]
            (cohort / name).write_bytes(b"".join(squeezed(part) for part in streams))
            enter(fault, name)
    (cohort / "sound.nii.gz").write_bytes(SOUND)
    enter("sound", "sound.nii.gz")
    (cohort / "participants.tsv").write_text("\n".join(["participant_id\timage", *rows]) + "\n")
    before = {path.name: path.read_bytes() for path in cohort.glob("*.nii*") if path.is_file()}
    checked = command("check", cohort, "--predictor", toy_model, "--json", out / "problems.json")
    given = ["--predictor", toy_model, "--method", "saliency", "--split", "all", "--device", "cpu"]
    explained = command("explain", cohort, *given, "--out", out / "maps")
    problems = json.loads((out / "problems.json").read_text())["problems"]
    return Ran(cohort, out / "maps", checked, explained, problems, labels, before)


@pytest.mark.slow
def test_the_exit_code_says_that_some_failed_and_the_inputs_are_as_they_were(ran: Ran) -> None:
    bad = len(REFUSED) + len(ELSEWHERE)
    for code, _, told in (ran.checked, ran.explained):
        assert code == 4
        assert told.strip().splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in told
    assert f"{bad} cannot" in ran.checked[2]
    assert len((ran.maps / "failures.tsv").read_text().splitlines()) == bad + 1
    assert ran.before == {path.name: path.read_bytes() for path in ran.cohort.glob("*.nii*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*REFUSED, *ELSEWHERE])
def test_refused_by_name_is(fault: str, ran: Ran) -> None:
    words = (REFUSED[fault][2] if fault in REFUSED else ELSEWHERE[fault]).split("|")
    failure, told = ran.failure(fault), ran.told(fault, "problem")
    for message in (failure["message"], told):
        assert any(one in message for one in words), message
        assert "\n" not in message
    if fault in REFUSED:
        assert failure["file"].endswith(REFUSED[fault][0])
    assert not (ran.maps / f"sub-{ran.labels[fault]}").exists()


def sidecar(ran: Ran, fault: str) -> dict[str, Any]:
    (path,) = (ran.maps / f"sub-{ran.labels[fault]}").glob("*_importance.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("fault", WARNED)
def test_taken_with_a_warning_is(fault: str, ran: Ran) -> None:
    words = WARNED[fault][1]
    assert any(words in warning for warning in sidecar(ran, fault)["warnings"])
    told = [row["message"] for row in ran.problems if row["participant_id"] == f"sub-{ran.labels[fault]}"]
    assert any(words in message for message in told)


@pytest.mark.parametrize("fault", READ_RIGHT)
def test_read_right_is(fault: str, ran: Ran) -> None:
    found = read_volume(ran.cohort / f"{fault.replace(' ', '-')}.nii.gz").data[0].numpy()
    assert np.abs(found - voxels()).max() <= READ_RIGHT[fault][1]
    if READ_RIGHT[fault][1] == 0:
        one, sound = (sidecar(ran, name) for name in (fault, "sound"))
        assert one["prediction"] == sound["prediction"]
