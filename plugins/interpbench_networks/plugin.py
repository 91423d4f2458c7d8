"""What this plugin offers."""

from __future__ import annotations

from interpbench import Component, hookimpl


@hookimpl
def interpbench_predictors() -> list[Component]:
    """The predictors that this plugin offers."""
    return [
        Component("resnet18", "interpbench_networks.resnet18:ResNet18", "3D ResNet-18, for `interpbench train`"),
        Component(
            "torch", "interpbench_networks.torch_module:TorchModule", "Your own network, for `interpbench adopt`"
        ),
    ]
