"""What `benchmark` writes."""

from __future__ import annotations

from interpbench.files.written.declared import WrittenFile, below
from interpbench.files.written.maps import OF_FILE
from interpbench.files.written.shared import FIGURES, INTERVAL

OF_ROW = {"participant_id": "subject", "method": "name of the method", "measure": "name of the measure"}
MEASURE_COLUMNS = {**OF_ROW, "value": "figure, in the measure's unit", "note": "why there is none"}
CURVE_COLUMNS = {**OF_ROW, "step": "step of the curve", "value": "figure at this step, in the measure's unit"}
ROW_COLUMNS = {**OF_ROW, "step": CURVE_COLUMNS["step"], "value": "figure", "note": MEASURE_COLUMNS["note"]}
SUMMARY_COLUMNS = {
    "measure": "name of the measure",
    "unit": "its unit",
    "direction": "which is better, `higher` or `lower`; n/a where it is only shown",
    "method": "name of the method",
    "n": "number of subjects",
    "mean": "mean over subjects, in the unit",
    "low": "lower end of its 95 % interval (BCa bootstrap over subjects)",
    "high": "upper end of it",
    "median": "median over subjects, in the unit",
    "sd": "standard deviation over subjects, in the unit",
    "mean_rank": "mean rank among the methods, 1 for the best",
    "best": "whether it is not told apart from the best",
}
MEASURES = {
    "name": "name of the measure",
    "metric": "metric that takes it",
    "unit": "its unit, empty for none",
    "direction": "which is better, `higher` or `lower`; null where it is only shown",
    "help": "what it is",
    "chance": "what a map that knows nothing gets; null where that is not known",
    "steps": "steps of a curve; empty for a number",
    "steps_name": "what the steps are, with their unit",
}
METHODS = {
    "name": "name in the tables",
    "method": "name of the method",
    "kind": "`method` or `floor`",
    "blurred": "whether its maps are smoothed copies",
    "signed": "whether values below 0 mean something",
    "learned": "whether it was fitted to the predictor",
    "options": "its options, by name",
    "distribution": "package that it is from, with its version",
    "training_seconds": "time in which it learned, in seconds; null where unknown",
}
NOTED = {**METHODS, "note": "why it has no maps, or not all; empty where it has"}
RESULTS = {
    "n": "number of subjects with a figure for every method that is compared",
    "methods.*.mean": "mean over subjects, in the measure's unit",
    "methods.*.sd": "standard deviation over subjects",
    "methods.*.median": "median over subjects",
    "methods.*.interval": INTERVAL,
    "methods.*.n": "number of subjects",
    "methods.*.mean_rank": "mean rank among the methods, 1 for the best; null where none is better",
    "friedman": "Friedman's test over all methods; null where it cannot be made",
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
    "best": "methods that are not told apart from the best",
    "groups": "groups of methods that are not told apart",
    "left_out.*": "why a method is not compared",
}
BENCHMARK_KEYS = {
    "predictor.fingerprint": "the predictor's fingerprint",
    "predictor.unit": "its unit",
    "predictor.name": "name of its component; null for a predictor without weights",
    "predictor.test": "null where nothing is known of its test split",
    **below("predictor.test", FIGURES),
    "settings": "settings that change figures, and options of each metric",
    "unit": "the predictor's unit",
    "n": "number of subjects",
    "subjects": "labels of the subjects",
    "seed": "seed of all that is random",
    **below("methods[]", NOTED),
    **below("measures[]", MEASURES),
    **below("results.*", RESULTS),
    "curves.*.*.mean": "mean curve of a measure and method, a value a step",
    "curves.*.*.interval": "95 % interval at each step",
    "curves.*.*.n": "number of subjects",
    "agreement": "Kendall's W and tau: how far measures rank the methods alike; null for fewer than two",
    "break_even": "from how many subjects on a learned method is cheaper than another",
    "verdict": "what the figures allow to say, sentences",
    "warnings": "sentences for the user",
}
OF_INPUT = {
    "participant_id": "subject",
    "age": "age, in years; null where unknown",
    "target": "what the prediction should be, in the unit; null where unknown",
    "image_sha256": "SHA-256 of the image",
    "mask_sha256": "SHA-256 of the mask; null without one",
    "truth_sha256": "SHA-256 of the subject's own truth; null without one",
}
SUBJECT_KEYS = {
    **OF_INPUT,
    "again": "whether methods ran again on the subject",
    "common_sha256": "SHA-256 over the states of all fits and the template",
    "excluded.*": "why a method has no maps at all",
    "missing.*": "why a method has no map of this subject",
    **OF_FILE,
}
MAP_KEYS = {
    **OF_INPUT,
    **METHODS,
    "seed": "seed of the run",
    "state_sha256": "SHA-256 of what a learned method knows; null for another",
    "predictor_sha256": "the predictor's fingerprint",
    "taken_from": "folder of `explain` that the map was taken from",
    "resampled": "folder of `explain` whose map was made anew, for it had been interpolated",
    **OF_FILE,
}
PLACE = "sub-X/sub-X_space-network_desc-METHOD_importance"
BENCHMARK = (
    WrittenFile("index.html", "the page: what the figures allow to say, tables, plots, maps"),
    WrittenFile("measures.tsv", "a row a subject, method and measure", MEASURE_COLUMNS),
    WrittenFile(
        "measures.json",
        "its sidecar",
        {"file": "name of the table", **below("measures[]", MEASURES), **below("methods[]", NOTED)},
    ),
    WrittenFile("curves.tsv", "a row a subject, method, measure and step", CURVE_COLUMNS),
    WrittenFile("summary.tsv", "a row a measure and method", SUMMARY_COLUMNS),
    WrittenFile("benchmark.json", "every figure, test and sentence", BENCHMARK_KEYS),
    WrittenFile("maps_of_one_subject.png", "maps of all methods of one subject, as percentile ranks in the brain"),
    WrittenFile("mean_maps.png", "mean maps of all methods, on the same slices"),
    WrittenFile("template.nii.gz", "the mean map that the floor `template` gives everybody"),
    WrittenFile(f"{PLACE}.nii.gz", "the map on the network's grid, as the method made it"),
    WrittenFile(f"{PLACE}.json", "where it comes from", MAP_KEYS),
    WrittenFile("sub-X/sub-X_desc-benchmark_measures.tsv", "the subject's figures", ROW_COLUMNS),
    WrittenFile("sub-X/sub-X_desc-benchmark_measures.json", "what they were made from; written last", SUBJECT_KEYS),
    WrittenFile("fitted/METHOD/FILE", "a folder of `fit`, of a learned method without one"),
    WrittenFile("refits/FILE", "what learned methods learned of shuffled weights"),
)
