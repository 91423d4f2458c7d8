"""Fast forward passes on a CPU, with the same predictions.

On a CPU a network is traced once and frozen: batch norms are folded into the convolutions before them, and pooling
keeps no indices for a backward pass that never comes. What cannot be traced, or then answers otherwise, is left as
it is.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from interpbench.contract.interfaces import Predictor
from interpbench.host.untouched import untouched
from interpbench.predictor.passes import add_forward

log = logging.getLogger("interpbench")

TOLERANCE = 1e-4  # of the spread of predictions, between the frozen network and its original
ROUNDING = 16 * torch.finfo(torch.float32).eps  # of the predictions' size, which float32 itself may differ by
Forward = Callable[[Tensor], Tensor]


class _Predicts(nn.Module):
    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.module = predictor.module
        self._predict = predictor.predict

    def forward(self, volumes: Tensor) -> Tensor:
        return self._predict(volumes)


def forward_only(predictor: Predictor, example: Tensor) -> Forward:
    """`predictor.predict` without gradients, faster if possible.

    Args:
        example: volumes `(B, 1, I, J, K)` of at least one subject, by which the faster network is checked.

    Returns:
        A function `(B, 1, I, J, K) -> (B,)`, for volumes of the example's edges and device.
    """

    @torch.no_grad()
    def plain(volumes: Tensor) -> Tensor:
        return predictor.predict(volumes)

    if example.device.type != "cpu":
        return plain
    with untouched(predictor.module, example):
        try:
            frozen = _frozen(predictor, example)
        except Exception as error:  # ordinary code that meets a tracer may fail in any way
            if type(error).__module__.split(".")[0] not in ("builtins", "torch"):
                raise  # an error of a class of its own is what the predictor itself has to say
            log.debug("forward passes are not accelerated: %s", error)
            return plain
        if not _agree(plain, frozen, example):
            log.debug("forward passes are not accelerated: the frozen network gives other predictions")
            return plain

    @torch.no_grad()
    def quick(volumes: Tensor) -> Tensor:
        add_forward(predictor.module, volumes.shape[0])  # hooks on the module do not see the frozen network
        return frozen(volumes)

    return quick


@torch.no_grad()
def _frozen(predictor: Predictor, example: Tensor) -> Forward:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: what it might get wrong is checked after
        traced = torch.jit.trace(_Predicts(predictor).eval(), torch.cat([example[:1], example[:1]]), check_trace=False)
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced.eval()))
        frozen(example[:1])
    return cast(Forward, frozen)


@torch.no_grad()
def _agree(plain: Forward, frozen: Forward, example: Tensor) -> bool:
    """Whether both make the same predictions for the example, for other volumes, and in batches of another size."""
    generator = torch.Generator().manual_seed(0)
    noise = example[:1] + torch.randn((2, *example.shape[1:]), generator=generator)
    tried = example[:1], torch.cat([noise, -example[:1]])
    first, second = ([forward(volumes) for volumes in tried] for forward in (plain, frozen))
    if any(one.shape != two.shape for one, two in zip(first, second, strict=True)):
        return False
    expected, found = torch.cat(first), torch.cat(second)
    allowed = TOLERANCE * float(expected.max() - expected.min()) + ROUNDING * float(expected.abs().max())
    return bool(((expected - found).abs() <= allowed).all())  # of NaN and infinity not
