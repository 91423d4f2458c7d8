"""What `fit` and `search` write."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile
from interpbench.files.written.every_run import IDENTITY
from interpbench.files.written.model import SPLIT_COLUMNS
from interpbench.files.written.shared import LABELS, RECIPE

FITTED_KEYS = {
    **{name: meaning for name, meaning in IDENTITY.items()
       if name not in ("aggregator", "predictor", "whole") and not name.startswith("learned")},
    "target_class": "of a classifier: the class whose logit is explained",
    **RECIPE,
    "subjects": "number of subjects that it learned from and was checked on",
    **LABELS,
    "sha256": "SHA-256 of `state.safetensors`",
    "record": "what the method measured before, while and after it learned; of U-noise below",
}  # fmt: skip
TIMES_KEYS = {"training_seconds": "time in which the method learned, over all interruptions, in seconds"}
FIT = (
    WrittenFile("state.safetensors", "what was learned"),
    WrittenFile("fitted.json", "what was fitted to which predictor, and what was measured", FITTED_KEYS),
    WrittenFile("times.json", "how long it took; every other file has the same bytes, however long", TIMES_KEYS),
    WrittenFile("split.tsv", "who it learned from", SPLIT_COLUMNS),
)

TRIAL_KEYS = {
    "folder": "folder of the fit",
    "chosen": "whether it was chosen",
    "error": "error on the validation split, in the target's unit",
    "clean_error": "error without noise, in the target's unit",
    "amount": "how much is hidden from the network",
    "failure": "why it could not be fitted",
    "*": "each option that is searched, and each figure of the method",
}
SEARCH_KEYS = {
    "chosen.folder": "folder of the chosen fit",
    "chosen.options": "its options that were searched",
    "chosen.error": "its error on the validation split, in the target's unit",
    "chosen.clean_error": "error without noise, in the target's unit",
    "chosen.amount": "how much it hides from the network",
    "chosen.*": "other figures of the method",
    "within_tolerance": "whether its error is at most the tolerance above the clean error",
    "rule": "how it was chosen, a sentence",
    "tolerance": "how far the error may rise above the clean error, in the target's unit",
    "unit": "the target's unit",
    "amount": "what the amount is",
    "warnings": "sentences for the user",
    **{f"trials[].{name}": meaning for name, meaning in TRIAL_KEYS.items()},
}
SEARCH = (
    WrittenFile("N/FILE", "a folder of `fit` for each combination, numbered from 1"),
    WrittenFile("search.tsv", "a row a combination", TRIAL_KEYS),
    WrittenFile("search.json", "the choice", SEARCH_KEYS),
    WrittenFile("search.png", "error against amount, and the choice"),
)
