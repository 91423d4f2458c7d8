"""`demo`: every step on a phantom whose truth is known, and a page to look at."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from interpbench.cohort.choosing import log
from interpbench.comparison.statistics import auc, interval
from interpbench.errors import ConflictError
from interpbench.files.atomic import read_json, write_json, write_text
from interpbench.files.run_folder import sidecar_of
from interpbench.images.volume import read_volume
from interpbench.options import checked_seed
from interpbench.phantom import write_phantom
from interpbench.pipeline.aggregating import aggregate
from interpbench.pipeline.benchmarking import benchmark
from interpbench.pipeline.demo_records import check_records
from interpbench.pipeline.explaining import explain
from interpbench.pipeline.fitted import read_fitted
from interpbench.pipeline.fitting import fit
from interpbench.pipeline.training import train
from interpbench.predictor.model import load_predictor
from interpbench.predictor.precision import fastest_precision
from interpbench.run.places import check_places

RECORD, PAGE, MARK = "demo.json", "index.html", ".demo"


@dataclass(frozen=True)
class DemoSettings:
    """What the demo does on a phantom of 4 mm, sized to minutes on two cores; in bfloat16 where that is fast.

    The paper's settings are for 13,750 scans of 1 mm; these keep the batch of 8 and little else.
    """

    subjects: int = 500
    voxel_size: float = 4.0  # mm
    train: Mapping[str, Any] = field(
        default_factory=lambda: {
            "epochs": 12,
            "batch_size": 8,
            "learning_rate": 2e-3,
            "schedule": "onecycle",
            "weight_decay": 1e-2,
            "flip": 0.5,
            "precision": fastest_precision(),
        }
    )
    network: Mapping[str, Any] = field(default_factory=lambda: {"width": 16})
    method: Mapping[str, Any] = field(
        default_factory=lambda: {
            "v_min": 0.0,
            "v_max": 1.0,
            "r": 0.5,
            "epochs": 2,
            "batch_size": 4,
            "learning_rate": 3e-3,
            "precision": fastest_precision(),
        }
    )
    rivals: tuple[str, ...] = ("occlusion", "saliency", "integratedgradients", "smoothgrad", "smoothgradsquared")
    measures: tuple[str, ...] = ("localisation", "deletion", "noise_tolerance", "infidelity", "complexity")
    benchmark: Mapping[str, Any] = field(
        default_factory=lambda: {"subjects": 14, "options": {"deletion.imputers": "mean,road"}}
    )


def demo(
    out: str | Path, *, seed: int = 0, device: str = "auto", settings: DemoSettings | None = None
) -> dict[str, Any]:
    """Phantom, train, fit U-noise, explain the test split, aggregate, compare with the truth and with other methods.

    Args:
        out: `phantom/`, `model/`, `fitted/`, `maps/`, `population/`, `benchmark/`, `demo.json` (the figures),
            `index.html`.
        seed: of the phantom and of everything after it.
        device: `auto`, `cpu` or `cuda`.
        settings: its size; the default takes minutes on two cores.

    Returns:
        The content of `demo.json`.

    Raises:
        ConflictError: `out` holds something else than a demo.
    """
    from interpbench.pipeline.demo_page import write_demo_page  # it needs nilearn and matplotlib

    seed = checked_seed(seed)
    chosen = settings or DemoSettings()
    out = Path(out)
    check_places("demo", {"out": out})
    _take(out)
    places = {name: out / name for name in ("phantom", "model", "fitted", "maps", "population", "benchmark")}
    clock = _Clock()
    given: dict[str, Any] = {"seed": seed, "device": device}
    with clock("phantom", f"{chosen.subjects} subjects at {chosen.voxel_size:g} mm"):
        write_phantom(places["phantom"], subjects=chosen.subjects, voxel_size=chosen.voxel_size, seed=seed)
    with clock("train", "training of a narrow 3D ResNet-18 to predict age"):
        model = train(places["phantom"], places["model"], options=chosen.network, **chosen.train, **given)
    with clock("fit", "fit of U-noise: how much noise each voxel tolerates"):
        options = dict(chosen.method)
        fit(places["phantom"], places["model"], places["fitted"], method="unoise", options=options, **given)
    with clock("explain", "a map for every test subject"):
        maps = explain(
            places["phantom"], places["model"], places["maps"], method="unoise", fitted=places["fitted"], **given
        )
    with clock("aggregate", "the population map"):
        population = aggregate(places["maps"], places["population"])
    with clock("benchmark", "benchmark of U-noise, other methods and floors"):
        compared = benchmark(
            places["phantom"],
            places["model"],
            places["benchmark"],
            methods=["unoise", *chosen.rivals],
            measures=chosen.measures,
            fitted=[places["fitted"]],
            maps=[places["maps"]],
            **chosen.benchmark,
            **given,
        )
    with clock("report", "the ground truth, the figures, the page"):
        fitted = read_fitted(places["fitted"])
        check_records(model, fitted, out)
        record: dict[str, Any] = {
            "seed": seed,
            "unit": model["unit"],
            "predictor": model["metrics"]["test"],
            "noise_floor": fitted["record"]["noise_floor"],
            "diagnostics": fitted["record"]["diagnostics"],
            "localisation": localise(places["phantom"], places["model"], maps, places["population"], seed=seed),
            "benchmark": {
                "n": compared["n"],
                "beliefs": [one["sentence"] for one in compared["beliefs"]],
                "verdict": compared["verdict"],
            },
            "warnings": _once([population, fitted["record"], compared]),
            "settings": {
                "subjects": chosen.subjects,
                "voxel_size": chosen.voxel_size,
                "train": chosen.train,
                "network": chosen.network,
                "method": fitted["options"],
                "rivals": chosen.rivals,
                "measures": chosen.measures,
                "benchmark": chosen.benchmark,
            },
        }
        commands = commands_of(chosen, seed)
        write_demo_page(out / PAGE, record, places, commands)
    record["commands"], record["seconds"] = commands, clock.seconds
    record["peak_memory_mib"] = peak_process_memory()
    write_json(out / RECORD, record)
    return dict(read_json(out / RECORD))


def _once(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The warnings of the steps' records, each once."""
    return list(dict.fromkeys(sentence for record in records for sentence in record["warnings"]))


def _take(out: Path) -> None:
    """Mark a new or empty folder as a demo's; one that is marked is gone on in.

    Raises:
        ConflictError: it holds something else.
    """
    if out.exists() and not out.is_dir():
        raise ConflictError(f"{out} is a file; the demo needs a folder.")
    if (out / MARK).is_file():
        return
    if out.is_dir() and any(out.iterdir()):
        raise ConflictError(f"{out} is not empty and is not a folder of the demo: give a new folder.")
    write_text(out / MARK, "")


def peak_process_memory() -> float | None:
    """The most memory that this process has had so far, in MiB; None on Windows, which does not say it this way."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes; Linux counts in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def localise(phantom: Path, model: Path, maps: list[Path], population: Path, *, seed: int = 0) -> dict[str, Any]:
    """AUC of the truth among brain voxels: of each subject's map, of the population's mean, and of what is pictured."""
    truth = read_volume(phantom / "truth.nii.gz").data[0]
    each = []
    for path in maps:
        sidecar = read_json(sidecar_of(path))
        brain = read_volume(phantom / sidecar["image"]).data[0] != 0
        each.append(auc(read_volume(path, constant_ok=True).data[0][brain], truth[brain]))
    recipe = load_predictor(model).recipe
    there = recipe.prepare(phantom / sidecar["image"]).to_network_grid(truth) > 0.5
    inside = read_volume(population / "population_brain.nii.gz").data[0] > 0
    whole = {}
    for name in ("mean", "top"):
        map = read_volume(population / f"population_{name}.nii.gz", constant_ok=True).data[0]
        whole[name] = auc(map[inside], there[inside])
    return {
        "subject_auc": float(np.mean(each)),
        "subject_auc_interval": interval(each, seed=seed),
        "subject_auc_sd": float(np.std(each, ddof=1)) if len(each) > 1 else None,
        "n": len(each),
        "population_auc": whole["mean"],
        "population_top_auc": whole["top"],
        "truth_share_of_brain": float(there[inside].double().mean()),
    }


def commands_of(settings: DemoSettings, seed: int) -> list[str]:
    """The command lines that do the same, step by step."""

    def options(values: Mapping[str, Any]) -> str:
        return " ".join(f"-o {name}={value}" for name, value in values.items())

    size = f"--subjects {settings.subjects} --voxel-size {settings.voxel_size:g}"
    trained, method = options({**settings.network, **settings.train}), options(settings.method)
    compared = f"--subjects {settings.benchmark.get('subjects', 20)} {options(settings.benchmark.get('options', {}))}"
    same, using = f"--seed {seed}", "--predictor model --method unoise"
    return [
        f"interpbench demo OUT {same}",
        "# or, step by step:",
        f"interpbench phantom phantom {size} {same}",
        f"interpbench train phantom --out model {same} {trained}",
        f"interpbench fit phantom {using} --out fitted {same} {method}",
        f"interpbench explain phantom {using} --fitted fitted --out maps {same}",
        "interpbench aggregate maps --out population",
        (
            f"interpbench benchmark phantom --predictor model --methods unoise,{','.join(settings.rivals)}"
            f" --measures {','.join(settings.measures)} --fitted fitted --maps maps --out benchmark {same} {compared}"
        ),
    ]


class _Clock:
    """Tells each step as it begins and ends, and keeps how long it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, step: str, what: str) -> _Step:
        log.info("%s: %s", step, what)
        return _Step(lambda seconds: self._done(step, seconds))

    def _done(self, step: str, seconds: float) -> None:
        self.seconds[step] = round(seconds, 1)
        log.info("%s: done in %.0f s", step, seconds)


@dataclass
class _Step:
    done: Callable[[float], None]
    started: float = field(default_factory=time.perf_counter)

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self.done(time.perf_counter() - self.started)
