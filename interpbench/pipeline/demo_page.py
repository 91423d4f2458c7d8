"""What the demo's page shows: figures with unit and n, pictures beside the truth, curves, warnings, commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interpbench.doubts import PREDICTOR, from_record, kind_of
from interpbench.files.atomic import read_json
from interpbench.images.volume import read_volume
from interpbench.pipeline.aggregating import paint_above
from interpbench.pipeline.demo_records import training_curve
from interpbench.pipeline.fitted import read_fitted
from interpbench.predictor.model import load_predictor
from interpbench.report.curves import Chart, Curve
from interpbench.report.page import Figure, write_report_page
from interpbench.report.pictures import six_slices, write_picture
from interpbench.report.view import View
from interpbench.version import __version__

PICTURE = "population_and_truth.png"
SLICES_MM = (-24, -16, -8, 4, 16, 28)  # through hippocampi and ventricles
PACKAGES = ("torch", "monai", "nibabel", "nilearn", "numpy", "scipy")
ABOUT = (
    (
        "A 3D ResNet-18 was trained to predict the age of synthetic brains. U-noise then learned how"
        " much noise each voxel"
        " tolerates before the prediction gets worse; voxels that tolerate little are important. The"
        " map below is the mean"
        " over the test subjects, its top 10 % of brain voxels, smoothed by a Gaussian of one voxel, as in Bintsi et"
        " al. 2021, Fig. 2."
    ),
    (
        "In these brains age acts in two regions only, around the ventricles and in the hippocampi,"
        " and its effect there"
        " is known: the ground truth is the difference between the mean subject at 44 and at 73 years. Lesions, wider"
        " Sylvian fissures, tissue contrast and deformations vary between subjects independently of age."
    ),
)


def write_demo_page(path: Path, record: Mapping[str, Any], places: Mapping[str, Path], commands: Sequence[str]) -> None:
    """Draw the population map beside the truth, and write the page."""
    folder = places["population"]
    summary = read_json(folder / "population.json")
    top = read_volume(folder / "population_top.nii.gz", constant_ok=True)
    background = read_volume(folder / "population_background.nii.gz").data[0].numpy()
    recipe = load_predictor(places["model"]).recipe
    any_image = next((places["phantom"]).glob("sub-*/anat/*_T1w.nii.gz"))
    difference = read_volume(places["phantom"] / "truth_difference.nii.gz").data[0]
    truth = recipe.prepare(any_image).to_network_grid(difference)
    picture = folder / PICTURE
    painted = paint_above(top.data[0], read_volume(folder / "population_brain.nii.gz").data[0] > 0)
    slices = [round(float((z - top.affine[2, 3]) / top.affine[2, 2])) for z in SLICES_MM]
    drawn = six_slices(
        top.data[0].numpy(),
        background,
        top.affine,
        title="Importance by U-noise: mean over subjects, top 10 % of the brain, smoothed",
        unit="1 - B (no unit)",
        n=summary["n"],
        truth=truth.numpy(),
        truth_title="Ground truth: where age changes the average brain",
        truth_unit="intensity",
        truth_threshold=0.1 * float(truth.max()),
        threshold=painted,
        positions=slices,
        doubt=next((str(one) for one in from_record(summary) if kind_of(one) == PREDICTOR), None),
    )
    write_picture(drawn, picture)
    compared = record["benchmark"]
    write_report_page(
        path,
        title="interpbench demo: U-noise on a phantom",
        about=(
            *ABOUT,
            f"Comparison with other methods, n = {compared['n']} test subjects (details in benchmark/index.html):",
            *compared["beliefs"],
        ),
        figures=figures_of_demo(record),
        pictures=[("Population importance map, and the ground truth at the same slices", picture)],
        charts=_charts(record, places),
        view=View(top.data[0].numpy(), background, top.affine, "Population importance map", "1 - B", painted),
        warnings=record["warnings"],
        commands=commands,
        versions={"interpbench": __version__, **{name: version(name) for name in PACKAGES}},
    )


def figures_of_demo(record: Mapping[str, Any]) -> list[Figure]:
    """The rows of the demo's table of figures."""
    test, unit = record["predictor"], record["unit"]
    floor, after, found = record["noise_floor"], record["diagnostics"], record["localisation"]
    pair = _pair
    return [
        Figure("Predictor: mean absolute error, test split", test["mae"], unit, test["n"], pair(test["mae_interval"])),
        Figure(
            "Error of predicting the mean age",
            test["mean_predictor_mae"],
            unit,
            test["n"],
            pair(test["mean_predictor_interval"]),
        ),
        Figure(
            "U-noise: AUC of the ground truth per subject",
            found["subject_auc"],
            "0.5 is chance",
            found["n"],
            pair(found["subject_auc_interval"]),
        ),
        Figure("U-noise: AUC of the truth, population mean", found["population_auc"], "0.5 is chance", found["n"]),
        Figure("Error without noise, validation split", floor["clean_mae"], unit, floor["n"]),
        Figure("Error with minimum noise, B = 0", floor["mae_at_0"], unit, floor["n"]),
        Figure("Error with maximum noise, B = 1", floor["mae_at_1"], unit, floor["n"]),
        Figure(
            "Error with the learned noise, raw", after["noisy_mae"], unit, after["n"], note="noise shifts predictions"
        ),
        Figure(
            "Error with the learned noise, recalibrated",
            after["recalibrated_mae"],
            unit,
            after["n"],
            note="after a line fitted on training subjects",
        ),
        Figure("Mask B: mean in the brain", after["mask_mean"], "no unit", after["n"]),
        Figure("Mask B: SD in the brain", after["mask_sd"], "no unit", after["n"]),
        Figure("Mask B: share of the brain below 0.01", after["share_below_0.01"], "no unit", after["n"]),
        Figure("Mask B: share of the brain above 0.99", after["share_above_0.99"], "no unit", after["n"]),
        Figure("Correlation of maps between subjects", after["map_correlation"], "no unit", after["n"]),
    ]


def _charts(record: Mapping[str, Any], places: Mapping[str, Path]) -> list[Chart]:
    curve = training_curve(places["model"] / "training.tsv", ("epoch", "training_rmse", "validation_mae"))
    epochs = curve["epoch"]
    unit = record["unit"]
    charts = [
        Chart(
            "Predictor",
            "epoch",
            f"error ({unit})",
            [
                Curve("training, root mean square", epochs, curve["training_rmse"]),
                Curve("validation, mean absolute", epochs, curve["validation_mae"]),
            ],
            levels=[("predicting the mean", record["predictor"]["mean_predictor_mae"])],
        ),
    ]
    curves = read_fitted(places["fitted"])["record"]["curves"]
    labels = {"pretraining": "mean squared error (SD²)", "noise_model": f"validation loss ({unit}²)"}
    for name, label in labels.items():
        rows_of = curves.get(name, [])
        if rows_of:
            steps = [float(row["epoch"]) for row in rows_of]
            losses = [float(row["validation_loss"]) for row in rows_of]
            title = f"U-noise, {name.replace('_', ' ')}"
            charts.append(Chart(title, "epoch", label, [Curve("validation", steps, losses)]))
    return charts


def _pair(bounds: Sequence[float] | None) -> tuple[float, float] | None:
    return None if bounds is None else (bounds[0], bounds[1])
