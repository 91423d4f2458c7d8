"""Nothing that torch lets one leave in a module goes unnoticed: every kind of hook, and another pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from interpbench.host.untouched import remembered, untouched

HOOKS: dict[str, Callable[[nn.Module], Any]] = {
    "forward": lambda part: part.register_forward_hook(lambda *_: None),
    "forward with keywords": lambda part: part.register_forward_hook(lambda *_: None, with_kwargs=True),
    "forward, always": lambda part: part.register_forward_hook(lambda *_: None, always_call=True),
    "before forward": lambda part: part.register_forward_pre_hook(lambda *_: None),
    "before forward with keywords": lambda part: part.register_forward_pre_hook(lambda *_: None, with_kwargs=True),
    "backward": lambda part: part.register_full_backward_hook(lambda *_: None),
    "before backward": lambda part: part.register_full_backward_pre_hook(lambda *_: None),
}


def network() -> nn.Sequential:
    return nn.Sequential(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), nn.ReLU()).eval()


def everything(module: nn.Module) -> list[dict[str, Any]]:
    """What every part of a network keeps, dictionaries with their content."""
    return [
        {name: dict(value) if isinstance(value, dict) else value for name, value in vars(part).items()}
        for part in module.modules()
    ]


@pytest.mark.parametrize("where", [(), (0,), (0, 1), (1,)], ids=["the network", "a block", "in a block", "a layer"])
@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_of_any_kind_in_any_part_is_told_and_gone(kind: str, where: tuple[int, ...]) -> None:
    module = network()
    part: Any = module
    for index in where:
        part = part[index]
    before = everything(module)
    with untouched(module) as changed:
        HOOKS[kind](part)
    assert changed == [True]
    assert everything(module) == before


@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_that_was_there_stays_and_is_no_change_and_its_removal_is_one(kind: str) -> None:
    module = network()
    handle = HOOKS[kind](module[1])
    before = everything(module)
    with untouched(module) as changed:
        module(torch.ones(1, 3))
    assert changed == []
    with untouched(module) as changed:
        handle.remove()
    assert changed == [True]
    assert everything(module) == before


@pytest.mark.parametrize("was", [True, False], ids=["over an own one", "over the class's"])
def test_another_pass_through_a_layer_is_told_and_gone(was: bool) -> None:
    module = network()
    if was:
        module[1].forward = lambda x: x - 1
    before = module(torch.ones(1, 3))
    with untouched(module) as changed:
        assert torch.equal(module(torch.ones(1, 3)), before)
    assert changed == []
    with untouched(module) as changed:
        module[1].forward = lambda x: x * 0 + 7
        assert (module(torch.ones(1, 3)) == 7).all()
    assert changed == [True]
    assert torch.equal(module(torch.ones(1, 3)), before)


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(lambda module: module.append(nn.Tanh()), id="a layer more"),
        pytest.param(lambda module: module.pop(1), id="a layer less"),
        pytest.param(lambda module: module[0].add_module("x", nn.Identity()), id="a layer in a block"),
        pytest.param(
            lambda module: module[0][0].register_parameter("x", nn.Parameter(torch.ones(1))), id="a weight more"
        ),
        pytest.param(lambda module: delattr(module[0][0], "bias"), id="a weight less"),
        pytest.param(lambda module: setattr(module[0][0].weight, "data", torch.ones(5, 5)), id="another shape"),
        pytest.param(lambda module: module.double(), id="another precision"),
        pytest.param(lambda module: torch.nn.utils.parametrizations.weight_norm(module[0][0]), id="a norm of weights"),
    ],
)
def test_another_structure_is_told_and_gone(deed: Callable[[Any], Any]) -> None:
    module = network().requires_grad_(False)
    expected, names = module(torch.ones(1, 3)), list(module.state_dict())
    restore = remembered(module)
    for _ in range(2):
        deed(module)
        assert restore() is True
        assert list(module.state_dict()) == names
        assert torch.equal(module(torch.ones(1, 3)), expected)
    assert restore() is False


def test_every_kind_of_hook_that_torch_has_for_a_pass_is_in_this_table() -> None:
    known = {name for name in vars(nn.Module()) if name.endswith("_hooks") and "state_dict" not in name}
    module = nn.Module()
    for register in HOOKS.values():
        register(module)
    assert {name for name in known if getattr(module, name)} == known
