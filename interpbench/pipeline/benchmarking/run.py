"""`benchmark`: the same predictors, the same subjects, every method, every measure, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.cohort.in_memory import CohortSource
from interpbench.errors import UsageError
from interpbench.host.trust import Names
from interpbench.options import checked_seed
from interpbench.pipeline.benchmarking.asked import AskedComparison, AskedWork, MadeBefore
from interpbench.pipeline.benchmarking.comparing import compare
from interpbench.pipeline.benchmarking.contestants import ALL
from interpbench.pipeline.benchmarking.networks import compare_networks
from interpbench.run.asked import AskedSubjects, Compute
from interpbench.run.places import placed_cohort
from interpbench.run.study import Study


def benchmark(
    cohort: CohortSource,
    predictor: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    methods: Sequence[str] = (ALL,),
    measures: Sequence[str] = (ALL,),
    options: Mapping[str, Any] | None = None,
    fitted: Sequence[str | Path] = (),
    maps: Sequence[str | Path] = (),
    floors: bool = True,
    blur: float = 1.0,
    template_of: str | None = None,
    regions: str | Path | None = None,
    truth: str | Path | None = None,
    split: str | None = "test",
    participants: Sequence[str] | None = None,
    subjects: int = 15,
    repeats: int = 2,
    refit_subjects: int = 32,
    target_class: str | None = None,
    batch_size: int = 8,
    seed: int = 0,
    device: str = "auto",
    processes: int | None = None,
    images: Mapping[str, Any] | None = None,
    trust_factory: Names = (),
) -> dict[str, Any]:
    """Compare methods on a predictor, or several: maps of the same subjects, every measure, statistics, a page.

    The same command again goes on where it was interrupted: maps are kept one by one, and so are the measures of each.

    Args:
        cohort: a folder with `participants.tsv`, a table, a DataFrame, or a list of images or rows.
        predictor: a model folder, or the name of a predictor without weights. Of several, each has a whole benchmark
            in `out/networks/NAME`, on the subjects that are in the split of all of them; `out` then gets
            `networks.json` and a page on what changes with the network.
        out: `measures.tsv` (a row a subject, method and measure; `measures.json` has units and directions),
            `curves.tsv`, `summary.tsv`, `benchmark.json`, `index.html`, `sub-X/` (maps on the network's grid).
        methods: explainers by name; `all` for every one that is installed.
        measures: metrics by name, or by that of one of their measures; `all` for every one that is installed.
        options: `{"METHOD.OPTION": value}`, likewise for metrics.
        fitted: folders of `fit`; a method that must learn and has none is fitted first, and kept in `out/fitted`.
        maps: folders of `explain`, whose maps are taken instead of being made.
        floors: whether the methods that know nothing of the network take part.
        blur: SD (voxels) of the Gaussian that makes a smoothed copy of each method's maps; 0 for no such copies.
        template_of: whose mean map is given to everybody, as the floor `template`; by default the first method that
            learns, else the first.
        regions: an atlas, for measures by region.
        truth: one truth for all in the template's space, not 0 where the importance must be; by default
            `truth.nii.gz` beside the cohort's table, where there is one. A column `truth` goes over it.
        split: train, validation or test; None for everybody.
        participants: labels; then `split` and `subjects` do not matter.
        subjects: how many of the split take part, drawn by `seed`; 0 for all.
        repeats: on how many of them methods are run again and again, for sensitivity, repeatability, randomised
            weights and cost; 0 for all.
        refit_subjects: training subjects of a learned method that is fitted again to randomised weights.
        target_class: of a classifier, the class whose logit is explained; None for the one on record.
        batch_size: volumes that go through the predictor at once.
        seed: of the draw of subjects, of every method and every measure.
        device: `auto`, `cpu` or `cuda`.
        processes: how many work on subjects side by side, each with one thread; None for as many as threads and
            memory allow. Of two and more the number changes no figure; one alone uses all threads, which may round
            otherwise. On a GPU it is one.
        images: how images are read, where not as always: `max_voxels`, `nan_to_zero`. See `ImageRules`.
        trust_factory: what the predictor's record may import, as for `load_predictor`; likewise records of `fitted`
            and `maps`, where options of a method name code.

    Returns:
        The content of `benchmark.json`; of several predictors, of `networks.json`.

    Raises:
        InputError: the predictor's answer is squashed, or the same for everybody.
        UsageError, PluginError: a method or measure that is asked for by name does not exist or cannot be loaded.
        SubjectsFailed: everything was written, but some subjects could not be read.
    """
    seed = checked_seed(seed)
    asked = AskedComparison(
        methods=methods,
        measures=measures,
        options=options or {},
        floors=floors,
        blur=blur,
        template_of=template_of,
        repeats=repeats,
        refit_subjects=refit_subjects,
        seed=seed,
    )
    before = MadeBefore(
        fitted=fitted,
        maps=maps,
        regions=None if regions is None else Path(regions),
        truth=None if truth is None else Path(truth),
    )
    several = [predictor] if isinstance(predictor, str | Path) else list(predictor)
    if not several:
        raise UsageError("give at least one predictor.")
    given = {"predictor": [Path(one) for one in several], "out": out, "options": options, **before.places}
    cohort = placed_cohort("benchmark", cohort, given)
    compute = Compute.on(device, batch_size)
    studies = [
        Study.open(
            cohort,
            one,
            compute.device,
            target_class=target_class,
            images=images,
            trust_factory=trust_factory,
        )
        for one in several
    ]
    work = AskedWork(
        subjects=AskedSubjects.of(split, participants), number=subjects, compute=compute, processes=processes
    )
    if len(studies) > 1:
        return compare_networks(studies, asked, before, work, Path(out))
    return compare(studies[0], asked, before, work, Path(out))
