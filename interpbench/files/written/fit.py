"""Files that `fit` and `search` write."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile
from interpbench.files.written.every_run import IDENTITY
from interpbench.files.written.model import SPLIT_COLUMNS
from interpbench.files.written.shared import LABELS, RECIPE

FITTED_KEYS = {
    **{name: meaning for name, meaning in IDENTITY.items()
       if name not in ("aggregator", "predictor", "whole") and not name.startswith("learned")},
    "target_class": "for a classifier: the class whose logit is explained",
    **RECIPE,
    "subjects": "number of training and validation subjects",
    **LABELS,
    "sha256": "SHA-256 of `state.safetensors`",
    "record": "measurements before, during and after the fit; for U-noise see below",
}  # fmt: skip
TIMES_KEYS = {"training_seconds": "time of fitting, over all interruptions, in seconds"}
FIT = (
    WrittenFile("state.safetensors", "learned state"),
    WrittenFile("fitted.json", "method, predictor and measurements of the fit", FITTED_KEYS),
    WrittenFile("times.json", "running time; kept apart so that all other files have the same bytes", TIMES_KEYS),
    WrittenFile("split.tsv", "split of each subject", SPLIT_COLUMNS),
)

TRIAL_KEYS = {
    "folder": "folder of the fit",
    "chosen": "whether it was chosen",
    "error": "error on the validation split, in the target's unit",
    "clean_error": "error without noise, in the target's unit",
    "amount": "amount hidden from the network",
    "failure": "reason why it could not be fitted",
    "*": "each option that is searched, and each figure of the method",
}
SEARCH_KEYS = {
    "chosen.folder": "folder of the chosen fit",
    "chosen.options": "its options that were searched",
    "chosen.error": "its error on the validation split, in the target's unit",
    "chosen.clean_error": "error without noise, in the target's unit",
    "chosen.amount": "amount it hides from the network",
    "chosen.*": "other figures of the method",
    "within_tolerance": "whether its error is at most the tolerance above the error without noise",
    "rule": "rule of the choice, a sentence",
    "tolerance": "accepted increase over the error without noise, in the target's unit",
    "unit": "the target's unit",
    "amount": "name of the amount",
    "warnings": "warnings for the user, sentences",
    **{f"trials[].{name}": meaning for name, meaning in TRIAL_KEYS.items()},
}
SEARCH = (
    WrittenFile("N/FILE", "a folder of `fit` for each combination, numbered from 1"),
    WrittenFile("search.tsv", "one row per combination", TRIAL_KEYS),
    WrittenFile("search.json", "the choice", SEARCH_KEYS),
    WrittenFile("search.png", "error against amount, and the choice"),
)
