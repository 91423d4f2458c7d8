"""interpbench: which voxels does a 3D regression network look at, and how far can that answer be trusted?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from interpbench.contract.hookspecs import Component as Component
from interpbench.contract.hookspecs import hookimpl as hookimpl
from interpbench.version import __version__ as __version__

if TYPE_CHECKING:  # the same names for type checkers
    from interpbench.cohort.subjects import Cohort as Cohort
    from interpbench.cohort.subjects import Subject as Subject
    from interpbench.cohort.subjects import read_cohort as read_cohort
    from interpbench.contract.interfaces import Aggregator as Aggregator
    from interpbench.contract.interfaces import Explainer as Explainer
    from interpbench.contract.interfaces import Predictor as Predictor
    from interpbench.contract.interfaces import Sample as Sample
    from interpbench.contract.metric import Case as Case
    from interpbench.contract.metric import Measure as Measure
    from interpbench.contract.metric import Metric as Metric
    from interpbench.errors import InputError as InputError
    from interpbench.errors import InterpbenchError as InterpbenchError
    from interpbench.errors import NotApplicable as NotApplicable
    from interpbench.errors import UsageError as UsageError
    from interpbench.files.atomic import atomic_path as atomic_path
    from interpbench.images.atlas import read_atlas as read_atlas
    from interpbench.images.atlas import read_population_map as read_population_map
    from interpbench.images.foreground import brain_of as brain_of
    from interpbench.images.recipe import Recipe as Recipe
    from interpbench.images.volume import Volume as Volume
    from interpbench.images.volume import read_volume as read_volume
    from interpbench.images.volume import write_map as write_map
    from interpbench.options import check_options as check_options
    from interpbench.options import option as option
    from interpbench.phantom import write_phantom as write_phantom
    from interpbench.pipeline import adopt as adopt
    from interpbench.pipeline import aggregate as aggregate
    from interpbench.pipeline import benchmark as benchmark
    from interpbench.pipeline import explain as explain
    from interpbench.pipeline import fit as fit
    from interpbench.pipeline import predict as predict
    from interpbench.pipeline import search as search
    from interpbench.pipeline import train as train
    from interpbench.pipeline import verify as verify
    from interpbench.predictor.forward_only import forward_only as forward_only
    from interpbench.predictor.graph.batch_norm import BatchNorm as BatchNorm
    from interpbench.predictor.graph.convolution import Convolution as Convolution
    from interpbench.predictor.graph.convolution import layout_of_parts as layout_of_parts
    from interpbench.predictor.graph.convolution import three as three
    from interpbench.predictor.graph.fusing import fused as fused
    from interpbench.predictor.graph.fusing import in_place as in_place
    from interpbench.predictor.graph.layers import constant_arguments as constant_arguments
    from interpbench.predictor.graph.layers import layer_of as layer_of
    from interpbench.predictor.graph.layers import put_layer as put_layer
    from interpbench.predictor.graph.layers import tidied as tidied
    from interpbench.predictor.graph.normal_form import UnreadableNetwork as UnreadableNetwork
    from interpbench.predictor.graph.reading import read_function as read_function
    from interpbench.predictor.graph.reading import read_network as read_network
    from interpbench.predictor.graph.state import state_of as state_of
    from interpbench.predictor.layout import layout_for as layout_for
    from interpbench.predictor.layout import settle as settle
    from interpbench.predictor.model import load_predictor as load_predictor
    from interpbench.predictor.model import save_predictor as save_predictor
    from interpbench.predictor.network import NetworkPredictor as NetworkPredictor
    from interpbench.predictor.passes import add_forward as add_forward
    from interpbench.predictor.precision import PRECISIONS as PRECISIONS
    from interpbench.predictor.precision import arithmetic as arithmetic
    from interpbench.progress import track as track
    from interpbench.training.checkpoint import Checkpoint as Checkpoint
    from interpbench.training.schedule import learning_rate_schedule as learning_rate_schedule

# Public names that need torch or more: imported when first used, so that `interpbench --help` stays fast.
_LAZY = {
    "Aggregator": "contract.interfaces",
    "Explainer": "contract.interfaces",
    "NetworkPredictor": "predictor.network",
    "Predictor": "contract.interfaces",
    "Case": "contract.metric",
    "Measure": "contract.metric",
    "Metric": "contract.metric",
    "Sample": "contract.interfaces",
    "brain_of": "images.foreground",
    "Recipe": "images.recipe",
    "read_atlas": "images.atlas",
    "read_population_map": "images.atlas",
    "Volume": "images.volume",
    "read_volume": "images.volume",
    "write_map": "images.volume",
    "Cohort": "cohort.subjects",
    "Subject": "cohort.subjects",
    "read_cohort": "cohort.subjects",
    "load_predictor": "predictor.model",
    "save_predictor": "predictor.model",
    "train": "pipeline",
    "adopt": "pipeline",
    "predict": "pipeline",
    "fit": "pipeline",
    "search": "pipeline",
    "explain": "pipeline",
    "aggregate": "pipeline",
    "benchmark": "pipeline",
    "verify": "pipeline",
    "option": "options",
    "check_options": "options",
    "track": "progress",
    "InterpbenchError": "errors",
    "InputError": "errors",
    "NotApplicable": "errors",
    "UsageError": "errors",
    "atomic_path": "files.atomic",
    "Checkpoint": "training.checkpoint",
    "arithmetic": "predictor.precision",
    "PRECISIONS": "predictor.precision",
    "learning_rate_schedule": "training.schedule",
    "forward_only": "predictor.forward_only",
    "BatchNorm": "predictor.graph.batch_norm",
    "Convolution": "predictor.graph.convolution",
    "layout_of_parts": "predictor.graph.convolution",
    "three": "predictor.graph.convolution",
    "fused": "predictor.graph.fusing",
    "in_place": "predictor.graph.fusing",
    "constant_arguments": "predictor.graph.layers",
    "layer_of": "predictor.graph.layers",
    "put_layer": "predictor.graph.layers",
    "tidied": "predictor.graph.layers",
    "UnreadableNetwork": "predictor.graph.normal_form",
    "read_function": "predictor.graph.reading",
    "read_network": "predictor.graph.reading",
    "state_of": "predictor.graph.state",
    "add_forward": "predictor.passes",
    "settle": "predictor.layout",
    "layout_for": "predictor.layout",
    "write_phantom": "phantom",
}

__all__ = ["Component", "__version__", "hookimpl", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'interpbench' has no attribute {name!r}")
    value = getattr(import_module(f"interpbench.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
