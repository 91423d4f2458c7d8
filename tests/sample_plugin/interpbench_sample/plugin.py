"""What this plugin offers; listing it imports no torch."""

from interpbench import Component, hookimpl

INTERPBENCH_API = "1.0"


@hookimpl
def interpbench_explainers():
    return [Component("slope", "interpbench_sample.explainer:Slope", "How steeply the prediction changes with a voxel")]


@hookimpl
def interpbench_aggregators():
    return [Component("largest", "interpbench_sample.aggregator:Largest", "The largest importance of any subject")]


@hookimpl
def interpbench_metrics():
    return [Component("centre", "interpbench_sample.metric:CentreDistance", "Is the map's centre at the truth's?")]
