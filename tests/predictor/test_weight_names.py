"""Weights as trainings keep them: the network's own are found whatever stands around them, and what is left is said."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from interpbench.errors import InputError
from interpbench.predictor.weight_names import strip_prefix
from interpbench.predictor.weights import load_weights, read_weights

State = dict[str, Tensor]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2))
        self.head = nn.Linear(2, 1)


def state(seed: int = 1) -> State:
    torch.manual_seed(seed)
    net = Net()
    net.features[1].running_mean.normal_()
    return dict(net.state_dict())


def put(prefix: str, of: State) -> State:
    return {prefix + name: tensor for name, tensor in of.items()}


def without(ending: str, of: State) -> State:
    return {name: tensor for name, tensor in of.items() if ending not in name}


def typed(kind: torch.dtype, of: State) -> State:
    return {name: tensor.to(kind) if tensor.is_floating_point() else tensor for name, tensor in of.items()}


OTHER = state(2)
# What a file holds, and a word of what is said of it.
HARMLESS: dict[str, tuple[Callable[[], Any], str]] = {
    "as it is": (state, ""),
    **{
        f"the prefix {prefix}": (lambda prefix=prefix: put(prefix, state()), f"prefix '{prefix}'")  # type: ignore[misc]
        for prefix in (
            "module.",
            "model.",
            "net.",
            "_orig_mod.",
            "model._orig_mod.",
            "module.model.",
            "model.net.",
            "net.model.module.",
            "brainage_model.",
            "encoder.backbone.",
        )
    },
    "a part that was compiled": (
        lambda: {name.replace("features.", "features._orig_mod."): tensor for name, tensor in state().items()},
        "_orig_mod",
    ),
    "a part on several devices": (
        lambda: {name.replace("features.", "features.module."): tensor for name, tensor in state().items()},
        "module",
    ),
    "a loss beside it": (lambda: {**put("model.", state()), "criterion.weight": torch.ones(1)}, "criterion.weight"),
    "metrics beside it": (
        lambda: {**put("model.", state()), "mae.total": torch.ones(1), "loss.weight": torch.ones(2)},
        "mae.total, loss.weight",
    ),
    "how often it was averaged": (lambda: {**put("module.", state()), "n_averaged": torch.tensor(3)}, "n_averaged"),
    "counters of a profiler": (
        lambda: {**state(), "total_ops": torch.ones(1), "head.total_params": torch.ones(1)},
        "profiler",
    ),
    "no counts of batches": (lambda: without("num_batches_tracked", state()), "num_batches_tracked"),
    "no counts under a prefix": (lambda: put("module.", without("num_batches_tracked", state())), "'module.'"),
    "an average beside it, by prefix": (lambda: {**put("model.", state()), **put("ema_model.", OTHER)}, "ema_model."),
    "an average beside it, at its own names": (lambda: {**state(), **put("ema.", OTHER)}, "ema."),
    **{
        f"among other things, as {name}": (lambda name=name: {"epoch": 3, name: state(), "lr": 0.1}, "")  # type: ignore[misc]
        for name in ("state_dict", "model", "network", "net_state", "params", "weights", "my_network", "module")
    },
    "two deep": (lambda: {"checkpoint": {"model": state()}}, "checkpoint.model"),
    "an optimiser beside it": (
        lambda: {
            "model": state(),
            "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}},
            "optimizer_states": [{}],
            "amp_scaler": {"scale": torch.ones(1)},
        },
        "",
    ),
    "an average beside it": (lambda: {"model": state(), "model_ema": OTHER}, "model_ema"),
    "timm's average beside it": (lambda: {"state_dict": state(), "state_dict_ema": OTHER}, "state_dict_ema"),
    "an average first": (lambda: {"ema": OTHER, "weights": state()}, "'ema'"),
    "an average alone": (lambda: {"ema": state(), "epoch": 3}, "averaged weights under 'ema'"),
    "another known one first": (lambda: {"discriminator": OTHER, "model": state()}, "'discriminator'"),
    "numbers among the tensors": (lambda: {**state(), "epoch": 3, "best": 0.5}, "epoch, best"),
    "as parameters": (
        lambda: {
            name: nn.Parameter(tensor) if tensor.is_floating_point() else tensor for name, tensor in state().items()
        },
        "",
    ),
    "double precision": (lambda: typed(torch.float64, state()), "float64 were converted"),
}


@pytest.mark.parametrize("form", HARMLESS)
def test_the_same_weights_in_the_form(form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make, said = HARMLESS[form]
    path, net = tmp_path / "weights.pt", Net()
    torch.save(make(), path)
    with caplog.at_level("INFO", "interpbench"):
        load_weights(net, strip_prefix(read_weights(path), net, path), path)
    wanted = state()
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name
    assert said in caplog.text


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_less_precision_are_converted_and_that_is_said(
    kind: torch.dtype, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net, path = Net(), tmp_path / "weights.pt"
    torch.save(typed(kind, state()), path)
    load_weights(net, read_weights(path), path)
    assert torch.equal(net.head.weight, state()["head.weight"].to(kind).float())
    assert str(kind).removeprefix("torch.") in caplog.text


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "one name too many": (lambda: {**state(), "extra.weight": torch.ones(3)}, "extra.weight not in the network"),
    "one too many under the prefix": (
        lambda: {**put("model.", state()), "model.extra": torch.ones(3)},
        "extra not in the network",
    ),
    "no statistics": (lambda: without("running", state()), "running_mean, features.1.running_var missing"),
    "no statistics, so said": (lambda: without("running", state()), "its batch norm has no running statistics: "),
    "parameters alone": (lambda: dict(Net().named_parameters()), "Save network.state_dict(), not only its parameters"),
    "two networks by prefix": (
        lambda: {**put("encoder_q.", state()), **put("encoder_k.", OTHER)},
        "several times, under 'encoder_q.', 'encoder_k.'",
    ),
    "two networks": (lambda: {"first": state(), "second": OTHER}, "several sets of weights: first, second"),
    "two averages": (lambda: {"ema": state(), "swa": OTHER}, "several sets of weights: ema, swa"),
    "a text among the tensors": (lambda: {**state(), "name": "mine"}, "'name' is str, not a tensor"),
    "numbers alone": (lambda: {"epoch": 3, "best": 0.5}, "no tensors"),
    "names that are numbers": (lambda: dict(enumerate(state().values())), "int, not text"),
    "a list": (lambda: list(state().values()), "holds list"),
    "one tensor": (lambda: torch.ones(3), "holds Tensor"),
    "nothing": (dict, "holds dict"),
    "whole numbers for weights": (
        lambda: {**state(), "head.weight": torch.ones(1, 2, dtype=torch.int8)},
        "head.weight is int8 in the file and float32 in the network",
    ),
    "complex weights": (lambda: {**state(), "head.weight": torch.ones(1, 2, dtype=torch.complex64)}, "is complex64"),
    "a sparse weight": (lambda: {**state(), "head.weight": torch.ones(1, 2).to_sparse()}, "is sparse float32"),
    "weights without numbers": (lambda: {**state(), "head.weight": torch.ones(1, 2, device="meta")}, "without numbers"),
    "numbers too large for the network's type": (
        lambda: {**state(), "head.weight": torch.full((1, 2), 1e300, dtype=torch.float64)},
        "2 of 2 weights",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_could_mean_another_network_is_refused(form: str, tmp_path: Path) -> None:
    make, said = REFUSED[form]
    path, net = tmp_path / "weights.pt", Net()
    torch.save(make(), path)
    with pytest.raises(InputError) as caught:
        load_weights(net, strip_prefix(read_weights(path), net, path), path)
    assert str(path) in str(caught.value) and said in str(caught.value) and "\n" not in str(caught.value)


def test_a_network_that_has_such_a_part_itself_keeps_it() -> None:
    wrapped = nn.ModuleDict({"module": nn.ModuleDict({"_orig_mod": Net()})})
    own = dict(wrapped.state_dict())
    assert strip_prefix(own, wrapped).keys() == own.keys()


def test_a_weight_under_two_names_may_be_in_the_file_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            self.second.weight = self.first.weight

    net, weight = Tied(), torch.randn(2, 2)
    load_weights(net, {"second.weight": weight}, "file")
    assert torch.equal(net.first.weight, weight)


def test_a_network_whose_sizes_are_not_decided_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions of torch warn of such layers
        net = nn.LazyLinear(1)
    with pytest.raises(InputError, match="a size that only its first input decides"):
        load_weights(net, {"weight": torch.ones(1, 2), "bias": torch.ones(1)}, "file")
