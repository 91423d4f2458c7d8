"""Reading what is right, refusing what is wrong in one line, writing maps on the source's grid."""

from __future__ import annotations

import gzip
import os
import struct

import nibabel as nib
import numpy as np
import pytest
import torch

from interpbench.errors import InputError
from interpbench.images.volume import read_header, read_volume, write_map

AFFINE = np.array([[-2.0, 0, 0, 9], [0, 1.5, 0, -8], [0, 0, 3, -7], [0, 0, 0, 1]])
SHAPE = (6, 7, 8)


def refused(path, **options):
    with pytest.raises(InputError) as caught:
        read_volume(path, **options)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def test_voxels_and_affine_are_the_files(tmp_path, saved, values):
    data = values().astype(np.float32)
    volume = read_volume(saved(tmp_path, data))
    assert volume.data.shape == (1, *SHAPE) and volume.data.dtype == torch.float32 and volume.data.is_contiguous()
    assert np.array_equal(volume.data[0].numpy(), data)
    assert np.array_equal(volume.affine, AFFINE) and volume.warnings == ()


def test_uncompressed_reads_the_same(tmp_path, saved):
    first, second = (read_volume(saved(tmp_path, name=name)) for name in ("image.nii", "image.nii.gz"))
    assert torch.equal(first.data, second.data)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint16, np.int64, np.float64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_real_type_and_byte_order_reads_right(tmp_path, dtype, order, values):
    data = values().clip(0, 200).astype(dtype)
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(dtype))
    path = tmp_path / "image.nii.gz"
    nib.Nifti1Image(data, AFFINE, header, dtype=dtype).to_filename(path)
    assert np.array_equal(read_volume(path).data[0].numpy(), data.astype(np.float32))


def test_slope_and_intercept_of_int16_are_applied(tmp_path, saved, patched):
    stored = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    path = patched(saved(tmp_path, stored, dtype=np.int16), 112, struct.pack("<ff", 0.5, -10.0))
    assert np.allclose(read_volume(path).data[0].numpy(), stored * 0.5 - 10, atol=1e-4)
    assert np.allclose(nib.load(path).get_fdata(), stored * 0.5 - 10)


def test_nifti_2_is_read(tmp_path, values):
    path = tmp_path / "image.nii.gz"
    nib.Nifti2Image(values().astype(np.float32), AFFINE).to_filename(path)
    volume = read_volume(path)
    assert np.array_equal(volume.data[0].numpy(), values().astype(np.float32))
    write_map(tmp_path / "map.nii.gz", volume.data[0], like=volume)
    assert torch.equal(read_volume(tmp_path / "map.nii.gz").data, volume.data)


def test_one_volume_in_four_dimensions_is_squeezed_and_noted(tmp_path, saved, values):
    path = saved(tmp_path, values()[..., None])
    volume = read_volume(path)
    assert volume.data.shape == (1, *SHAPE) and "(6, 7, 8, 1)" in volume.warnings[0]
    assert read_header(path).shape == SHAPE


def test_four_dimensions_are_refused_by_the_header_alone(tmp_path, saved, values):
    path = saved(tmp_path, values((6, 7, 8, 3)))
    assert "4D" in refused(path)
    with pytest.raises(InputError, match="4D"):
        read_header(path)


def test_two_dimensions_are_refused(tmp_path, saved, values):
    assert "3D" in refused(saved(tmp_path, values((6, 7))))


def test_nan_is_refused_with_count_and_first_index(tmp_path, saved, values):
    data = values()
    data[2, 3, 4] = np.nan
    data[5, 6, 7] = np.inf
    message = refused(saved(tmp_path, data))
    assert "2 voxels" in message and "(2, 3, 4)" in message


@pytest.mark.parametrize(("asked", "named"), [(False, True), (None, False)])
def test_a_refusal_of_nan_names_the_option_where_there_is_one(tmp_path, asked, named, saved, values):
    data = values()
    data[1, 2, 3] = np.nan
    with pytest.raises(InputError) as caught:
        read_volume(saved(tmp_path, data), nan_to_zero=asked)
    assert ("--nan-to-zero replaces them by 0" in str(caught.value)) == named


def test_nan_can_be_taken_as_zero_and_is_noted(tmp_path, saved, values):
    data = values()
    data[2, 3, 4] = np.nan
    volume = read_volume(saved(tmp_path, data), nan_to_zero=True)
    assert volume.data[0, 2, 3, 4] == 0 and "replaced by 0" in volume.warnings[-1]


def test_a_value_beyond_float32_is_refused(tmp_path, saved, values):
    data = values()
    data[0, 0, 1] = 1e300
    assert "(0, 0, 1)" in refused(saved(tmp_path, data, dtype=np.float64))


def test_a_constant_image_is_refused_unless_it_may_be(tmp_path, saved):
    path = saved(tmp_path, np.full(SHAPE, 7.0))
    assert "every voxel is 7" in refused(path)
    assert read_volume(path, constant_ok=True).data.unique().tolist() == [7.0]


@pytest.mark.parametrize("row", [[0, 0, 0, 1], [np.nan, 0, 0, 0], [0, 1.5, 0, 0]])
def test_a_useless_affine_is_refused(tmp_path, row, saved, patched):
    path = saved(tmp_path)
    assert "affine" in refused(patched(path, 280, struct.pack("<4f", *row)))
    with pytest.raises(InputError, match="affine"):
        read_header(path)


def test_an_affine_that_was_guessed_is_noted(tmp_path, saved, patched):
    path = saved(tmp_path)
    volume = read_volume(patched(path, 252, struct.pack("<hh", 0, 0)))
    assert any("a default was used" in warning for warning in volume.warnings)


def test_sform_and_qform_apart_are_noted(tmp_path, saved):
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    moved = AFFINE.copy()
    moved[0, 3] += 5
    header.set_sform(AFFINE, 2)
    header.set_qform(moved, 1)
    volume = read_volume(saved(tmp_path, affine=None, header=header))
    assert np.array_equal(volume.affine, AFFINE) and "5.0 mm" in volume.warnings[0]


def test_colours_and_complex_numbers_are_refused(tmp_path, saved):
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "one real number" in refused(saved(tmp_path, colours, dtype=colours.dtype))
    assert "one real number" in refused(saved(tmp_path, dtype=np.complex64))


@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
def test_a_file_cut_short_is_refused(tmp_path, name, saved):
    path = saved(tmp_path, name=name)
    whole = path.read_bytes()
    for kept in (0, 3, 100, 400, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        refused(path)


@pytest.mark.parametrize("seed", range(120))
def test_a_flipped_bit_is_caught_or_harmless(tmp_path, seed, saved):
    path = saved(tmp_path)
    right = read_volume(path).data
    raw = bytearray(path.read_bytes())
    bit = np.random.default_rng(seed).integers(len(raw) * 8)
    raw[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(bytes(raw))
    try:
        assert torch.equal(read_volume(path).data, right)
    except InputError as error:
        assert str(path) in str(error)


def test_a_wrong_checksum_alone_is_caught(tmp_path, saved):
    path = saved(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1
    path.write_bytes(bytes(raw))
    assert "damaged" in refused(path)


def test_several_gzip_streams_and_zeros_after_them_are_read_as_one(tmp_path, saved):
    path = saved(tmp_path)
    whole = gzip.decompress(path.read_bytes())
    right = read_volume(path).data
    path.write_bytes(b"".join(gzip.compress(part) for part in (whole[:5], whole[5:700], whole[700:])) + bytes(3))
    assert torch.equal(read_volume(path).data, right)
    path.write_bytes(gzip.compress(whole) + b"more")
    assert "damaged" in refused(path)
    path.write_bytes(gzip.compress(whole) + gzip.compress(b"more")[:-1])
    assert "damaged or truncated" in refused(path)


def test_a_file_larger_than_what_is_read_at_once_is_read_whole(tmp_path, saved, values):
    for data in (values((90, 80, 70)), np.zeros((90, 80, 70)) + (np.arange(70) > 34)):
        path = saved(tmp_path, data)
        assert np.array_equal(read_volume(path).data[0].numpy(), data.astype(np.float32))
        plain = tmp_path / "image.nii"
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        assert np.array_equal(read_volume(plain).data[0].numpy(), data.astype(np.float32))


@pytest.mark.parametrize("magic", [b"n+1\0", b"ni1\0"])
@pytest.mark.parametrize("begin", [np.nan, np.inf, 1e30, -16, 0])
def test_voxels_that_begin_where_none_can_be_are_refused(tmp_path, begin, magic, saved, patched):
    path = patched(patched(saved(tmp_path), 108, struct.pack("<f", begin)), 344, magic)
    assert "places the voxels at byte" in refused(path) or "vox offset" in refused(path)


def test_a_header_that_claims_too_much_is_refused_unread(tmp_path, saved, patched):
    path = patched(saved(tmp_path), 42, struct.pack("<3h", 30000, 30000, 30000))
    assert "27000000000000 voxels" in refused(path)
    assert "at most 100" in refused(saved(tmp_path), max_voxels=100)


def test_a_gzip_bomb_is_refused(tmp_path, saved):
    path = tmp_path / "bomb.nii.gz"
    small = gzip.decompress(saved(tmp_path).read_bytes())
    path.write_bytes(gzip.compress(small + bytes(40 * 2**20)))
    assert "after its last voxel" in refused(path)


@pytest.mark.parametrize("field", [(0, b"\0\0\0\0"), (40, struct.pack("<2h", 3, -6)), (70, struct.pack("<h", 9999))])
def test_a_broken_header_is_refused(tmp_path, field, saved, patched):
    refused(patched(saved(tmp_path), *field))


def test_what_is_no_nifti_file_is_refused(tmp_path):
    page, text = tmp_path / "page.nii.gz", tmp_path / "page.nii"
    page.write_bytes(gzip.compress(b"<!DOCTYPE html>" * 100))
    text.write_bytes(b"<!DOCTYPE html>" * 100)
    assert "not a NIfTI file" in refused(page) and "not a NIfTI file" in refused(text)
    text.rename(tmp_path / "plain.nii.gz")
    assert "gzip" in refused(tmp_path / "plain.nii.gz")


def test_a_compressed_file_named_as_uncompressed_is_refused_with_a_hint(tmp_path, saved):
    path = saved(tmp_path)
    path.rename(tmp_path / "image.nii")
    assert ".nii.gz" in refused(tmp_path / "image.nii")


def test_only_regular_files_are_read(tmp_path, saved):
    pipe, link, folder = tmp_path / "pipe.nii", tmp_path / "link.nii.gz", tmp_path / "folder.nii"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "nowhere.nii.gz")
    folder.mkdir()
    assert "pipe" in refused(pipe)
    assert "broken link" in refused(link)
    assert "folder" in refused(folder)
    assert "no such file" in refused(tmp_path / "missing.nii")
    assert "only NIfTI" in refused(saved(tmp_path).rename(tmp_path / "image.mgz"))


def test_the_header_alone_tells_shape_affine_and_voxel_edges(tmp_path, saved):
    header = read_header(saved(tmp_path))
    assert header.shape == SHAPE and np.array_equal(header.affine, AFFINE)
    assert header.zooms == pytest.approx((2.0, 1.5, 3.0))
