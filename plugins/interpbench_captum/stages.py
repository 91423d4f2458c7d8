"""Chooses the layer of a network for Grad-CAM: the named one, or the last convolutional stage.

A layer whose features reach the prediction as tokens is refused: see `tokens`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from interpbench import NotApplicable, Predictor, UsageError
from interpbench.errors import did_you_mean
from interpbench_captum.graph import nodes_between, seen
from interpbench_captum.tokens import tokens_among

Edges = tuple[int, int, int]


def choose_layer(predictor: Predictor, volumes: Tensor, name: str | None, method: str) -> str:
    """The name of the module whose output holds the feature maps, within `predictor.module`.

    Args:
        volumes: `(B, 1, I, J, K)`; the first goes through the network once, to see which layers have feature maps.
        name: the layer's, within `predictor.module`; None for `last_stage`.
        method: who asks, for messages.

    Raises:
        UsageError: no layer of that name has feature maps.
        NotApplicable: no layer was named, and there is no convolutional stage; or the layer's features do not reach the
            prediction as maps.
    """
    found = feature_maps(predictor, volumes[:1])
    if name is None:
        name = last_stage(predictor.module, found)
    if name is None:
        raise NotApplicable(
            f"{method} does not apply to this architecture: no 3D convolution gives feature maps of more than one voxel"
        )
    if name not in found:
        outer = ", ".join(layer for layer in found if "." not in layer) or ", ".join(found) or "none"
        raise UsageError(
            f"layer of {method} must have 3D feature maps, got {name!r}.{did_you_mean(name, found)} "
            f"Layers with such features: {outer}, and the layers inside them."
        )
    why = why_no_map(predictor, volumes[:1], name)
    if why is not None:
        raise NotApplicable(f"{method} does not apply to this architecture: {why}")
    return name


def why_no_map(predictor: Predictor, volume: Tensor, name: str) -> str | None:
    """The reason why a layer's features do not correspond to positions in the brain; None if they do.

    Args:
        volume: `(1, 1, I, J, K)`.
        name: the layer's, within `predictor.module`.
    """
    layer, made = predictor.module.get_submodule(name), list[Any]()

    def watch(part: nn.Module, output: Tensor) -> None:
        if part is layer:
            made[:] = [output.grad_fn]  # a layer that runs twice counts where it runs last

    prediction = seen(predictor, volume, watch)
    other = "Name another layer with -o layer=NAME"
    between = nodes_between(made[0], prediction.grad_fn) if made and made[0] is not None else []
    if not between:
        return f"there is no gradient from the prediction to the features of layer {name!r}. {other}"
    if (tokens := tokens_among(between)) is not None:
        return (
            f"the features of layer {name!r} reach the prediction through {tokens}, which mixes"
            " positions in the brain, so"
            f" they are not maps of the brain. {other}"
        )
    return None


@torch.no_grad()
def feature_maps(predictor: Predictor, volume: Tensor) -> dict[str, Edges]:
    """The shape of every layer's feature maps, in the order in which the layers end their (last) pass.

    Args:
        volume: `(1, 1, I, J, K)`.
    """
    found: dict[str, Edges] = {}

    def note(name: str, output: object) -> None:
        found.pop(name, None)  # a layer that runs twice counts where it runs last, as in Captum
        if isinstance(output, Tensor) and output.dim() == 5:
            found[name] = (output.shape[2], output.shape[3], output.shape[4])

    handles = [
        layer.register_forward_hook(lambda _, __, output, name=name: note(name, output))
        for name, layer in predictor.module.named_modules()
        if name
    ]
    try:
        predictor.predict(volume)
    finally:
        for handle in handles:
            handle.remove()
    return found


def last_stage(module: nn.Module, found: dict[str, Edges]) -> str | None:
    """The last layer with the edges of the last convolution's feature maps of more than one voxel.

    For a ResNet that is its fourth stage, behind sum and rectifier and before the pooling.
    """
    convolutions = [
        edges
        for name, edges in found.items()
        if isinstance(module.get_submodule(name), nn.Conv3d) and edges != (1, 1, 1)
    ]
    if not convolutions:
        return None
    return [name for name, edges in found.items() if edges == convolutions[-1]][-1]
