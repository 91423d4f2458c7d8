"""The U-Net at every size: what it gives back, how wide it is, and that it stays finite and differentiable."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from interpbench_unoise.training import mask_logits
from interpbench_unoise.unet import LEAK, Block, UNet


def made(channels: int, blocks: int, seed: int = 0) -> UNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(channels, blocks)


def volumes_of(number: int, *shape: int) -> torch.Tensor:
    return torch.randn(number, 1, *shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_edge_from_1_to_20_comes_back_as_it_was(axis: int) -> None:
    network = made(1, 3)
    for edge in range(1, 21):
        shape = [3, 3, 3]
        shape[axis] = edge
        with torch.no_grad():
            found = network(volumes_of(1, *shape))
        assert found.shape == (1, 1, *shape) and bool(found.isfinite().all())


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (2, 1, 1), (1, 5, 1), (7, 6, 5)])
@pytest.mark.parametrize(("channels", "blocks"), [(1, 1), (3, 2), (2, 7)])
def test_outputs_and_gradients_are_finite_however_few_voxels_there_are(
    shape: tuple[int, int, int], channels: int, blocks: int
) -> None:
    network, volumes = made(channels, blocks), volumes_of(2, *shape).requires_grad_(True)
    found = network(volumes)
    found.square().sum().backward()
    assert found.shape == volumes.shape
    assert all(bool(weights.grad.isfinite().all()) for weights in network.parameters())
    assert volumes.grad is not None and bool(volumes.grad.isfinite().all())


@pytest.mark.parametrize(("channels", "blocks"), list(itertools.product((1, 4, 16), (1, 2, 3))))
def test_widths_double_downwards_and_the_number_of_weights_is_what_that_makes(channels: int, blocks: int) -> None:
    def block(narrow: int, wide: int) -> int:
        return 27 * wide * (narrow + wide) + 4 * wide  # two convolutions without, two normalisations with, a bias

    widths = [channels * 2**level for level in range(blocks + 1)]
    expected = block(1, channels) + channels + 1
    for narrow, wide in itertools.pairwise(widths):
        expected += block(narrow, wide) + (8 * narrow * wide + narrow) + block(2 * narrow, narrow)
    assert sum(weights.numel() for weights in made(channels, blocks).parameters()) == expected


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (3, 1), (4, 4), (6, 2), (8, 8), (20, 4), (64, 8)])
def test_channels_are_normalised_in_at_most_8_groups_that_divide_them(channels: int, groups: int) -> None:
    block = Block(1, channels, stride=1)
    for norm in (block.norm1, block.norm2):
        assert (norm.num_groups, norm.num_channels) == (groups, channels)


def test_a_block_gives_channels_of_mean_0_and_sd_1_before_its_activation() -> None:
    block = Block(1, 8, stride=1)
    with torch.no_grad():
        active = block(volumes_of(2, 9, 8, 7))
    inner = torch.where(active < 0, active / LEAK, active).double()
    assert float(inner.mean(dim=(2, 3, 4)).abs().max()) < 1e-4
    torch.testing.assert_close(inner.var(dim=(2, 3, 4), unbiased=False), torch.ones(2, 8).double(), rtol=1e-2, atol=0)


@pytest.mark.parametrize("scale", [0.5, 100.0])
def test_the_unit_of_the_volume_hardly_matters_behind_the_first_normalisation(scale: float) -> None:
    network, volumes = made(4, 2), volumes_of(1, 8, 9, 7)
    with torch.no_grad():
        torch.testing.assert_close(network(scale * volumes), network(volumes), rtol=0.05, atol=0.02)


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 0, 2)])
def test_subjects_in_another_order_give_the_same_in_that_order(order: tuple[int, ...]) -> None:
    network, volumes = made(2, 2), volumes_of(3, 5, 6, 7)
    places = torch.tensor(order)
    with torch.no_grad():
        torch.testing.assert_close(network(volumes[places]), network(volumes)[places], rtol=1e-4, atol=1e-5)


def test_far_voxels_reach_each_other_through_the_coarse_levels() -> None:
    """Without them only the normalisation tells one end of the other."""
    reach = {}
    for blocks in (1, 4):
        network, volumes = made(2, blocks), volumes_of(1, 40, 4, 4).requires_grad_(True)
        (steep,) = torch.autograd.grad(network(volumes)[0, 0, 0, 0, 0], volumes)
        along = steep.abs().amax(dim=(0, 1, 3, 4))
        reach[blocks] = float(along[24:].max() / along.max())
    assert reach[4] > 4 * reach[1]


@pytest.mark.parametrize("value", [-3.0, 0.0, 2.0])
@pytest.mark.parametrize("channels", [4, 16])
def test_the_last_layer_starts_near_a_value_and_differs_little_from_voxel_to_voxel(value: float, channels: int) -> None:
    network = made(channels, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network.restart_last(value)
    with torch.no_grad():
        found = network(volumes_of(4, 8, 9, 7))
    assert float(found.mean()) == pytest.approx(value, abs=0.2) and 0 < float(found.std()) < 0.2
    assert float(network.last.weight.detach().std()) < 0.3 / math.sqrt(channels)


@pytest.mark.parametrize("shape", [(8, 9, 7), (3, 2, 5)])
def test_bfloat16_gives_float32_logits_near_those_of_float32(shape: tuple[int, int, int]) -> None:
    network, volumes = made(4, 2), volumes_of(2, *shape)
    with torch.no_grad():
        exact, rough = (mask_logits(network, volumes, precision) for precision in ("float32", "bfloat16"))
    assert exact.dtype == rough.dtype == torch.float32
    assert float((exact - rough).norm() / exact.norm()) < 0.05


def test_the_weights_of_one_seed_are_the_same_and_of_two_differ() -> None:
    first, again, other = made(2, 2), made(2, 2), made(2, 2, seed=1)
    assert torch.equal(first.last.weight, again.last.weight)
    assert not torch.equal(first.last.weight, other.last.weight)
