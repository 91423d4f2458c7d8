"""Files that `explain` and `aggregate` write."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile
from interpbench.files.written.shared import DOUBTS

OF_SUBJECT = {
    "participant_id": "subject",
    "age": "age, in years; null if unknown",
    "image": "path of the image, relative to the folder of the cohort's table; absolute if it lies elsewhere",
    "image_sha256": "SHA-256 of the image",
    "mask": "path of the brain mask, like that of the image; null without one",
    "mask_sha256": "SHA-256 of the mask",
    "split_doubts": "warnings about the split of the scan, sentences",
}
OF_METHOD = {
    "method": "name of the method",
    "distribution": "package that provides it, with its version",
    "options": "its options, by name",
    "seed": "seed of the run",
    "subject_seed": "the subject's own seed, if the method has an option `seed`",
    "state_sha256": "SHA-256 of a fitted method's state; null for other methods",
    "predictor_sha256": "the predictor's fingerprint; for a classifier, one for each class",
    "target_class": "for a classifier: the class whose logit is explained",
    "prediction": "prediction for the subject, in the unit",
    "unit": "unit of the prediction; importance itself has none for U-noise",
    "versions.*": "version of each package that computes",
}
OF_FILE = {
    "file": "name of the map's file",
    "sha256": "SHA-256 of its bytes",
    "run": "identity of the run that made it, SHA-256 over its manifest",
}
MAP_KEYS = {
    **OF_SUBJECT,
    **OF_METHOD,
    "signed": "whether values below 0 mean something",
    "whole": "whether the map keeps values outside the brain",
    "mass_outside_brain": "share of the sum of |map| outside the brain, on the network's grid before masking, 0 to 1",
    "network_map.file": "name of the map on the network's grid",
    "network_map.sha256": "SHA-256 of its bytes",
    "network_map": "null without such a map",
    "extras": "names of the extra maps",
    "details.*": "choices of the method, such as the `layer` of Grad-CAM",
    "measured.*": "figures of this map by the method; of `occlusion` with bfloat16 `bfloat16_error`, the largest"
    " difference from float32 as a share of the effects' range",
    **DOUBTS,
    "predictor_warnings": "the warnings that are about the predictor",
    **OF_FILE,
}
EXTRA_KEYS = {**OF_SUBJECT, **OF_METHOD, "extra": "name of the extra", **OF_FILE}
NETWORK_KEYS = {**OF_SUBJECT, **OF_METHOD, "space": "`network`", **OF_FILE}
PLACE = "sub-X/sub-X_desc-METHOD"
EXPLAIN = (
    WrittenFile(f"{PLACE}_importance.nii.gz", "the map, on the grid of the subject's image; 0 outside the brain"),
    WrittenFile(f"{PLACE}_importance.json", "origin of the map; written last", MAP_KEYS),
    WrittenFile(f"{PLACE}_EXTRA.nii.gz", "an extra map of the method, masked in the same way"),
    WrittenFile(f"{PLACE}_EXTRA.json", "origin of that map", EXTRA_KEYS),
    WrittenFile(
        "network/sub-X/sub-X_space-network_desc-METHOD_map.nii.gz",
        "the map as the method made it, on the network's grid and never masked; omitted if the map above contains it"
        " exactly",
    ),
    WrittenFile("network/sub-X/sub-X_space-network_desc-METHOD_map.json", "origin of that map", NETWORK_KEYS),
    WrittenFile("fitted/FILE", "a folder of `fit`, if the method was fitted in this run"),
)

POPULATION_KEYS = {
    "aggregator": "name of the aggregator",
    "distribution": "package that provides it, with its version",
    "options": "its options, by name",
    "option_files": "SHA-256 of each file that an option names",
    "code_sha256": "SHA-256 of its source files, with what they import of the same package",
    "maps.*": "SHA-256 of a subject's map, and of the one on the network's grid",
    "explained": "method, options, predictor, recipe and run of the maps",
    "n": "number of subjects",
    "predictor_unit": "unit of the predictor",
    "signed": "whether values below 0 mean something",
    "files.*": "file of each result",
    "pictured": "result that the picture shows",
    "voxel_size_mm": "edge of a voxel; an option in voxels, such as `sigma` of `population`, times this is in mm",
    "brain_voxels": "number of brain voxels",
    "affine": "matrix from voxel indices to world coordinates (mm)",
    **DOUBTS,
}
AGGREGATE = (
    WrittenFile(
        "population_RESULT.nii.gz",
        "each result of the aggregator; of `population`: top, mean, std, n (all n"
        " count at every voxel, with 0 where a voxel is outside a subject's brain)",
    ),
    WrittenFile("population_background.nii.gz", "mean of the normalised images, in SDs"),
    WrittenFile("population_brain.nii.gz", "1 at voxels that are brain in at least half of the subjects"),
    WrittenFile("population.png", "six slices of the pictured result, in red over the background"),
    WrittenFile("population.json", "settings and results of the aggregation", POPULATION_KEYS),
)
