"""interpbench: which voxels does a 3D regression network look at, and how far can that answer be trusted?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from interpbench.hookspecs import Component as Component
from interpbench.hookspecs import hookimpl as hookimpl

if TYPE_CHECKING:  # the same names for type checkers
    from interpbench.atlas import read_atlas as read_atlas
    from interpbench.atlas import read_population_map as read_population_map
    from interpbench.atomic import atomic_path as atomic_path
    from interpbench.checkpoint import Checkpoint as Checkpoint
    from interpbench.cohort import Cohort as Cohort
    from interpbench.cohort import Subject as Subject
    from interpbench.cohort import read_cohort as read_cohort
    from interpbench.errors import InputError as InputError
    from interpbench.errors import InterpbenchError as InterpbenchError
    from interpbench.errors import NotApplicable as NotApplicable
    from interpbench.errors import UsageError as UsageError
    from interpbench.inference import forward_only as forward_only
    from interpbench.interfaces import Aggregator as Aggregator
    from interpbench.interfaces import Explainer as Explainer
    from interpbench.interfaces import Predictor as Predictor
    from interpbench.interfaces import Sample as Sample
    from interpbench.interfaces import brain_of as brain_of
    from interpbench.layout import layout_for as layout_for
    from interpbench.layout import settle as settle
    from interpbench.metric import Case as Case
    from interpbench.metric import Measure as Measure
    from interpbench.metric import Metric as Metric
    from interpbench.model import load_predictor as load_predictor
    from interpbench.model import save_predictor as save_predictor
    from interpbench.network import NetworkPredictor as NetworkPredictor
    from interpbench.options import check_options as check_options
    from interpbench.options import option as option
    from interpbench.passes import add_forward as add_forward
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
    from interpbench.precision import PRECISIONS as PRECISIONS
    from interpbench.precision import arithmetic as arithmetic
    from interpbench.progress import track as track
    from interpbench.recipe import Recipe as Recipe
    from interpbench.schedule import learning_rate_schedule as learning_rate_schedule
    from interpbench.volume import Volume as Volume
    from interpbench.volume import read_volume as read_volume
    from interpbench.volume import write_map as write_map

__version__ = "0.1.0"

# Public names that need torch or more: imported when first used, so that `interpbench --help` stays fast.
_LAZY = {
    "Aggregator": "interfaces",
    "Explainer": "interfaces",
    "NetworkPredictor": "network",
    "Predictor": "interfaces",
    "Case": "metric",
    "Measure": "metric",
    "Metric": "metric",
    "Sample": "interfaces",
    "brain_of": "interfaces",
    "Recipe": "recipe",
    "read_atlas": "atlas",
    "read_population_map": "atlas",
    "Volume": "volume",
    "read_volume": "volume",
    "write_map": "volume",
    "Cohort": "cohort",
    "Subject": "cohort",
    "read_cohort": "cohort",
    "load_predictor": "model",
    "save_predictor": "model",
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
    "atomic_path": "atomic",
    "Checkpoint": "checkpoint",
    "arithmetic": "precision",
    "PRECISIONS": "precision",
    "learning_rate_schedule": "schedule",
    "forward_only": "inference",
    "add_forward": "passes",
    "settle": "layout",
    "layout_for": "layout",
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
