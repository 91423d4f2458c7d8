"""What stands in the folder of every run."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile, below
from interpbench.files.written.shared import COHORT, COMPONENT, IMAGES, MACHINE, PREDICTOR, RECIPE, TARGET, VERSIONS

INPUT_COLUMNS = {
    "what": "what the file is to the run: `image`, `mask`, `table`, `predictor`, `code`, `fitted`, `map`, `truth`,"
    " `regions`, or an option",
    "file": "its path, from the run's folder where it lies beside it",
    "sha256": "SHA-256 of its bytes",
}
FAILURE_COLUMNS = {
    "participant_id": "subject that failed",
    "file": "file at fault",
    "message": "why, in one line",
}
IDENTITY = {
    "method": "name of the method",
    "aggregator": "name of the aggregator",
    "predictor": "of `train`: name of the network",
    **COMPONENT,
    **PREDICTOR,
    "learned.record_sha256": "SHA-256 of the record of the fit that is used",
    "learned.state_sha256": "SHA-256 of its state",
    "learned.cohort_sha256": "of a fit that is still to be made: SHA-256 over its cohort",
    "learned.splits_sha256": "SHA-256 over who it learns from",
    "learned": "null for a method that does not learn",
    **COHORT,
    "seed": "seed of all that is random",
    "whole": "of `explain`: whether maps keep what they say outside the brain",
    **IMAGES,
    **MACHINE,
}
OF_SOME = {
    **RECIPE,
    "unit": "the predictor's unit",
    "signed": "whether values below 0 of a map mean something",
    **{name: meaning for name, meaning in TARGET.items() if name not in ("target", "task")},
    **below(
        "target",
        {
            "column": "of `train`: column that is predicted",
            "unit": "its unit",
            "classes": "its words, where it holds words",
        },
    ),
    "target": "of `adopt`: column that is predicted, where it is not age",
    "settings": "of `train`: settings of the training",
    "combinations[].*": "of `search`: value of each option that is searched",
    "maps": "of `aggregate` and `benchmark`: SHA-256 of each given map, and of the run that made them",
    "explained": "of `aggregate`: method, options, predictor, recipe and run of the maps",
    "methods": "of `benchmark`: as the component's entries here, for each method",
    "measures": "of `benchmark`: as the component's entries here, for each metric",
    "participants": "of `benchmark`: labels of the subjects",
    "blur": "of `benchmark`: SD of the Gaussian that smooths copies of maps, in voxels",
    "template_of": "of `benchmark`: method whose mean map is the floor `template`",
    "repeats": "of `benchmark`: number of subjects on whom methods run again",
    "refit_subjects": "of `benchmark`: number of training subjects of a refit",
    "regions_sha256": "of `benchmark`: SHA-256 of the atlas",
    "truth_sha256": "of `benchmark`: SHA-256 of the map of the truth",
    "learners_sha256": "of `benchmark`: SHA-256 over those whom learned methods learn from",
    "scale": "of `adopt`: factor from read-out to prediction",
    "offset": "of `adopt`: what is added, in the unit",
    "weights_sha256": "of `adopt`: SHA-256 of the file of weights",
    "training_age_range": "of `adopt`: least and largest training age, in years",
    "accepted": "of `adopt`: findings of the trial that were accepted",
}
OF_NO_MATTER = {
    "command.*": "paths and device as they were given; no part of the run's identity",
    "started": "when the run began, in UTC; no part of its identity",
    "process.host": "name of the machine; no part of the run's identity",
    "process.pid": "number of the process",
    "process.python": "version of Python",
}
MANIFEST_KEYS = {"kind": "name of the command", **VERSIONS, **IDENTITY, **OF_SOME, **OF_NO_MATTER}

EVERY_RUN = (
    WrittenFile("manifest.json", "what was asked, all that decides the result", MANIFEST_KEYS),
    WrittenFile("inputs.tsv", "every file that the run reads", INPUT_COLUMNS),
    WrittenFile("failures.tsv", "subjects that failed; absent where none did", FAILURE_COLUMNS),
    WrittenFile("SHA256SUMS", "SHA-256 of the files of a finished run, for `sha256sum --check`"),
)
