"""Augmentation: off by default, and each change is what it says."""

from __future__ import annotations

import torch

from interpbench.training.augmentation import Augmentation, left_right_axis


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_by_default_nothing_happens() -> None:
    volumes = torch.randn(3, 1, 6, 7, 8)
    assert torch.equal(Augmentation()(volumes, seeded()), volumes)


def test_a_certain_flip_mirrors_the_left_right_axis_only() -> None:
    volumes = torch.randn(3, 1, 6, 7, 8)
    assert torch.equal(Augmentation(flip=1.0, left_right=1)(volumes, seeded()), volumes.flip(3))


def test_half_of_many_volumes_are_flipped() -> None:
    volumes = torch.arange(6.0).reshape(1, 1, 6, 1, 1).expand(400, 1, 6, 2, 2)
    flipped = Augmentation(flip=0.5)(volumes, seeded())[:, 0, 0, 0, 0] == 5
    assert 150 < int(flipped.sum()) < 250


def test_a_shift_moves_a_bright_voxel_by_at_most_its_size_and_in_every_direction() -> None:
    volumes = torch.zeros(300, 1, 9, 10, 11)
    volumes[:, 0, 4, 5, 6] = 1
    places = Augmentation(shift=2)(volumes, seeded()).nonzero()[:, 2:] - torch.tensor([4, 5, 6])
    assert len(places) == 300
    assert places.min(0).values.tolist() == [-2, -2, -2]
    assert places.max(0).values.tolist() == [2, 2, 2]


def test_noise_has_the_standard_deviation_asked_for() -> None:
    noisy = Augmentation(noise=0.3)(torch.zeros(20, 1, 12, 14, 10), seeded())
    assert abs(float(noisy.std()) - 0.3) < 0.01


def test_the_input_is_left_as_it_is() -> None:
    volumes = torch.randn(2, 1, 6, 7, 8)
    before = volumes.clone()
    Augmentation(flip=0.5, shift=1, noise=1.0)(volumes, seeded())
    assert torch.equal(volumes, before)


def test_the_left_right_axis_is_found_in_the_orientation() -> None:
    assert [left_right_axis(code) for code in ("RAS", "PSR", "ALS")] == [0, 2, 1]
