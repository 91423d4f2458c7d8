"""Fast forward passes on a CPU, with the same predictions.

On a CPU a network is read once as a graph (`graph/`): batch norms are folded into the convolutions before them, and
convolutions are asked of oneDNN in the layout that it is fast in. What cannot be read, or then answers otherwise, is
left as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from interpbench.contract.interfaces import Predictor
from interpbench.host.untouched import untouched
from interpbench.predictor.graph.normal_form import UnreadableNetwork
from interpbench.predictor.graph.onednn import for_forward_passes
from interpbench.predictor.graph.reading import read_network
from interpbench.predictor.passes import add_forward

log = logging.getLogger("interpbench")

TOLERANCE = 1e-4  # of the spread of predictions, between the graph and the network
ROUNDING = 16 * torch.finfo(torch.float32).eps  # of the predictions' size, which float32 itself may differ by
Forward = Callable[[Tensor], Tensor]


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
            graph = for_forward_passes(read_network(predictor, example).fused)
            agrees = _agree(plain, graph, example)
        except (UnreadableNetwork, RuntimeError) as error:
            log.debug("forward passes are not accelerated: %s", error)
            return plain
        if not agrees:
            log.debug("forward passes are not accelerated: the graph gives other predictions")
            return plain

    @torch.no_grad()
    def quick(volumes: Tensor) -> Tensor:
        add_forward(predictor.module, volumes.shape[0])  # hooks on the module do not see the graph
        answers: Tensor = graph(volumes)
        return answers

    return quick


@torch.no_grad()
def _agree(plain: Forward, graph: Forward, example: Tensor) -> bool:
    """Whether both make the same predictions for the example, for other volumes, and in batches of another size."""
    generator = torch.Generator().manual_seed(0)
    noise = example[:1] + torch.randn((2, *example.shape[1:]), generator=generator)
    tried = example[:1], torch.cat([noise, -example[:1]])
    first, second = ([forward(volumes) for volumes in tried] for forward in (plain, graph))
    if any(one.shape != two.shape for one, two in zip(first, second, strict=True)):
        return False
    expected, found = torch.cat(first), torch.cat(second)
    allowed = TOLERANCE * float(expected.max() - expected.min()) + ROUNDING * float(expected.abs().max())
    return bool(((expected - found).abs() <= allowed).all())  # of NaN and infinity not
