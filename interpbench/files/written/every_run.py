"""Files in the folder of every run."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile, below
from interpbench.files.written.shared import COHORT, COMPONENT, IMAGES, MACHINE, PREDICTOR, RECIPE, TARGET, VERSIONS

INPUT_COLUMNS = {
    "what": "role of the file: `image`, `mask`, `table`, `predictor`, `code`, `fitted`, `map`, `truth`,"
    " `distractors`, `regions`, `labels`, `atlas`, or an option",
    "file": "its path, relative to the run's folder if it lies beside it",
    "sha256": "SHA-256 of its bytes",
}
FAILURE_COLUMNS = {
    "participant_id": "subject that failed",
    "file": "file at fault",
    "message": "reason, in one line",
}
IDENTITY = {
    "method": "name of the method",
    "aggregator": "name of the aggregator",
    "predictor": "for `train`: name of the network",
    **COMPONENT,
    **PREDICTOR,
    "learned.record_sha256": "SHA-256 of the record of the fit that is used",
    "learned.state_sha256": "SHA-256 of its state",
    "learned.cohort_sha256": "for a fit that is still to be made: SHA-256 over its cohort",
    "learned.splits_sha256": "SHA-256 over its training subjects",
    "learned": "null for a method that needs no fitting",
    **COHORT,
    "seed": "seed of the random numbers",
    "whole": "for `explain`: whether maps keep values outside the brain",
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
            "column": "for `train`: column that is predicted",
            "unit": "its unit",
            "classes": "its classes, if it contains words",
        },
    ),
    "target": "for `adopt`: column that is predicted, if it is not age",
    "settings": "for `train`: settings of the training; for `plant`: signals, column and R2",
    "combinations[].*": "for `search`: value of each option that is searched",
    "maps": "for `aggregate` and `benchmark`: SHA-256 of each given map, and of the run that made them",
    "labels_sha256": "for `plant`: SHA-256 over every subject's label image",
    "atlas_sha256": "for `plant`: SHA-256 of the atlas",
    "explained": "for `aggregate`: method, options, predictor, recipe and run of the maps",
    "methods": "for `benchmark`: as the component's entries here, for each method",
    "measures": "for `benchmark`: as the component's entries here, for each metric",
    "participants": "for `benchmark`: labels of the subjects",
    "blur": "for `benchmark`: SD of the Gaussian that smooths copies of maps, in voxels",
    "template_of": "for `benchmark`: method whose mean map is the floor `template`",
    "repeats": "for `benchmark`: number of subjects for which methods run several times",
    "refit_subjects": "for `benchmark`: number of training subjects of a refit",
    "regions_sha256": "for `benchmark`: SHA-256 of the atlas",
    "truth_sha256": "for `benchmark`: SHA-256 of the mask of the ground truth",
    "learners_sha256": "for `benchmark`: SHA-256 over the training subjects of fitted methods",
    "scale": "for `adopt`: factor from output to prediction",
    "offset": "for `adopt`: added value, in the unit",
    "weights_sha256": "for `adopt`: SHA-256 of the file of weights",
    "training_age_range": "for `adopt`: lowest and highest training age, in years",
    "accepted": "for `adopt`: problems of the network that were accepted",
}
OF_NO_MATTER = {
    "command.*": "paths and device as given; not part of the run's identity",
    "started": "start of the run, in UTC; not part of its identity",
    "process.host": "name of the machine; not part of the run's identity",
    "process.pid": "ID of the process",
    "process.python": "version of Python",
}
MANIFEST_KEYS = {"kind": "name of the command", **VERSIONS, **IDENTITY, **OF_SOME, **OF_NO_MATTER}

EVERY_RUN = (
    WrittenFile("manifest.json", "settings of the run: everything that determines the result", MANIFEST_KEYS),
    WrittenFile("inputs.tsv", "every file that the run reads", INPUT_COLUMNS),
    WrittenFile("failures.tsv", "subjects that failed; absent if none failed", FAILURE_COLUMNS),
    WrittenFile("SHA256SUMS", "SHA-256 of the files of a finished run, for `sha256sum --check`"),
)
