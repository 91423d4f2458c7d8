"""A synthetic ageing cohort whose truth is known."""

from interpbench.phantom.anatomy import Anatomy, anatomy_of, load_anatomy, load_millimetres
from interpbench.phantom.cohort import KINDS, render_cohort_member, render_cohort_person, write_phantom
from interpbench.phantom.personal import RATES, Person, draw_person, render_person
from interpbench.phantom.places import PLACES, Place, load_places
from interpbench.phantom.subject import render_mean, render_subject
from interpbench.phantom.truth import PersonalTruth, Truth, render_personal_truth, render_truth

__all__ = [
    "KINDS",
    "PLACES",
    "RATES",
    "Anatomy",
    "Person",
    "PersonalTruth",
    "Place",
    "Truth",
    "anatomy_of",
    "draw_person",
    "load_anatomy",
    "load_millimetres",
    "load_places",
    "render_cohort_member",
    "render_cohort_person",
    "render_mean",
    "render_person",
    "render_personal_truth",
    "render_subject",
    "render_truth",
    "write_phantom",
]
