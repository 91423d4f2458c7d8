"""Files that `plant` writes."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile, below
from interpbench.files.written.shared import DOUBTS, IMAGES, LABELS, SHA256

OF_FILE = {
    "participant_id": "subject",
    "file": "name of the file",
    "sha256": "SHA-256 of its bytes",
    "run": "identity of the run that made it, SHA-256 over its manifest",
}
MEASURED = {
    "truth_voxels": "number of voxels in the truth",
    "volume_change_per_sd": "for atrophy: change of the region's volume per SD of the target, as a share",
    "millimetres_per_sd": "for atrophy: movement of the region's surface per SD of the target, in mm",
    "x_mm": "for a lesion: its centre in world coordinates (mm), to the right",
    "y_mm": "for a lesion: its centre, to the front",
    "z_mm": "for a lesion: its centre, upwards",
}
IMAGE_KEYS = {
    **OF_FILE,
    "image": "path of the image before planting, relative to the folder of the cohort's table; absolute if it lies"
    " elsewhere",
    "image_sha256": "SHA-256 of that image",
    "mask": "path of its brain mask, like that of the image; null without one",
    "mask_sha256": "SHA-256 of the mask",
    "target": "the target, in SD",
    "amounts": "amount of each signal, in SD; of the first the target and all suppressors together",
    "strengths": "strength of each signal per SD, in the unit of its kind",
    **below("measured", MEASURED),
    **DOUBTS,
}
SIGNAL_KEYS = {
    "role": "`target`, `distractor` or `suppressor`",
    "kind": "`contrast`, `atrophy` or `lesion`",
    "options": "options of the kind, by name",
    "region": "its region as given; empty for the whole brain",
    "strength": "its strength per SD",
    "strength_unit": "unit of the strength",
    "strength_given": "whether the user gave the strength",
    "most": "largest strength that is permitted in every image",
    "bound": "largest amount that its effect is made for, in SD",
    "correlation": "correlation of its variable with the target, over the subjects",
}
R2_KEYS = {
    "asked": "share of the target's variance that was asked for; null if the strength was given",
    "before": "share that the best linear reader explains before anything is planted; below 0 if the mean is better",
    "reached": "share that it explains after planting: the larger one of the next two",
    "everywhere": "share that a reader explains from all features",
    "inside_truth": "share that a reader explains from the features that anyone's truth touches; null without one",
    "outside_truth": "share that it explains outside everyone's truth; null if no feature lies there",
    "features": "what the reader is given: `blocks` of 8 mm, or the means of each subject's `labels`",
    "features_number": "number of these features",
    "features_outside": "number of features outside everyone's truth, with a margin of one block",
    "folds": "number of folds of the cross-validation",
    "n": "number of subjects that the reader was given",
}
PLANT_KEYS = {
    "settings": "settings of the run, as in its manifest",
    "seed": "seed of the random numbers",
    "cohort_sha256": f"{SHA256} the table, its JSON, every image and mask",
    "labels_sha256": f"{SHA256} every subject's label image; null without any",
    "atlas_sha256": f"{SHA256} the atlas; null without one",
    **IMAGES,
    "n": "number of subjects in which the signal was planted",
    "target.column": "column that the target was taken from; null if it was drawn",
    "target.mean": "mean of that column",
    "target.sd": "standard deviation of that column",
    **below("signals[]", SIGNAL_KEYS),
    **below("measured", {name: f"mean over subjects of: {meaning}" for name, meaning in MEASURED.items()}),
    **below("r2", R2_KEYS),
    "r2": "null if a linear reader cannot be asked",
    "r2_unknown": "the reason for that; null otherwise",
    **DOUBTS,
    **LABELS,
}
ANAT = "sub-X/anat/sub-X"
PLANT = (
    WrittenFile(
        "participants.tsv",
        "the cohort's table",
        {
            "*": "every former column; paths lead to the same files",
            "planted": "the target: drawn, in SD, or the column's value",
            "image": "path of the planted image, relative to the table's folder",
            "truth": "path of the mask of the voxels that the target changed",
            "distractors": "path of the mask of the voxels that other signals changed; absent without any",
        },
    ),
    WrittenFile(
        "participants.json",
        "what the columns mean",
        {
            "*": "every former entry",
            "planted.*": "description of the target, and its unit",
            "truth.*": "description",
            "distractors.*": "description",
        },
    ),
    WrittenFile(f"{ANAT}_T1w.nii.gz", "the planted image; outside truth and distractors as it was"),
    WrittenFile(f"{ANAT}_T1w.json", "origin of that image; written last", IMAGE_KEYS),
    WrittenFile(f"{ANAT}_desc-truth_mask.nii.gz", "1 at voxels that the target changed, exactly"),
    WrittenFile(f"{ANAT}_desc-truth_mask.json", "origin of that mask", OF_FILE),
    WrittenFile(f"{ANAT}_desc-truth_map.nii.gz", "absolute change per SD of the target, by counterfactual"),
    WrittenFile(f"{ANAT}_desc-truth_map.json", "origin of that map", OF_FILE),
    WrittenFile(f"{ANAT}_desc-distractors_mask.nii.gz", "1 at voxels that distractors or suppressors changed, exactly"),
    WrittenFile(f"{ANAT}_desc-distractors_mask.json", "origin of that mask", OF_FILE),
    WrittenFile("plant.json", "settings, strength and measurements of the planting", PLANT_KEYS),
)
