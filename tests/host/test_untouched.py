"""`untouched`: whatever is done to network, input and random state inside is undone outside."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from interpbench.host.untouched import remembered, untouched


def network() -> nn.Sequential:
    layers = nn.Sequential(
        nn.Conv3d(1, 2, 3, padding=1), nn.BatchNorm3d(2), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(120, 1)
    )
    return layers.eval().requires_grad_(False)


@pytest.fixture
def module() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network()


@pytest.fixture
def volumes() -> Tensor:
    return torch.randn(2, 1, 3, 4, 5, generator=torch.Generator().manual_seed(1))


def test_training_flags_come_back(module: nn.Sequential, volumes: Tensor) -> None:
    module[1].train()
    with untouched(module, volumes):
        module.train()
        module[1].eval()
    assert [part.training for part in module.modules()] == [False, False, True, False, False, False, False]


def test_running_statistics_and_weights_come_back(module: nn.Sequential, volumes: Tensor) -> None:
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with untouched(module, volumes):
        module.train()
        module(volumes)
        module[5].weight.data.mul_(3)
        module[0].weight.data = torch.zeros(1)
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_gradients_and_their_flags_come_back(module: nn.Sequential, volumes: Tensor) -> None:
    kept = module[5].weight
    kept.grad = torch.full_like(kept, 7.0)
    gradient = kept.grad
    with untouched(module, volumes):
        module.requires_grad_(True)
        volumes.requires_grad_(True)
        module(volumes).sum().backward()
    assert kept.grad is gradient and bool((gradient == 7.0).all())
    assert volumes.grad is None and not volumes.requires_grad
    assert module[0].weight.grad is None and not any(value.requires_grad for value in module.parameters())


def test_new_hooks_of_modules_and_tensors_are_gone(module: nn.Sequential, volumes: Tensor) -> None:
    calls: list[str] = []
    with untouched(module, volumes):
        module[0].register_forward_hook(lambda *_: calls.append("forward"))
        module[0].register_forward_pre_hook(lambda *_: calls.append("before"))
        module[2].register_full_backward_hook(lambda *_: calls.append("backward"))
        module.requires_grad_(True)
        module[5].weight.register_hook(lambda gradient: calls.append("tensor"))
        module[5].weight.register_post_accumulate_grad_hook(lambda tensor: calls.append("accumulated"))
    module.requires_grad_(True)
    module(volumes).sum().backward()
    assert calls == []


def test_hooks_that_were_there_stay_and_their_handles_still_work(module: nn.Sequential, volumes: Tensor) -> None:
    calls: list[int] = []
    handle = module[0].register_forward_hook(lambda *_: calls.append(1))
    with untouched(module, volumes):
        module[0]._forward_hooks.clear()
    module(volumes)
    handle.remove()
    module(volumes)
    assert calls == [1]


def test_tensor_hooks_that_were_there_stay_and_their_handles_still_work(volumes: Tensor) -> None:
    calls: list[int] = []
    volumes.requires_grad_(True)
    handle = volumes.register_hook(lambda gradient: calls.append(1))
    with untouched(nn.Identity(), volumes):
        handle.remove()
    volumes.sum().backward()
    handle.remove()
    volumes.sum().backward()
    assert calls == [1]


def test_replaced_layers_and_methods_come_back(module: nn.Sequential, volumes: Tensor) -> None:
    before, layers = module(volumes), list(module)
    with untouched(module, volumes):
        module[2] = nn.Sigmoid()
        module[2].inplace = True
        module[5].forward = lambda features: features
        module.add_module("extra", nn.Identity())
    assert list(module) == layers
    assert torch.equal(module(volumes), before)


def test_volumes_come_back(module: nn.Sequential, volumes: Tensor) -> None:
    before, masks = volumes.clone(), torch.ones(3, 4, 5)
    with untouched(module, volumes, masks):
        volumes.add_(1)
        volumes.data = volumes.data[:, :, :2]
        masks.zero_()
    assert torch.equal(volumes, before) and bool(masks.all())


def test_a_volume_that_was_computed_may_still_be_differentiated(module: nn.Sequential) -> None:
    leaf = torch.randn(2, 1, 3, 4, 5, requires_grad=True)
    volumes = leaf * 2
    with untouched(module, volumes):
        prediction = module(volumes).sum()
    prediction.backward()
    assert leaf.grad is not None and bool(leaf.grad.any())


def test_the_random_state_comes_back(module: nn.Sequential) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    expected = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random())
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    with untouched(module):
        torch.manual_seed(5)
        np.random.seed(5)
        random.seed(5)
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == expected


def test_the_gradient_mode_comes_back(module: nn.Sequential) -> None:
    with untouched(module):
        torch.set_grad_enabled(False)
    assert torch.is_grad_enabled()


def test_all_of_it_also_happens_after_an_exception(module: nn.Sequential, volumes: Tensor) -> None:
    before = volumes.clone()
    with pytest.raises(KeyError, match="inside"), untouched(module, volumes):
        module.train()
        volumes.zero_()
        raise KeyError("inside")
    assert not module.training and torch.equal(volumes, before)


def test_an_unchanged_volume_is_not_written_to(module: nn.Sequential, volumes: Tensor) -> None:
    version = volumes._version
    with untouched(module, volumes):
        module(volumes)
    assert volumes._version == version


def test_what_is_remembered_can_be_put_back_again_and_again(module: nn.Sequential, volumes: Tensor) -> None:
    weights, values = module[0].weight.clone(), volumes.clone()
    put_back = remembered(module, volumes)
    for factor in (2.0, 3.0):
        module.train()
        module[0].weight.data.mul_(factor)
        volumes.mul_(factor)
        module[2].register_forward_hook(print)
        put_back()
        assert torch.equal(module[0].weight, weights) and torch.equal(volumes, values)
        assert not module.training and not module[2]._forward_hooks


@pytest.mark.parametrize(
    ("deed", "counts"),
    [
        (lambda module, volumes: module.train(), False),
        (lambda module, volumes: module[1].running_mean.add_(1), False),
        (lambda module, volumes: torch.rand(3), False),
        (lambda module, volumes: module.requires_grad_(True), False),
        (lambda module, volumes: setattr(module[0], "seen", volumes), False),
        (lambda module, volumes: module[5].weight.data.add_(1), True),
        (lambda module, volumes: volumes.mul_(2), True),
        (lambda module, volumes: module[2].register_forward_hook(lambda *_: None), True),
        (lambda module, volumes: module.__setitem__(2, nn.Tanh()), True),
        (lambda module, volumes: setattr(module[5], "weight", nn.Parameter(torch.ones(1, 120))), True),
    ],
    ids=[
        "training flag",
        "a buffer",
        "random state",
        "gradient flags",
        "an attribute",
        "a weight's values",
        "a volume",
        "a hook",
        "a layer",
        "a weight",
    ],
)
def test_it_tells_whether_what_a_map_depends_on_was_left_changed(
    module: nn.Sequential, volumes: Tensor, deed: Callable[[nn.Sequential, Tensor], object], counts: bool
) -> None:
    for _ in range(2):  # and the second time it is as it was
        with untouched(module, volumes) as changed:
            deed(module, volumes)
        assert changed == [True] * counts
    with untouched(module, volumes) as changed:
        pass
    assert changed == []
