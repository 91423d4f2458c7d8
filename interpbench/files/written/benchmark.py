"""Files that `benchmark` writes."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile, below
from interpbench.files.written.maps import OF_FILE
from interpbench.files.written.shared import FIGURES, INTERVAL

OF_ROW = {"participant_id": "subject", "method": "name of the method", "measure": "name of the measure"}
MEASURE_COLUMNS = {**OF_ROW, "value": "figure, in the measure's unit", "note": "reason for a missing value"}
CURVE_COLUMNS = {**OF_ROW, "step": "step of the curve", "value": "figure at this step, in the measure's unit"}
ROW_COLUMNS = {**OF_ROW, "step": CURVE_COLUMNS["step"], "value": "figure", "note": MEASURE_COLUMNS["note"]}
SUMMARY_COLUMNS = {
    "measure": "name of the measure",
    "unit": "its unit",
    "direction": "better values, `higher` or `lower`; n/a for measures that are only shown",
    "method": "name of the method",
    "n": "number of subjects",
    "mean": "mean over subjects, in the unit",
    "low": "lower end of its 95 % interval (BCa bootstrap over subjects)",
    "high": "upper end of its 95 % interval",
    "median": "median over subjects, in the unit",
    "sd": "standard deviation over subjects, in the unit",
    "mean_rank": "mean rank among the methods, 1 for the best",
    "best": "whether it is not distinguished from the best",
}
MEASURES = {
    "name": "name of the measure",
    "metric": "metric that computes it",
    "unit": "its unit, empty for none",
    "direction": "better values, `higher` or `lower`; null for measures that are only shown",
    "help": "description of the measure",
    "chance": "value for a map without information; null if unknown",
    "steps": "steps of a curve; empty for a number",
    "steps_name": "quantity of the steps, with its unit",
    "family": "property of a map that it measures, such as `faithfulness`",
    "needs_truth": "whether it needs a known ground truth",
    "question": "short description for sentences; empty for the help",
    "limits": "sentence on what cannot be concluded from it; empty for none",
    "leads": "rank among its metric's measures for the sentences of the verdict; 0 for none",
    "column": "whether the first table of the page always has it",
    "axis": "name of the vertical axis that it shares with other curves; empty for none",
    "variant": "variant of the metric's figure, such as an imputer; empty for none",
    "varied": "difference between the variants; empty for none",
    "chance_by": "measure with the chance level of each method; empty for none",
    "ceiling_by": "measure with the maximum for each method; empty for none",
}
METHODS = {
    "name": "name in the tables",
    "method": "name of the method",
    "kind": "`method` or `floor`",
    "template": "whether it is a floor with one map for all subjects, from a file",
    "blurred": "whether its maps are smoothed copies",
    "signed": "whether values below 0 mean something",
    "learned": "whether it was fitted to the predictor",
    "options": "its options, by name",
    "distribution": "package that provides it, with its version",
    "training_seconds": "time of fitting, in seconds; null if unknown",
}
NOTED = {**METHODS, "note": "reason for missing maps; empty if all maps exist"}
RESULTS = {
    "n": "number of subjects with a figure for every method that is compared",
    "methods.*.mean": "mean over subjects, in the measure's unit",
    "methods.*.sd": "standard deviation over subjects",
    "methods.*.median": "median over subjects",
    "methods.*.interval": INTERVAL,
    "methods.*.n": "number of subjects",
    "methods.*.mean_rank": "mean rank among the methods, 1 for the best; null if the measure has no direction",
    "friedman": "Friedman's test over all methods; null if undefined",
    "friedman.statistic": "its statistic",
    "friedman.df": "degrees of freedom",
    "friedman.p": "p value",
    "friedman.n": "number of subjects",
    "friedman.k": "number of methods",
    "pairs[].a": "first method of a pair",
    "pairs[].b": "second method",
    "pairs[].n": "number of subjects with both",
    "pairs[].difference": "mean of first minus second, in the measure's unit",
    "pairs[].difference_interval": INTERVAL,
    "pairs[].p": "p value of Wilcoxon's signed-rank test",
    "pairs[].p_holm": "the same, after Holm's correction over all pairs",
    "pairs[].effect": "rank-biserial correlation, -1 to 1",
    "best": "methods that are not distinguished from the best",
    "groups": "groups of methods that are not distinguished",
    "left_out.*": "reason why a method is not compared",
}
BENCHMARK_KEYS = {
    "predictor.fingerprint": "the predictor's fingerprint",
    "predictor.unit": "its unit",
    "predictor.name": "name of its component; null for a predictor without weights",
    "predictor.test": "null if its test split is unknown",
    **below("predictor.test", FIGURES),
    "settings": "settings that change figures, and options of each metric",
    "unit": "the predictor's unit",
    "n": "number of subjects",
    "subjects": "labels of the subjects",
    "seed": "seed of the random numbers",
    **below("methods[]", NOTED),
    **below("measures[]", MEASURES),
    **below("results.*", RESULTS),
    "curves.*.*.mean": "mean curve of a measure and method, one value per step",
    "curves.*.*.interval": "95 % interval at each step",
    "curves.*.*.n": "number of subjects",
    "agreement": "Kendall's W and tau: agreement of the measures' rankings; null for fewer than two measures",
    "break_even": "number of subjects from which a fitted method is faster than another",
    "verdict": "conclusions that the figures allow, sentences",
    "warnings": "warnings for the user, sentences",
}
OF_INPUT = {
    "participant_id": "subject",
    "age": "age, in years; null if unknown",
    "target": "target of the prediction, in the unit; null if unknown",
    "image_sha256": "SHA-256 of the image",
    "mask_sha256": "SHA-256 of the mask; null without one",
    "truth_sha256": "SHA-256 of the subject's own ground truth; null without one",
}
SUBJECT_KEYS = {
    **OF_INPUT,
    "again": "whether methods ran several times on the subject",
    "common_sha256": "SHA-256 over the states of all fits and the template",
    "excluded.*": "reason why a method has no maps",
    "missing.*": "reason why a method has no map of this subject",
    **OF_FILE,
}
MAP_KEYS = {
    **OF_INPUT,
    **METHODS,
    "seed": "seed of the run",
    "state_sha256": "SHA-256 of a fitted method's state; null for other methods",
    "predictor_sha256": "the predictor's fingerprint",
    "taken_from": "folder of `explain` that the map was taken from",
    "resampled": "folder of `explain` whose interpolated map was computed again",
    **OF_FILE,
}
PLACE = "sub-X/sub-X_space-network_desc-METHOD_importance"
BENCHMARK = (
    WrittenFile("index.html", "the page: conclusions, tables, plots, maps"),
    WrittenFile("measures.tsv", "one row per subject, method and measure", MEASURE_COLUMNS),
    WrittenFile(
        "measures.json",
        "its sidecar",
        {"file": "name of the table", **below("measures[]", MEASURES), **below("methods[]", NOTED)},
    ),
    WrittenFile("curves.tsv", "one row per subject, method, measure and step", CURVE_COLUMNS),
    WrittenFile("summary.tsv", "one row per measure and method", SUMMARY_COLUMNS),
    WrittenFile("benchmark.json", "every figure, test and sentence", BENCHMARK_KEYS),
    WrittenFile("maps_of_one_subject.png", "maps of all methods of one subject, as percentile ranks in the brain"),
    WrittenFile("mean_maps.png", "mean maps of all methods, on the same slices"),
    WrittenFile("template.nii.gz", "the mean map that is the floor `template`"),
    WrittenFile(f"{PLACE}.nii.gz", "the map on the network's grid, as the method made it"),
    WrittenFile(f"{PLACE}.json", "origin of the map", MAP_KEYS),
    WrittenFile("sub-X/sub-X_desc-benchmark_measures.tsv", "the subject's figures", ROW_COLUMNS),
    WrittenFile("sub-X/sub-X_desc-benchmark_measures.json", "inputs of the figures; written last", SUBJECT_KEYS),
    WrittenFile("fitted/METHOD/FILE", "a folder of `fit`, for a method without --fitted"),
    WrittenFile("refits/FILE", "fits to shuffled weights"),
)
