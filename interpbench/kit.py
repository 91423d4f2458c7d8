"""Tools for plugins that learn or compute much: what the built-in ones are made with.

`interpbench` has the names that every plugin needs. These come beside them, and need torch when they are imported.
"""

from interpbench.comparison.reliability import icc as icc
from interpbench.comparison.statistics import auc as auc
from interpbench.contract.metric import UNIT as UNIT
from interpbench.files.atomic import atomic_path as atomic_path
from interpbench.images.atlas import read_atlas as read_atlas
from interpbench.images.atlas import read_population_map as read_population_map
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
from interpbench.predictor.passes import add_forward as add_forward
from interpbench.predictor.passes import counted_passes as counted_passes
from interpbench.predictor.precision import PRECISIONS as PRECISIONS
from interpbench.predictor.precision import arithmetic as arithmetic
from interpbench.training.checkpoint import Checkpoint as Checkpoint
from interpbench.training.schedule import learning_rate_schedule as learning_rate_schedule
