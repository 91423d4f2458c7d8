"""A network whose weights are shuffled, from the output back to some layer (Adebayo et al. 2018, cascading).

Each weight tensor keeps its values and loses their places, so the network's activations stay of their size and what
it learned is gone.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from interpbench import NotApplicable, Predictor

LEVELS = ("last", "half", "all")  # the last layer, the last half of the layers, all of them
Layer = list[tuple[str, nn.Module]]  # one with weights, and the norms after it; with their names


@torch.no_grad()
def randomised(predictor: Predictor, level: str, seed: int) -> Predictor:
    """A copy whose last layers have their weights shuffled; the predictor itself stays as it is.

    A tensor's shuffle depends on its name and the seed alone. So two levels agree where they overlap, and one seed
    gives one fingerprint, whoever asks. What a norm has for each channel, its running mean and variance too, moves
    together: a channel that hardly ever varied would otherwise be blown up.

    Args:
        level: `last`, `half` (of the layers, rounded up) or `all`.

    Raises:
        NotApplicable: the predictor cannot be copied, or has no weights.
    """
    try:
        other = copy.deepcopy(predictor)
    except Exception as error:  # a user's network may hold anything
        raise NotApplicable(f"the predictor cannot be copied, so its weights cannot be shuffled: {error}") from error
    layers = layers_of(other)
    if not layers:
        raise NotApplicable("the predictor has no weights that could be shuffled")
    number = {"last": 1, "half": math.ceil(len(layers) / 2), "all": len(layers)}[level]
    done: set[int] = set()
    for layer in layers[-number:]:
        for name, module in layer:
            _shuffle(name, module, seed, done)
    return other


def layers_of(predictor: Predictor) -> list[Layer]:
    """The layers that have weights, in the order in which a volume goes through them.

    A layer is a module with a weight tensor of at least two dimensions. Modules with vectors only, such as norms,
    belong to the layer before them. One that is never called itself stands after the one named before it.
    """
    named = [(name, module) for name, module in predictor.module.named_modules() if _own_weights(module)]
    called = _order_of_calls(predictor, [module for _, module in named])
    places, place = [], -1
    for index, (_, module) in enumerate(named):
        place = called.get(module, place)
        places.append((place, index))
    layers: list[Layer] = []
    for _, index in sorted(places):
        name, module = named[index]
        if not layers or any(weights.dim() > 1 for weights in _own_weights(module).values()):
            layers.append([])
        layers[-1].append((name, module))
    return layers


def _order_of_calls(predictor: Predictor, modules: list[nn.Module]) -> dict[nn.Module, int]:
    """When each module was called last, as one empty volume goes through."""
    calls: list[nn.Module] = []

    def note(module: nn.Module) -> Callable[..., None]:
        return lambda *_: calls.append(module)

    handles = [module.register_forward_pre_hook(note(module)) for module in modules]
    device = next(iter(predictor.module.parameters()), torch.empty(0)).device
    try:
        predictor.predict(torch.zeros((1, 1, *predictor.recipe.shape), device=device))
    finally:
        for handle in handles:
            handle.remove()
    return {module: place for place, module in enumerate(calls)}


def _own_weights(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters(recurse=False))


def _shuffle(name: str, module: nn.Module, seed: int, done: set[int]) -> None:
    own = _own_weights(module)
    statistics = [
        tensor
        for tensor in (getattr(module, "running_mean", None), getattr(module, "running_var", None))
        if isinstance(tensor, Tensor)
    ]
    if statistics:
        order = _order(f"{name}", statistics[0].numel(), seed).to(statistics[0].device)
        for tensor in (*own.values(), *statistics):
            tensor.copy_(tensor[order])
        return
    for key, weights in own.items():
        if id(weights) in done:  # shared with a layer that had its turn
            continue
        done.add(id(weights))
        order = _order(f"{name}.{key}", weights.numel(), seed).to(weights.device)
        weights.copy_(weights.reshape(-1)[order].reshape(weights.shape))


def _order(name: str, number: int, seed: int) -> Tensor:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))
    return torch.randperm(number, generator=generator)
