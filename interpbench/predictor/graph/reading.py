"""A predictor as a graph of torch's elementary operations, by `torch.export`; each one is read once a run."""

from __future__ import annotations

import gc
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, fx, nn

from interpbench.contract.interfaces import Predictor
from interpbench.predictor.graph.fusing import fused
from interpbench.predictor.graph.layers import with_layers
from interpbench.predictor.graph.normal_form import UnreadableNetwork, normal_form
from interpbench.predictor.graph.state import state_of

_KNOWN_ERRORS = ("builtins", "torch", "numpy", "sympy")  # whose classes code that meets a tracer raises


@dataclass(eq=False)
class NetworkGraph:
    """A predictor's function, written down for volumes of some edges, on one device, in batches of any size.

    Its tensors are those of the predictor. Nobody may change a graph: whoever needs another one copies it.

    Args:
        network: operation by operation; 3D convolutions and batch norms with constant weights are modules
            (`Convolution`, `BatchNorm`). Nothing in it writes in place.
    """

    network: fx.GraphModule

    @cached_property
    def fused(self) -> fx.GraphModule:
        """The same function with batch norms and ReLUs inside the convolutions before them."""
        return fused(self.network)


@dataclass(eq=False)
class _Read:
    """What was read last of a module: the graph, or why there is none."""

    predictor: Callable[[], Predictor | None]  # a weak reference
    state: tuple[Any, ...]
    found: NetworkGraph | str


_LAST: WeakKeyDictionary[nn.Module, _Read] = WeakKeyDictionary()


def read_network(predictor: Predictor, example: Tensor) -> NetworkGraph:
    """Return `predictor.predict` as a graph; a second call for the same network and edges takes no time.

    Args:
        example: volumes `(B, 1, I, J, K)`, for whose edges, type and device the graph is.

    Raises:
        UnreadableNetwork: torch cannot write it down, or only for one size of batch.
    """
    state, last = state_of(predictor.module, example), _LAST.get(predictor.module)
    if last is None or last.predictor() is not predictor or last.state != state:
        found: NetworkGraph | str
        try:
            found = NetworkGraph(read_function(predictor.predict, predictor.module, example))
        except UnreadableNetwork as error:
            found = str(error)
        last = _LAST[predictor.module] = _Read(ref(predictor), state, found)
    if isinstance(last.found, str):
        raise UnreadableNetwork(last.found)
    return last.found


def read_function(function: Callable[[Tensor], Any], module: nn.Module, example: Tensor) -> fx.GraphModule:
    """Return a function of volumes as a graph, whatever tensors it gives.

    Args:
        function: of volumes `(B, 1, I, J, K)`.
        module: the network whose weights it uses.
        example: as of `read_network`.

    Raises:
        UnreadableNetwork: as `read_network`.
    """
    pair = torch.cat([example[:1], example[:1]])  # of a single volume torch would take the size for a constant
    sizes = ({0: torch.export.Dim.DYNAMIC},)
    try:
        with torch.no_grad(), _quiet(), _uncollected():
            exported = torch.export.export(_Function(function, module), (pair,), dynamic_shapes=sizes, strict=False)
            return with_layers(normal_form(exported.module(check_guards=False)))
    except UnreadableNetwork:
        raise
    except Exception as error:  # ordinary code that meets a tracer may fail in any way
        if type(error).__module__.split(".")[0] not in _KNOWN_ERRORS:
            raise  # an error of a class of its own is what the predictor itself has to say
        raise UnreadableNetwork(str(error).strip().partition("\n")[0] or type(error).__name__) from error


class _Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any], module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._function = (function,)  # in a tuple: a module would be registered a second time
        self.training = False  # and the network as it is

    def forward(self, volumes: Tensor) -> Any:
        return self._function[0](volumes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch says of a network that it cannot trace: half of the network, page by page."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


@contextmanager
def _uncollected() -> Iterator[None]:
    """Stop garbage collection, which would go through a trace's millions of objects again and again."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
