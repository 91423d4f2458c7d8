"""A synthetic ageing cohort whose truth is known."""

from interpbench.phantom.anatomy import Anatomy, load_anatomy
from interpbench.phantom.cohort import Truth, render_cohort_member, render_truth, write_phantom
from interpbench.phantom.subject import render_mean, render_subject

__all__ = [
    "Anatomy",
    "Truth",
    "load_anatomy",
    "render_cohort_member",
    "render_mean",
    "render_subject",
    "render_truth",
    "write_phantom",
]
