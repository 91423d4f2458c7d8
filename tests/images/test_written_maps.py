"""A map is written on its source's grid as float32, small, the same bytes each time, and all of it or nothing."""

from __future__ import annotations

import gzip
import resource
import struct

import nibabel as nib
import numpy as np
import pytest
import torch

from interpbench.errors import ResourceError
from interpbench.images.volume import Volume, read_volume, write_map

AFFINE = np.array([[-2.0, 0, 0, 9], [0, 1.5, 0, -8], [0, 0, 3, -7], [0, 0, 0, 1]])
SHAPE = (6, 7, 8)


def test_a_map_keeps_the_sources_header_but_is_float32(tmp_path, values, patched):
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_sform(AFFINE, 4)
    header.set_qform(AFFINE, 1)
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = b"a scanner"
    path = tmp_path / "image.nii.gz"
    nib.Nifti1Image(values().astype(np.int16), None, header, dtype=np.int16).to_filename(path)
    patched(path, 112, struct.pack("<ff", 2.0, 5.0))
    like = read_volume(path)
    importance = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    write_map(tmp_path / "map.nii.gz", importance, like=like)
    written = nib.load(tmp_path / "map.nii.gz")
    assert written.get_data_dtype() == np.float32
    assert np.array_equal(np.asarray(written.dataobj), importance)
    assert np.array_equal(written.affine, like.affine)
    assert (int(written.header["sform_code"]), int(written.header["qform_code"])) == (4, 1)
    assert written.header.get_xyzt_units() == ("mm", "sec")
    assert bytes(written.header["descrip"]).startswith(b"a scanner")


def test_a_map_without_a_source_lies_where_its_affine_says(tmp_path):
    write_map(tmp_path / "map.nii", torch.ones(SHAPE), affine=AFFINE)
    assert np.allclose(nib.load(tmp_path / "map.nii").affine, AFFINE)


def test_a_map_on_another_grid_keeps_the_sources_codes(tmp_path, saved):
    like = read_volume(saved(tmp_path))
    other = np.diag([4.0, 4, 4, 1])
    write_map(tmp_path / "map.nii.gz", np.ones((3, 4, 5)), like=like, affine=other)
    written = nib.load(tmp_path / "map.nii.gz")
    assert np.allclose(written.affine, other) and int(written.header["sform_code"]) == 2


def test_the_same_map_gives_the_same_bytes(tmp_path, values):
    for name in ("one.nii.gz", "two.nii.gz"):
        write_map(tmp_path / name, values(), affine=AFFINE)
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()


@pytest.mark.parametrize("kind", ["noise in a brain", "boxes", "nothing", "one voxel thick"])
def test_a_maps_file_is_as_small_as_gzip_makes_it_and_holds_the_map(tmp_path, kind):
    shape = (1, 44, 35) if kind == "one voxel thick" else (35, 44, 35)
    inside = sum(axis**2 for axis in np.meshgrid(*(np.linspace(-1.2, 1.2, edge) for edge in shape), indexing="ij")) < 1
    noise = np.random.default_rng(0).random(shape)
    boxes = np.kron(noise[:9, :11, :9], np.ones((4, 4, 4)))[:35, :44, :35]
    kinds = {"noise in a brain": noise * inside, "boxes": boxes, "nothing": np.zeros(shape), "one voxel thick": noise}
    map = kinds[kind].astype(np.float32)
    write_map(tmp_path / "map.nii.gz", map, affine=AFFINE)
    written = (tmp_path / "map.nii.gz").read_bytes()
    usual = gzip.compress(gzip.decompress(written), compresslevel=1, mtime=0)
    assert len(written) <= 1.02 * len(usual) + 100
    assert np.array_equal(nib.load(tmp_path / "map.nii.gz").get_fdata(dtype=np.float32), map)
    assert written[4:8] == bytes(4)  # the time


def test_a_map_of_another_shape_than_its_source_is_a_bug(tmp_path):
    like = Volume(torch.zeros(1, *SHAPE), AFFINE)
    with pytest.raises(ValueError, match=r"\(7, 6, 8\)"):
        write_map(tmp_path / "map.nii", np.zeros((7, 6, 8)), like=like)
    with pytest.raises(ValueError, match="affine"):
        write_map(tmp_path / "map.nii", np.zeros(SHAPE))


def test_a_disk_that_fills_up_leaves_the_old_map_and_nothing_else(tmp_path):
    place = tmp_path / "map.nii"
    place.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(ResourceError, match=r"map\.nii"):
            write_map(place, np.ones((20, 20, 20)), affine=AFFINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert place.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["map.nii"]
