"""What `train`, `adopt` and `predict` write."""

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
    "training_loss": "of a classifier: cross-entropy on the training split",
    "validation_loss": "of a classifier: cross-entropy on the validation split",
    "validation_accuracy": "of a classifier: accuracy on the validation split, 0 to 1",
}
PREDICTION_COLUMNS = {
    "participant_id": "subject",
    "age": "age, in years",
    "target": "true value, where another number than age is predicted",
    "prediction": "prediction, in the predictor's unit",
    "true_class": "of a classifier: the subject's class",
    "predicted_class": "of a classifier: the most probable class",
    "target_class": "of a classifier: the class that logit and probability are of",
    "logit": "of a classifier: logit of the target class",
    "probability": "of a classifier: its probability, 0 to 1",
    "split": "split of the predictor's own division",
}
TRIAL = {
    "volumes": "volumes on which the network was tried",
    "n": "how many",
    "answers": "its answers, in the unit",
    "repeat_difference": "largest difference between two answers to one volume, in the unit",
    "batch_difference": "largest difference between alone and beside others, in the unit",
    "largest_gradient": "largest gradient by a voxel, in the unit per SD of the volume",
    "found": "of `adopt`: what the trial found against the network",
    "accepted": "of `adopt`: what of it was accepted",
}
TYPICAL = {
    "cells": "cells of the coarse grid along each axis",
    "mean_and_directions": "mean image and principal components, float16 in base64",
    "distance": "median distance of a training image from what these explain",
    "limit": "distance beyond which an image is unlike the training images",
    "flips": "how much worse training images fit when flipped along each axis",
    "brain_voxels": "least and largest number of brain voxels",
    "orientation": "where voxel indices grow to",
}
MODEL_KEYS = {
    "predictor": "name of the network's component",
    "options": "its options, by name",
    "distribution": "package that it is from, with its version",
    **RECIPE,
    "unit": "unit of the prediction",
    "scale": "factor from read-out to prediction",
    "offset": "what is added to it, in the unit",
    **TARGET,
    "training_age_range": "least and largest training age, in years",
    "training_range": "least and largest of another number in training, in its unit",
    "training_mean": "mean of the training split, in the unit",
    "training_counts.*": "of a classifier: number of training subjects of each class",
    "metrics.subjects": "number of subjects",
    "metrics.training_subjects": "number of training subjects",
    "metrics.best_epoch": "epoch that was kept",
    "metrics.validation.n": "number of validation subjects",
    "metrics.validation.mae": "mean absolute error on the validation split, in the unit",
    "metrics.validation.loss": "of a classifier: cross-entropy on the validation split",
    "metrics.validation.accuracy": "of a classifier: accuracy on the validation split, 0 to 1",
    **below("metrics.test", FIGURES),
    "metrics.test": "figures on the test split; null without one",
    "split": "file with the split",
    "warnings": "sentences about the predictor, which go with every result",
    **below("training_images", TYPICAL),
    **below("trial", TRIAL),
    **LABELS,
    "training": "settings of the training, by name",
    "fingerprint": "SHA-256 over all that makes its predictions",
    "sha256": "SHA-256 of `model.safetensors`",
}
PREDICT_KEYS = {
    "predictor": "the predictor's fingerprint",
    "unit": "unit of the predictions",
    **{name: meaning for name, meaning in TARGET.items() if name != "task"},
    "n": "number of predicted subjects",
    "figures.*": "figures of a split, or of `all`; null where no truth is known",
    **below("figures.*", FIGURES),
    **DOUBTS,
    **below("failures[]", {"participant_id": "subject that failed", "file": "file at fault", "message": "why"}),
    **below("identity", {**VERSIONS, **PREDICTOR, **IMAGES, **MACHINE, **RECIPE}),
}
MODEL = (
    WrittenFile("model.safetensors", "weights of the network"),
    WrittenFile(
        "model.json",
        "the predictor: what it is, and how well it predicts; `adopt` leaves out what it cannot know",
        MODEL_KEYS,
    ),
)
TRAIN = (
    *MODEL,
    WrittenFile("split.tsv", "who was trained on", SPLIT_COLUMNS),
    WrittenFile("training.tsv", "a row an epoch", TRAINING_COLUMNS),
    WrittenFile("predictions.tsv", "predictions of the test split", PREDICTION_COLUMNS),
)
PREDICT = (
    WrittenFile("TABLE.tsv", "a row a subject", PREDICTION_COLUMNS),
    WrittenFile("TABLE.json", "figures of the predictions", PREDICT_KEYS),
)
