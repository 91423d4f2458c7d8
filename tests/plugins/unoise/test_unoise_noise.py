"""A mask becomes noise: its range, its two forms, and where its random numbers come from."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from interpbench_unoise.noise import NOISE_FORMS, Noise, generator_on, standard_normal

RANGES = [(0.0, 1.0), (0.5, 2.0), (1.0, 5.0)]


@pytest.mark.parametrize(("form", "ends"), list(itertools.product(NOISE_FORMS, RANGES)))
def test_a_mask_of_0_and_of_1_gives_the_least_and_the_most_noise(form: str, ends: tuple[float, float]) -> None:
    low, high = ends
    noise = Noise(low, high, form)
    found = noise.sigma(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    assert found == pytest.approx([low, high] if form == "scaled" else [0.0, high - low])
    assert noise.shift == (low if form == "equation1" else 0.0)
    assert noise.span == high - low


@pytest.mark.parametrize("form", NOISE_FORMS)
def test_noise_grows_in_a_straight_line_with_the_mask(form: str) -> None:
    noise, mask = Noise(0.5, 2.0, form), torch.linspace(0, 1, 11, dtype=torch.float64)
    steps = noise.sigma(mask).diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 0.1 * noise.span))


def test_without_a_least_noise_the_two_forms_are_one() -> None:
    mask = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    scaled, printed = (Noise(0.0, 1.5, form) for form in NOISE_FORMS)
    assert torch.equal(scaled.sigma(mask), printed.sigma(mask)) and scaled.shift == printed.shift == 0.0


def test_the_least_noise_is_an_sd_in_one_form_and_a_mean_in_the_other() -> None:
    """Moments of the noisy volume at B = 0.25, each within five of its standard errors."""
    number, mask = 200_000, torch.tensor(0.25)
    epsilon = standard_normal(torch.empty(number), torch.Generator().manual_seed(0)).double()
    for form, mean, sd in (("scaled", 0.0, 1.0 + 0.25 * 4), ("equation1", 1.0, 0.25 * 4)):
        noise = Noise(1.0, 5.0, form)
        added = noise.shift + float(noise.sigma(mask)) * epsilon
        assert float(added.mean()) == pytest.approx(mean, abs=5 * sd / math.sqrt(number))
        assert float(added.std()) == pytest.approx(sd, abs=5 * sd / math.sqrt(2 * number))


def test_the_random_numbers_have_the_moments_of_a_standard_normal_distribution() -> None:
    number = 200_000
    drawn = standard_normal(torch.empty(number), torch.Generator().manual_seed(4)).double()
    # the mean of the k-th power, and its standard error, (E z^2k - (E z^k)^2) / n under the root
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        found = float(drawn.pow(power).mean())
        assert found == pytest.approx(expected, abs=5 * math.sqrt(variance / number))


def test_neighbouring_voxels_and_subjects_draw_independently() -> None:
    drawn = standard_normal(torch.empty(200, 1, 10, 10, 10), torch.Generator().manual_seed(2)).double()[:, 0]
    for axis in range(4):
        edge = drawn.shape[axis]
        first, second = drawn.narrow(axis, 0, edge - 1), drawn.narrow(axis, 1, edge - 1)
        assert abs(float((first * second).mean())) < 5 / math.sqrt(first.numel())


def test_one_seed_draws_the_same_again_and_another_does_not(cpu: torch.device) -> None:
    like = torch.empty(2, 1, 3, 4, 5)
    first, again, other = (standard_normal(like, generator_on(cpu, seed)) for seed in (7, 7, 8))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == like.shape and first.dtype == torch.float32


def test_a_generator_goes_on_where_it_stood(cpu: torch.device) -> None:
    like = torch.empty(5)
    generator = generator_on(cpu, 0)
    first, second = standard_normal(like, generator), standard_normal(like, generator)
    assert not torch.equal(first, second)


def test_drawing_leaves_the_global_random_state_alone(cpu: torch.device) -> None:
    before = torch.get_rng_state()
    standard_normal(torch.empty(9), generator_on(cpu, 3))
    assert torch.equal(before, torch.get_rng_state())


def test_the_amount_of_noise_follows_the_mask_s_gradient() -> None:
    mask = torch.rand(6, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    for form in NOISE_FORMS:
        (slope,) = torch.autograd.grad(Noise(1.0, 5.0, form).sigma(mask).sum(), mask)
        assert slope.tolist() == [4.0] * 6
