"""Files of `phantom`, `check` and `demo`, of the user's configuration folder and of a cache."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile, below
from interpbench.files.written.shared import REGRESSION

PHANTOM_KEYS = {
    "kind": "`personal`; missing for the plain kind",
    "subjects": "number of subjects",
    "voxel_size_mm": "voxel size, in mm",
    "seed": "seed of the random numbers",
    "truth_share": "share of the largest difference above which a voxel belongs to the ground truth",
    "ages": "lowest and highest age, in years",
    "ventricle_mm_per_year": "plain: widening of the ventricles with age, in mm per year",
    "hippocampus_mm_per_year": "plain: shrinking of the hippocampi with age, in mm per year",
    "individual_mm": "plain: SD of both between subjects of one age, in mm",
    "suppressor_mm": "SD of the width of the Sylvian fissures, in mm",
    "cerebellum_contrast": "SD of the cerebellum's intensity, in template intensity",
    "tissue_contrast": "SD of a smooth pattern of contrast over the whole brain, as a factor",
    "pattern_mm": "personal: smoothness of that pattern, in mm",
    "mm_per_year.*": "personal: growth of the fluid in a place if all ageing is there, in mm per year",
    "concentration": "personal: concentration of the Dirichlet distribution of the weights",
    "start_mm": "personal: growth of each place at the lowest age, in mm",
    "individual_years": "personal: SD of each place between persons of one age and weight, in years of its ageing",
    "suppressor": "personal: name of the suppressor; its SD is `suppressor_mm`",
    "suppressor_share.*": "personal: growth of a place per mm of the suppressor",
    "sylvian_start_mm": "personal: mean width of the Sylvian fissures, relative to the ellipsoids, in mm",
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
            "image": "path of its image, relative to the table's folder",
            "truth": "personal: path of the person's ground truth",
            "distractors": "personal: path of the person's distractors",
        },
    ),
    WrittenFile("sub-X/anat/sub-X_T1w.nii.gz", "the image; exactly 0 outside the brain"),
    WrittenFile("sub-X/anat/sub-X_desc-truth_mask.nii.gz", "personal: 1 where age acts in this person, 0 elsewhere"),
    WrittenFile(
        "sub-X/anat/sub-X_desc-truth_map.nii.gz",
        "personal: absolute difference of the same person at the two ends of the age range, in the image's intensity",
    ),
    WrittenFile(
        "sub-X/anat/sub-X_desc-distractors_mask.nii.gz",
        "personal: 1 where the Sylvian fissures, the cerebellum or lesions differ from the mean person's, 0 elsewhere",
    ),
    WrittenFile(
        "weights.tsv",
        "personal: share of the ageing in each place, sum 1",
        {"participant_id": "subject", "*": "weight of a place, such as `left_hippocampus`, 0 to 1"},
    ),
    WrittenFile("truth.nii.gz", "plain: ground truth, 1 where age acts, 0 elsewhere"),
    WrittenFile(
        "truth_difference.nii.gz",
        "plain: size of the effect: absolute difference of the mean subject at the two ends of the age"
        " range, in template intensity",
    ),
    WrittenFile("phantom.json", "every setting; written last", PHANTOM_KEYS),
)

PROBLEM_KEYS = {
    "level": "`problem` or `warning`",
    "participant_id": "subject; null for a problem of the table",
    "line": "line of the table",
    "file": "file at fault; null without one",
    "message": "description of the problem",
    "kind": "kind of doubt for a warning; null for a problem",
}
CHECK = (
    WrittenFile(
        "FILE.json",
        "with `--json`: every problem and doubt",
        {
            "table": "path of the cohort's table",
            "subjects": "number of usable subjects",
            **below("problems[]", PROBLEM_KEYS),
            "predictor_warnings": "with `--predictor`: warnings about it, sentences",
        },
    ),
)

LOCALISATION = {
    "subject_auc": "mean over subjects of the AUC of the ground truth among brain voxels, 0 to 1",
    "subject_auc_interval": "95 % interval of it, low and high",
    "subject_auc_sd": "its standard deviation over subjects",
    "n": "number of subjects",
    "population_auc": "AUC of the population's mean map, 0 to 1",
    "population_top_auc": "AUC of the pictured map, 0 to 1",
    "truth_share_of_brain": "share of brain voxels in the ground truth, 0 to 1",
}
DEMO_KEYS = {
    "seed": "seed of the random numbers",
    "unit": "the predictor's unit",
    **below("predictor", REGRESSION),
    "noise_floor": "of the fit of U-noise, as in its record",
    "diagnostics": "of the fit of U-noise, as in its record",
    **below("localisation", LOCALISATION),
    "benchmark.n": "number of subjects of the benchmark",
    "benchmark.beliefs": "which map to believe for where, how much and this person, sentences",
    "benchmark.verdict": "conclusions of the benchmark, sentences",
    "warnings": "warnings of the population map, of the fit of U-noise and of the benchmark, sentences",
    "settings": "settings of every step",
    "commands": "equivalent command lines",
    "seconds.*": "running time of each step, in seconds",
    "peak_memory_mib": "peak memory of the process, in MiB; null on Windows",
}
DEMO = (
    WrittenFile("index.html", "the page: one file that needs no internet connection"),
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
        "permission for a record that names code, by the SHA-256 of its bytes; delete the file to withdraw it",
        {
            "record_sha256": "SHA-256 of the record",
            "allowed.*": "code that an option may import",
            "record": "path of the record at that time",
        },
    ),
)
CACHE = (
    WrittenFile(
        "AB/ABCD.voxels",
        "one image prepared by one recipe: a marker, SHA-256 of the voxels, the volume (float32),"
        " the brain (one byte per voxel)",
    ),
)
