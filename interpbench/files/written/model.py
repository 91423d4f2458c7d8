"""Files that `train`, `adopt` and `predict` write."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile, below
from interpbench.files.written.shared import (
    DOUBTS,
    FIGURES,
    IMAGES,
    LABELS,
    MACHINE,
    PREDICTOR,
    RECIPE,
    TARGET,
    VERSIONS,
)

SPLIT_COLUMNS = {
    "participant_id": "subject",
    "age": "age, in years",
    "split": "`train`, `validation` or `test`",
}
TRAINING_COLUMNS = {
    "epoch": "number of the epoch, from 1",
    "learning_rate": "learning rate at its start",
    "training_rmse": "root mean square error on the training split, in the unit",
    "validation_mae": "mean absolute error on the validation split, in the unit",
    "training_loss": "for a classifier: cross-entropy on the training split",
    "validation_loss": "for a classifier: cross-entropy on the validation split",
    "validation_accuracy": "for a classifier: accuracy on the validation split, 0 to 1",
}
PREDICTION_COLUMNS = {
    "participant_id": "subject",
    "age": "age, in years",
    "target": "true value, if another number than age is predicted",
    "prediction": "prediction, in the predictor's unit",
    "true_class": "for a classifier: the subject's class",
    "predicted_class": "for a classifier: the most probable class",
    "target_class": "for a classifier: the class of logit and probability",
    "logit": "for a classifier: logit of the target class",
    "probability": "for a classifier: its probability, 0 to 1",
    "split": "split in the predictor's record",
}
TRIAL = {
    "volumes": "volumes on which the network was tested",
    "n": "number of volumes",
    "answers": "its predictions, in the unit",
    "repeat_difference": "largest difference between two predictions for one volume, in the unit",
    "batch_difference": "largest difference between predictions alone and in a batch, in the unit",
    "largest_gradient": "largest gradient with respect to a voxel, in the unit per SD of the volume",
    "found": "for `adopt`: problems of the network that were found",
    "accepted": "for `adopt`: problems that were accepted",
}
TYPICAL = {
    "cells": "cells of the coarse grid along each axis",
    "mean_and_directions": "mean image and principal components, float16 in base64",
    "scale": "what the mean image in `mean_and_directions` is to be multiplied by",
    "distance": "median distance of training images from this model",
    "limit": "distance beyond which an image is unlike the training images",
    "flips": "loss of fit of training images when flipped along each axis",
    "brain_voxels": "lowest and highest number of brain voxels",
    "orientation": "axis codes of the grid",
}
MODEL_KEYS = {
    "predictor": "name of the network's component",
    "options": "its options, by name",
    "distribution": "package that provides it, with its version",
    **RECIPE,
    "unit": "unit of the prediction",
    "scale": "factor from output to prediction",
    "offset": "value added to it, in the unit",
    **TARGET,
    "training_age_range": "lowest and highest training age, in years",
    "training_range": "lowest and highest of another number in training, in its unit",
    "training_mean": "mean of the training split, in the unit",
    "training_counts.*": "for a classifier: number of training subjects of each class",
    "metrics.subjects": "number of subjects",
    "metrics.training_subjects": "number of training subjects",
    "metrics.best_epoch": "epoch that was kept",
    "metrics.validation.n": "number of validation subjects",
    "metrics.validation.mae": "mean absolute error on the validation split, in the unit",
    "metrics.validation.loss": "for a classifier: cross-entropy on the validation split",
    "metrics.validation.accuracy": "for a classifier: accuracy on the validation split, 0 to 1",
    **below("metrics.test", FIGURES),
    "metrics.test": "figures on the test split; null without one",
    "split": "file with the split",
    "warnings": "warnings about the predictor, which are repeated in every result",
    **below("training_images", TYPICAL),
    **below("trial", TRIAL),
    **LABELS,
    "training": "settings of the training, by name",
    "fingerprint": "SHA-256 over everything that determines its predictions",
    "sha256": "SHA-256 of `model.safetensors`",
}
PREDICT_KEYS = {
    "predictor": "the predictor's fingerprint",
    "unit": "unit of the predictions",
    **{name: meaning for name, meaning in TARGET.items() if name != "task"},
    "n": "number of predicted subjects",
    "figures.*": "figures of a split, or of `all`; null if no targets are known",
    **below("figures.*", FIGURES),
    **DOUBTS,
    **below("failures[]", {"participant_id": "subject that failed", "file": "file at fault", "message": "reason"}),
    **below("identity", {**VERSIONS, **PREDICTOR, **IMAGES, **MACHINE, **RECIPE}),
}
MODEL = (
    WrittenFile("model.safetensors", "weights of the network"),
    WrittenFile(
        "model.json",
        "the predictor: settings and errors; `adopt` omits unknown entries",
        MODEL_KEYS,
    ),
)
TRAIN = (
    *MODEL,
    WrittenFile("split.tsv", "split of each subject", SPLIT_COLUMNS),
    WrittenFile("training.tsv", "one row per epoch", TRAINING_COLUMNS),
    WrittenFile("predictions.tsv", "predictions of the test split", PREDICTION_COLUMNS),
)
PREDICT = (
    WrittenFile("TABLE.tsv", "one row per subject", PREDICTION_COLUMNS),
    WrittenFile("TABLE.json", "figures of the predictions", PREDICT_KEYS),
)
