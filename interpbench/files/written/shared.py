"""Keys that several records share."""

from __future__ import annotations

from interpbench.files.written.declared import below

SHA256 = "SHA-256 of"
INTERVAL = "95 % interval of it, low and high; null for fewer than three subjects"

VERSIONS = {
    "interpbench": "version of interpbench",
    "versions.*": "version of each package that computes: torch, captum, monai, nibabel, numpy, scipy",
}
MACHINE = {
    "machine.device": "kind of device, `cpu` or `cuda`",
    "machine.threads": "number of threads, on a CPU; another number may change the last digits",
}
IMAGES = {
    "images.max_voxels": "number of voxels above which an image is refused",
    "images.nan_to_zero": "whether non-finite voxels were replaced by 0",
}
RECIPE = below("recipe", {
    "shape": "shape of the network's input, in voxels",
    "voxel_size": "voxel size of the input, in mm",
    "orientation": "axis codes of the input, such as `RAS`",
    "centre": "centre of the input in world coordinates (mm); null for the centre of each brain",
    "normalise": "voxels of the normalisation to zero mean and unit variance: `brain`, `volume` or `none`",
    "apply_mask": "whether voxels outside a brain mask become background",
})  # fmt: skip
COMPONENT = {
    "distribution": "package that provides the component, with its version",
    "options": "its options, by name",
    "option_files": f"{SHA256} each file that an option names",
    "code_sha256": f"{SHA256} its source files, with what they import of the same package",
}
PREDICTOR = {
    "predictor_sha256": "the predictor's fingerprint: SHA-256 over everything that determines its predictions",
    "predictor_record_sha256": f"{SHA256} `model.json`; null for a predictor without weights",
    "predictor_distribution": "package that provides the network's component, with its version",
    "predictor_files": f"{SHA256} each file that its options name",
}
COHORT = {
    "cohort_sha256": "SHA-256 over the table, its JSON, every image and mask",
    "splits_sha256": "SHA-256 over the split of each subject",
}
DOUBTS = {
    "warnings": "warnings for the user, sentences",
    "warning_kinds": "kind of each warning",
}
LABELS = {"doubts.*": "labels of the subjects with this kind of doubt; absent without doubts"}

REGRESSION = {
    "n": "number of subjects",
    "mae": "mean absolute error, in the unit",
    "mae_interval": INTERVAL,
    "mean_predictor_mae": "mean absolute error of predicting the training split's mean, in the unit",
    "mean_predictor_interval": INTERVAL,
    "bias": "mean of predicted minus true, in the unit",
    "correlation": "Pearson's correlation of predicted and true; null if undefined",
}
CLASSIFICATION = {
    "n": "number of subjects",
    "counts.*": "number of subjects of each class",
    "accuracy": "share of subjects whose class is predicted, 0 to 1",
    "accuracy_interval": INTERVAL,
    "balanced_accuracy": "mean over the classes of the share that is predicted, 0 to 1",
    "balanced_accuracy_interval": INTERVAL,
    "auc": "area under the ROC curve, of two classes, 0 to 1",
    "auc_interval": INTERVAL,
    "majority_class": "most frequent class of the training split",
    "majority_accuracy": "accuracy of always predicting it, 0 to 1",
    "majority_interval": INTERVAL,
}
FIGURES = {**REGRESSION, **CLASSIFICATION}
TARGET = {
    "task": "`regression` or `classification`, if something else than age is predicted",
    "target": "column of the participants' table that is predicted, if it is not age",
    "classes": "for a classifier: its classes, in the order of the network's outputs",
    "target_class": "for a classifier: the class whose logit is the prediction",
}
