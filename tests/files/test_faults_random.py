"""Random damage, to bits, headers and tables: what comes of it is read right, or refused in one line."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from interpbench import InputError, read_cohort, read_volume
from interpbench.cohort.subjects import LABEL, OLDEST
from interpbench.images.volume import Volume

SHAPE = (16, 18, 14)
AFFINE = np.array([[4.0, 0, 0, -22], [0, 4, 0, -30], [0, 0, 4, -10], [0, 0, 0, 1]])
FIELDS = nibabel.Nifti1Header.template_dtype.fields
often = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def content_of(kind: str) -> bytes:
    """An uncompressed image, smooth inside a brain and 0 around it."""
    axes = np.meshgrid(*(np.linspace(-1.2, 1.2, edge) for edge in SHAPE), indexing="ij")
    brain = sum(axis**2 for axis in axes) < 1
    values = np.where(brain, 300 + 100 * np.cos(3 * axes[0]) * axes[1] + 20 * axes[2], 0)
    return bytes(nibabel.Nifti1Image(values.astype(kind), AFFINE).to_bytes())


def packed(content: bytes, level: int) -> bytes:
    return gzip.compress(content, level, mtime=1)


FILES = {
    f"{kind} at level {level}": packed(content_of(kind), level)
    for kind, level in (("int16", 6), ("float32", 6), ("float32", 1), ("uint8", 9), ("int16", 0))
}


def refused_or(read: Callable[[], Volume]) -> Volume | None:
    """What is read, or None where it is refused by one line that names the file."""
    try:
        return read()
    except InputError as error:
        assert "damaged.nii" in str(error)
        assert "\n" not in str(error)
        return None


@pytest.fixture
def damaged(tmp_path: Path) -> Callable[[bytes, str], Path]:
    """A file of that content and ending."""

    def write(content: bytes, ending: str) -> Path:
        path = tmp_path / f"damaged{ending}"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.slow
@often
@given(name=st.sampled_from(sorted(FILES)), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit(damaged: Callable[[bytes, str], Path], name: str, where: float, bit: int) -> None:
    content = bytearray(FILES[name])
    content[int(where * len(content))] ^= 1 << bit
    path = damaged(bytes(content), ".nii.gz")
    found = refused_or(lambda: read_volume(path))
    if found is not None:
        sound = read_volume(damaged(FILES[name], ".sound.nii.gz"))
        assert np.array_equal(found.data.numpy(), sound.data.numpy())
        assert np.array_equal(found.affine, sound.affine)


@often
@given(name=st.sampled_from(sorted(FILES)), share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_anywhere(damaged: Callable[[bytes, str], Path], name: str, share: float) -> None:
    content = FILES[name]
    path = damaged(content[: int(share * len(content))], ".nii.gz")
    assert refused_or(lambda: read_volume(path)) is None


@pytest.mark.slow
@often
@given(field=st.sampled_from(sorted(FIELDS)), noise=st.binary(min_size=80, max_size=80), both=st.booleans())
def test_a_header_of_anything(damaged: Callable[[bytes, str], Path], field: str, noise: bytes, both: bool) -> None:
    """One field of noise, also with the affine's codes set to 0; what is read is what nibabel reads."""
    kind, offset = FIELDS[field][:2]
    content = bytearray(content_of("int16"))
    content[offset : offset + kind.itemsize] = noise[: kind.itemsize]
    if both:
        content[252:256] = bytes(4)
    path = damaged(bytes(content), ".nii")
    found = refused_or(lambda: read_volume(path, max_voxels=10**6))
    if found is not None:
        theirs = nibabel.load(path)
        with np.errstate(all="ignore"):
            expected = theirs.get_fdata(dtype=np.float32)
        assert np.array_equal(found.data[0].numpy(), expected.reshape(found.data[0].shape))
        assert np.allclose(found.affine, theirs.affine)


cells = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["01", "sub-01", "02", "44", "44,5", "n/a", "-1", "1e9", "a.nii", "../a.nii", "/", "\t", ";", '"', "\r", "\0"]
)
tables = st.lists(st.lists(cells, min_size=1, max_size=5), max_size=6)


@pytest.mark.slow
@often
@given(
    rows=tables,
    delimiter=st.sampled_from("\t;,"),
    header=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@example(rows=[["01", "44", "a.nii"]], delimiter=",", header=True, encoding="utf-16")
def test_a_table_of_anything(
    tmp_path: Path, rows: list[list[str]], delimiter: str, header: bool, encoding: str
) -> None:
    (tmp_path / "a.nii").write_bytes(b"an image")
    lines = [["participant_id", "age", "image"]] * header + rows
    table = tmp_path / "participants.tsv"
    table.write_bytes("\n".join(delimiter.join(cells) for cells in lines).encode(encoding))
    try:
        cohort = read_cohort(tmp_path)
    except InputError as error:
        assert "\n" not in str(error) and "\r" not in str(error)
        return
    named = [subject.id for subject in cohort.subjects]
    assert len(set(named)) == len(named)
    for subject in cohort.subjects:
        assert LABEL.fullmatch(subject.id)
        assert subject.age is not None and 0 < subject.age <= OLDEST
        assert subject.image.is_file()
    for problem in cohort.problems:
        assert problem.line > 1
        assert "\n" not in str(problem)
