"""Calls of Captum: one subject at a time, in small batches, with the subject's seed.

A regressor's one number needs no `target`: `predictor.predict` is Captum's forward function as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from captum.attr import GradientAttribution
from torch import Tensor, nn

from interpbench import Predictor, track

Method = TypeVar("Method", bound=GradientAttribution)


class Forward(nn.Module):
    """`predict` as the forward pass of a module, for methods that look for layers: its layers are the predictor's."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.module = predictor.module
        self.predict = predictor.predict

    def forward(self, volumes: Tensor) -> Tensor:
        return self.predict(volumes)


def each(volumes: Tensor, attribute: Callable[[Tensor], Tensor]) -> Tensor:
    """The maps of some subjects, made one by one, because convolutions may round differently in a batch.

    Args:
        volumes: `(B, 1, I, J, K)`; Captum gets copies.
        attribute: a copy of one volume `(1, 1, I, J, K)`, which wants its gradient, to its map of the same shape.

    Returns:
        `(B, I, J, K)` float32.
    """
    maps = [attribute(volume[None].detach().clone().requires_grad_()) for volume in volumes]
    return torch.cat(maps)[:, 0].detach().float()


def in_batches(method: Method, batch_size: int, description: str) -> Method:
    """The same method of Captum with `batch_size` volumes in a pass.

    It takes the gradients apart and not the samples, so what is drawn does not depend on the batch size.

    Args:
        method: a gradient method; its `gradient_func` is replaced.
        description: of the progress bar.
    """
    whole = method.gradient_func

    def gradients(forward_fn: Any, inputs: tuple[Tensor], *_: object, **__: object) -> tuple[Tensor]:
        parts = inputs[0].detach().split(batch_size)
        passes = track(parts, description, unit="pass")
        passes.leave = False  # one bar after the other, for many subjects
        return (torch.cat([whole(forward_fn, (part.requires_grad_(),))[0] for part in passes]),)

    method.gradient_func = gradients
    return method


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed all random numbers of Captum inside, as `torch.manual_seed` and `numpy.random.seed` do.

    Afterwards the random states are what they were.
    """
    gpus = [device] if device.type == "cuda" else []
    numpy_state = np.random.get_state()
    try:
        with torch.random.fork_rng(gpus):
            # Not `torch.manual_seed`: it would seed every GPU, and only those named here are put back.
            torch.default_generator.manual_seed(seed)
            for gpu in gpus:
                torch.cuda.default_generators[gpu.index].manual_seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        np.random.set_state(numpy_state)
