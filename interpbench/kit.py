"""Tools for plugins that learn or compute much: what the built-in ones are made with.

`interpbench` has the names that every plugin needs. These come beside them, and need torch when they are imported.
"""

from interpbench.comparison.statistics import auc as auc
from interpbench.contract.metric import UNIT as UNIT
from interpbench.files.atomic import atomic_path as atomic_path
from interpbench.images.atlas import read_atlas as read_atlas
from interpbench.images.atlas import read_population_map as read_population_map
from interpbench.predictor.forward_only import forward_only as forward_only
from interpbench.predictor.layout import layout_for as layout_for
from interpbench.predictor.layout import settle as settle
from interpbench.predictor.passes import add_forward as add_forward
from interpbench.predictor.passes import counted_passes as counted_passes
from interpbench.predictor.precision import PRECISIONS as PRECISIONS
from interpbench.predictor.precision import arithmetic as arithmetic
from interpbench.training.checkpoint import Checkpoint as Checkpoint
from interpbench.training.schedule import learning_rate_schedule as learning_rate_schedule
