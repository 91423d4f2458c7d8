"""What `explain` and `aggregate` write."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile
from interpbench.files.written.shared import DOUBTS

OF_SUBJECT = {
    "participant_id": "subject",
    "age": "age, in years; null where unknown",
    "image": "image, from the folder of the cohort's table; absolute where it lies elsewhere",
    "image_sha256": "SHA-256 of the image",
    "mask": "brain mask, as the image; null without one",
    "mask_sha256": "SHA-256 of the mask",
    "split_doubts": "sentences about the splits that the scan is in",
}
OF_METHOD = {
    "method": "name of the method",
    "distribution": "package that it is from, with its version",
    "options": "its options, by name",
    "seed": "seed of the run",
    "subject_seed": "the subject's own seed, where the method has an option `seed`",
    "state_sha256": "SHA-256 of what a learned method knows; null for another",
    "predictor_sha256": "the predictor's fingerprint; of a classifier, another one for each class",
    "target_class": "of a classifier: the class whose logit is explained",
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
    "whole": "whether the map keeps what it says outside the brain",
    "mass_outside_brain": "share of the sum of |map| outside the brain, on the network's grid before the cut, 0 to 1",
    "network_map.file": "name of the map on the network's grid",
    "network_map.sha256": "SHA-256 of its bytes",
    "network_map": "null where there is none",
    "extras": "names of what is kept beside the map",
    "details.*": "what the method decided by itself, such as the `layer` of Grad-CAM",
    "measured.*": "figures of this map by the method; of `occlusion` with bfloat16 `bfloat16_error`, the largest"
    " difference from float32 as a share of the effects' range",
    **DOUBTS,
    "predictor_warnings": "those of the warnings that are about the predictor",
    **OF_FILE,
}
EXTRA_KEYS = {**OF_SUBJECT, **OF_METHOD, "extra": "name of the extra", **OF_FILE}
NETWORK_KEYS = {**OF_SUBJECT, **OF_METHOD, "space": "`network`", **OF_FILE}
PLACE = "sub-X/sub-X_desc-METHOD"
EXPLAIN = (
    WrittenFile(f"{PLACE}_importance.nii.gz", "the map, on the grid of the subject's image; 0 outside the brain"),
    WrittenFile(f"{PLACE}_importance.json", "where the map comes from; written last", MAP_KEYS),
    WrittenFile(f"{PLACE}_EXTRA.nii.gz", "what the method keeps beside its map, cut alike"),
    WrittenFile(f"{PLACE}_EXTRA.json", "where that comes from", EXTRA_KEYS),
    WrittenFile(
        "network/sub-X/sub-X_space-network_desc-METHOD_map.nii.gz",
        "the map as the method made it, on the network's grid and never cut; left out where the one above gives it"
        " back to the last bit",
    ),
    WrittenFile("network/sub-X/sub-X_space-network_desc-METHOD_map.json", "where that comes from", NETWORK_KEYS),
    WrittenFile("fitted/FILE", "a folder of `fit`, where the method was fitted on the way"),
)

POPULATION_KEYS = {
    "aggregator": "name of the aggregator",
    "distribution": "package that it is from, with its version",
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
    "brain_voxels": "number of brain voxels",
    "affine": "matrix from voxel to world mm",
    **DOUBTS,
}
AGGREGATE = (
    WrittenFile("population_RESULT.nii.gz", "each result of the aggregator; of `population`: top, mean, std, n"),
    WrittenFile("population_background.nii.gz", "mean of the normalised images, in SDs"),
    WrittenFile("population_brain.nii.gz", "1 where at least half of the subjects have brain"),
    WrittenFile("population.png", "six slices of the pictured result, in red over the background"),
    WrittenFile("population.json", "what was put together", POPULATION_KEYS),
)
