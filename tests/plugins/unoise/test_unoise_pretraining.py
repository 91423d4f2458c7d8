"""The pretraining: a U-Net that learns to give back the volume, as any autoencoder would."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from interpbench import Sample
from interpbench_unoise import batches, pretraining
from interpbench_unoise.loop import Schedule
from interpbench_unoise.pretraining import pretrain
from interpbench_unoise.unet import UNet

PLAN = Schedule(epochs=3, batch_size=4, learning_rate=1e-2, kind="onecycle", milestones_every=10, patience=0, seed=0)


def weights_of(network: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()


def learned(network: UNet, people: list[Sample], plan: Schedule = PLAN, checkpoint: Path | None = None) -> list[dict]:
    return pretrain(network, people[:8], people[8:], plan, device=torch.device("cpu"), checkpoint=checkpoint)


def test_it_learns_to_give_back_held_out_volumes(small_net: Callable[..., UNet], people: list[Sample]) -> None:
    network = small_net()
    losses = [
        row["validation_loss"]
        for row in learned(network, people, dataclasses.replace(PLAN, epochs=40, learning_rate=0.05))
    ]
    everybody = torch.stack([one.volume for one in people[8:]])
    assert losses[-1] < 0.6 * losses[0]
    assert losses[-1] < 0.8 * float(everybody.square().mean())  # what an answer of 0 would cost
    assert not network.training


def test_its_validation_loss_is_the_voxel_wise_mean_squared_error(
    small_net: Callable[..., UNet], people: list[Sample]
) -> None:
    """Over all voxels of all held-out subjects, the last and smaller batch counted by its size."""
    network = small_net()
    rows = learned(network, people, dataclasses.replace(PLAN, batch_size=3))
    best = min(row["validation_loss"] for row in rows)
    volumes = torch.stack([one.volume for one in people[8:]])
    with torch.no_grad():
        expected = F.mse_loss(network(volumes).double(), volumes.double())
    assert best == pytest.approx(float(expected), rel=1e-4)


def test_without_held_out_subjects_it_is_judged_by_those_it_learns_from(
    small_net: Callable[..., UNet], people: list[Sample]
) -> None:
    first, second = small_net(), small_net()
    alone = pretrain(first, people[:8], [], PLAN, device=torch.device("cpu"))
    same = pretrain(second, people[:8], people[:8], PLAN, device=torch.device("cpu"))
    assert [row["validation_loss"] for row in alone] == [row["validation_loss"] for row in same]


def test_a_step_is_the_gradient_of_the_batch_s_mean_squared_error(
    small_net: Callable[..., UNet], people: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the batch is cut into parts that a CPU works on together."""
    seen: list[list[torch.Tensor]] = []
    step = torch.optim.Adam.step

    def watched(self: torch.optim.Adam, *given: object) -> object:
        seen.append([weights.grad.clone() for weights in self.param_groups[0]["params"]])
        return step(self, *given)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    network = small_net()
    first = copy.deepcopy(network)
    for most in (2**20, 2 * people[0].volume.numel(), 1):
        monkeypatch.setattr(batches, "VOXELS_AT_ONCE", most)
        learned(copy.deepcopy(network), people, dataclasses.replace(PLAN, epochs=1, batch_size=8))
    volumes = torch.stack([one.volume for one in people[:8]])
    expected = torch.autograd.grad(F.mse_loss(first(volumes), volumes), list(first.parameters()))
    assert len(seen) == 3
    for gradients in seen:
        for found, exact in zip(gradients, expected, strict=True):
            torch.testing.assert_close(found, exact, rtol=1e-3, atol=1e-5)


def test_targets_do_not_matter(small_net: Callable[..., UNet], people: list[Sample]) -> None:
    ageless = [dataclasses.replace(one, target=float("nan")) for one in people]
    first, second = small_net(), small_net()
    learned(first, people), learned(second, ageless)
    assert torch.equal(weights_of(first), weights_of(second))


def test_the_same_seed_learns_the_same_bytes_and_another_comes_in_another_order(
    small_net: Callable[..., UNet], people: list[Sample]
) -> None:
    networks = [small_net() for _ in range(3)]
    for network, seed in zip(networks, (0, 0, 1), strict=True):
        learned(network, people, dataclasses.replace(PLAN, seed=seed))
    first, again, other = (weights_of(network) for network in networks)
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("cut", [1, 2])
def test_cut_after_an_epoch_it_goes_on_to_the_same_bytes(
    small_net: Callable[..., UNet],
    people: list[Sample],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cut: int,
) -> None:
    whole, killed, resumed = (small_net() for _ in range(3))
    rows = learned(whole, people)
    measured = []

    def measure(*given: object, **ways: object) -> object:
        measured.append(1)
        if len(measured) > 2 * cut:  # of two training batches an epoch
            raise KeyboardInterrupt
        return F.mse_loss(*given, **ways)

    class Interrupted:
        mse_loss = staticmethod(lambda *given: measure(*given) if torch.is_grad_enabled() else F.mse_loss(*given))

    with monkeypatch.context() as patch:
        patch.setattr(pretraining, "F", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            learned(killed, people, checkpoint=tmp_path / "kept.pt")
    again = learned(resumed, people, checkpoint=tmp_path / "kept.pt")
    assert [row["validation_loss"] for row in again] == [row["validation_loss"] for row in rows]
    assert torch.equal(weights_of(resumed), weights_of(whole))


def test_the_mask_s_last_layer_forgets_what_it_learned_there(
    small_net: Callable[..., UNet], people: list[Sample]
) -> None:
    """Only that one: intensities would saturate a sigmoid, and the rest is what pretraining is for."""
    network = small_net()
    learned(network, people)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    network.restart_last(-1.5)
    changed = {name for name, values in network.state_dict().items() if not torch.equal(values, before[name])}
    assert changed == {"last.weight", "last.bias"}
    assert network.last.bias.tolist() == [-1.5]
