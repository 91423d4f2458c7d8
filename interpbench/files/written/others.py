"""What `phantom`, `check` and `demo` write, and what lies in the user's configuration folder and in a cache."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile, below
from interpbench.files.written.shared import REGRESSION

PHANTOM_KEYS = {
    "subjects": "number of subjects",
    "voxel_size_mm": "edge of a voxel, in mm",
    "seed": "seed of all that is random",
    "truth_share": "share of the largest difference above which a voxel is truth",
    "ages": "least and largest age, in years",
    "ventricle_mm_per_year": "widening of the ventricles with age, in mm a year",
    "hippocampus_mm_per_year": "shrinking of the hippocampi with age, in mm a year",
    "individual_mm": "SD of both between people of one age, in mm",
    "suppressor_mm": "SD of the width of the Sylvian fissures, in mm",
    "cerebellum_contrast": "SD of the cerebellum's intensity, in template intensity",
    "tissue_contrast": "SD of a smooth pattern of contrast over the whole brain, as a factor",
    "lesions": "mean number of lesions",
    "deformation_mm": "SD of a displacement along an axis, in mm",
    "deformation_reach_mm": "largest displacement, in mm",
    "gain": "SD of the logarithm of the scanner's intensity scale",
    "noise": "SD of the noise, in template intensity",
}
PHANTOM = (
    WrittenFile(
        "participants.tsv",
        "the cohort's table",
        {
            "participant_id": "subject",
            "age": "age, in years",
            "image": "its image, from the table's folder",
        },
    ),
    WrittenFile("sub-X/anat/sub-X_T1w.nii.gz", "the image; exactly 0 outside the brain"),
    WrittenFile("truth.nii.gz", "1 where age acts, 0 elsewhere"),
    WrittenFile(
        "truth_difference.nii.gz",
        "by how much: absolute difference of the mean subject at the two ends of the age range, in template intensity",
    ),
    WrittenFile("phantom.json", "every setting; written last", PHANTOM_KEYS),
)

PROBLEM_KEYS = {
    "level": "`problem` or `warning`",
    "participant_id": "subject; null where it is about the table",
    "line": "line of the table",
    "file": "file at fault; null for none",
    "message": "what is wrong",
    "kind": "kind of doubt, of a warning; null otherwise",
}
CHECK = (
    WrittenFile(
        "FILE.json",
        "with `--json`: every problem and doubt",
        {
            "table": "path of the cohort's table",
            "subjects": "number of usable subjects",
            **below("problems[]", PROBLEM_KEYS),
            "predictor_warnings": "with `--predictor`: sentences about it",
        },
    ),
)

LOCALISATION = {
    "subject_auc": "mean over subjects of the AUC of the truth among brain voxels, 0 to 1",
    "subject_auc_interval": "95 % interval of it, low and high",
    "subject_auc_sd": "its standard deviation over subjects",
    "n": "number of subjects",
    "population_auc": "AUC of the population's mean map, 0 to 1",
    "population_top_auc": "AUC of the pictured map, 0 to 1",
    "truth_share_of_brain": "share of brain voxels that are truth, 0 to 1",
}
DEMO_KEYS = {
    "seed": "seed of all that is random",
    "unit": "the predictor's unit",
    **below("predictor", REGRESSION),
    "noise_floor": "of the fit of U-noise, as in its record",
    "diagnostics": "of the fit of U-noise, as in its record",
    **below("localisation", LOCALISATION),
    "benchmark.n": "number of subjects of the benchmark",
    "benchmark.verdict": "what its figures allow to say, sentences",
    "warnings": "of the fit of U-noise, sentences",
    "settings": "size of every step",
    "commands": "command lines that do the same",
    "seconds.*": "how long each step took, in seconds",
    "peak_memory_mib": "most memory of the process, in MiB; null on Windows",
}
DEMO = (
    WrittenFile("index.html", "the page: one file, opens without a network"),
    WrittenFile("demo.json", "the figures", DEMO_KEYS),
    WrittenFile("phantom/FILE", "as `phantom` writes it"),
    WrittenFile("model/FILE", "as `train` writes it"),
    WrittenFile("fitted/FILE", "as `fit` writes it"),
    WrittenFile("maps/FILE", "as `explain` writes it"),
    WrittenFile("population/FILE", "as `aggregate` writes it"),
    WrittenFile("benchmark/FILE", "as `benchmark` writes it"),
    WrittenFile("population/population_and_truth.png", "the population map beside the truth"),
)

CONFIGURATION = (
    WrittenFile(
        "trusted/SHA256.json",
        "a record that may name code, by the SHA-256 of its bytes; remove the file to take the trust back",
        {
            "record_sha256": "SHA-256 of the record",
            "allowed.*": "what an option that names code may import",
            "record": "where the record lay then",
        },
    ),
)
CACHE = (
    WrittenFile(
        "AB/ABCD.voxels",
        "one image under one recipe: a mark, SHA-256 of the voxels, the volume (float32), the brain (a byte a voxel)",
    ),
)
