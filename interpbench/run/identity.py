"""What makes a run itself: everything that it reads and that can change its result, put together in one place.

A step says in `READS` which entries it has, hands them to `identity_of`, and gets what its manifest begins with. The
SHA-256 over that is the run's identity (`RunFolder.identity`). Whoever finds another identity in a folder makes its
files anew and says so, or refuses the folder. Besides the entries, every identity has the versions of interpbench and
of the packages that compute.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from interpbench.cohort.samples import target_of
from interpbench.cohort.subjects import Cohort, Subject
from interpbench.contract.interfaces import Predictor
from interpbench.files.hashes import Hashes
from interpbench.files.named_files import files_in, hashes_of
from interpbench.files.run_folder import NEVER_ANEW
from interpbench.files.source_code import source_files, source_sha256
from interpbench.host.registry import Installed, discover
from interpbench.options import options_json
from interpbench.predictor.model import RECORD, WEIGHTS
from interpbench.progress import track

_COMPONENT = ("distribution", "options", "option_files", "code_sha256")
_PREDICTOR = ("predictor_sha256", "predictor_record_sha256", "predictor_distribution", "predictor_files")
_COHORT = ("cohort_sha256", "splits_sha256")
READS: Mapping[str, tuple[str, ...]] = {
    "train": ("predictor", *_COMPONENT, "target", "settings", "recipe", "cohort_sha256", "images", "machine"),
    "plant": ("settings", "seed", "cohort_sha256", "labels_sha256", "atlas_sha256", "images"),
    "fit": ("method", *_COMPONENT, *_PREDICTOR, *_COHORT, "seed", "images", "machine"),
    "search": ("method", *_COMPONENT, "combinations", *_PREDICTOR, *_COHORT, "seed", "images", "machine"),
    "explain": ("method", *_COMPONENT, *_PREDICTOR, "learned", "seed", "whole", "images", "machine"),
    "aggregate": ("aggregator", *_COMPONENT, "maps", "explained"),
    "predict": (*_PREDICTOR, "images", "machine"),
    "benchmark": (
        "methods",
        "measures",
        *_PREDICTOR,
        "maps",
        "participants",
        "blur",
        "template_of",
        "regions_sha256",
        "truth_sha256",
        "repeats",
        "refit_subjects",
        "learners_sha256",
        "seed",
        "images",
        "machine",
    ),
}
"""The entries of each step's identity. A component's and a predictor's are those of `read_component` and
`read_predictor`."""
READS_OF_SUBJECT: Mapping[str, tuple[str, ...]] = {
    "explain": ("image_sha256", "mask_sha256", "age"),
    "benchmark": ("image_sha256", "mask_sha256", "truth_sha256", "distractors_sha256", "age", "target"),
}
"""What stands beside one subject's files, and is compared before they are kept."""


@dataclass(frozen=True)
class InputFile:
    """A file that a run reads: what it is to the run, where it lies, and its SHA-256."""

    what: str
    file: Path
    sha256: str

    @classmethod
    def at(cls, what: str, file: Path | str, hashes: Hashes) -> InputFile:
        """A file with its present hash.

        Raises:
            InputError: it cannot be read.
        """
        return cls(what, Path(file).absolute(), hashes.of(file))


@dataclass(frozen=True)
class IdentityPart:
    """A part of what a run reads: entries of its identity, and the files that they stand for."""

    entries: Mapping[str, Any]
    files: Sequence[InputFile] = field(default=())


def identity_of(step: str, parts: Iterable[IdentityPart], follows: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's manifest holds of what the run reads.

    Args:
        parts: everything that `READS` names for the step, each entry once.
        follows: values that follow from the entries, and are written down for whoever reads the manifest.
    """
    entries: dict[str, Any] = {}
    for part in parts:
        entries |= part.entries
    if set(entries) != set(READS[step]):
        raise RuntimeError(f"the identity of {step!r} has the entries {sorted(entries)}, not {sorted(READS[step])}")
    first = {name: value for name, value in follows.items() if name in NEVER_ANEW}
    before = READS[step].index("predictor_sha256") if "predictor_sha256" in READS[step] else len(READS[step])
    named = [(name, entries[name]) for name in READS[step]]
    return {**dict(named[:before]), **first, **dict(named[before:]), **follows}


def input_rows(parts: Iterable[IdentityPart]) -> list[dict[str, Any]]:
    """The rows of `inputs.tsv`: each file once."""
    files = {one.file: one for part in parts for one in part.files}
    return [{"what": one.what, "file": one.file, "sha256": one.sha256} for one in files.values()]


def read_component(component: Any, installed: Installed, hashes: Hashes) -> IdentityPart:
    """A component: where it comes from, its options, the files that they name, and its own source code."""
    return IdentityPart(
        {
            "distribution": distribution_of(installed),
            "options": options_json(component),
            "option_files": hashes_of(files_in(component), hashes.of),
            "code_sha256": source_sha256([type(component)]),
        },
        [InputFile.at(f"option {name}", file, hashes) for name, file in files_in(component).items() if file.is_file()],
    )


def read_predictor(
    source: str | Path, predictor: Predictor, record: Mapping[str, Any], fingerprint: str, hashes: Hashes
) -> IdentityPart:
    """A predictor: its fingerprint, the bytes of its record, its plugin, and files that its options name.

    Args:
        record: the content of `model.json`; empty where it has none.
        fingerprint: the predictor's.
    """
    folder = Path(source)
    name = str(record["predictor"]) if record else str(source)
    files = [
        InputFile.at("predictor", folder / one, hashes)
        for one in (RECORD, WEIGHTS, "split.tsv")
        if record and (folder / one).is_file()
    ]
    files += [InputFile.at("code", file, hashes) for file in source_files(predictor.code)]
    return IdentityPart(
        {
            "predictor_sha256": fingerprint,
            "predictor_record_sha256": hashes.of(folder / RECORD) if record else None,
            "predictor_distribution": distribution_of(discover().find("predictor", name)),
            "predictor_files": hashes_of(files_in(predictor), hashes.of),
        },
        files,
    )


def read_cohort_files(cohort: Cohort, hashes: Hashes) -> IdentityPart:
    """A whole cohort: its table with the JSON beside it, every image and mask."""
    tables = [file for file in (cohort.table, cohort.table.with_suffix(".json")) if file.is_file()]
    files = [InputFile.at("table", file, hashes) for file in tables]
    digest = hashlib.sha256("".join(one.sha256 for one in files).encode())
    for subject in track(cohort.subjects, "checking files", unit="subject"):
        for what, file in (("image", subject.image), ("mask", subject.mask)):
            if file is not None:
                files.append(InputFile.at(what, file, hashes))
            digest.update(b"none" if file is None else files[-1].sha256.encode())
    return IdentityPart({"cohort_sha256": digest.hexdigest()}, files)


def read_labels_of(subjects: Sequence[Subject], hashes: Hashes) -> IdentityPart:
    """The label image of each subject; of nobody, where labels are not read."""
    files = [InputFile.at("labels", one.labels, hashes) for one in subjects if one.labels is not None]
    return IdentityPart({"labels_sha256": digest_of([one.sha256 for one in files]) if files else None}, files)


def read_splits(splits: Mapping[str, str]) -> IdentityPart:
    """The identity part of a split: the split of each subject."""
    return IdentityPart({"splits_sha256": digest_of(sorted(splits.items()))})


def read_file(what: str, file: str | Path | None, hashes: Hashes) -> IdentityPart:
    """The identity part of a single file; its hash is None without a file."""
    found = None if file is None else InputFile.at(what, file, hashes)
    return IdentityPart({f"{what}_sha256": found and found.sha256}, [found] if found else [])


def read_machine(device: torch.device, threads: int | None = None) -> IdentityPart:
    """What computes: the kind of device, and on a CPU the number of threads, which changes last digits.

    Args:
        threads: those of one process, where it is not torch's number now.
    """
    number = threads or torch.get_num_threads()
    return IdentityPart({"machine": {"device": device.type, **({"threads": number} if device.type == "cpu" else {})}})


def read_settings(**settings: Any) -> IdentityPart:
    """The identity part of the values that the user gave."""
    return IdentityPart(settings)


def read_of_subject(step: str, subject: Subject, predictor: Predictor, hashes: Hashes) -> dict[str, Any]:
    """What a step reads of one subject, as it stands beside the subject's files.

    Raises:
        InputError: one of the files cannot be read.
    """
    found: dict[str, Any] = {
        "image_sha256": hashes.of(subject.image),
        "mask_sha256": hashes.of(subject.mask) if subject.mask else None,
        "age": subject.age,
    }
    if step == "benchmark":
        found["truth_sha256"] = hashes.of(subject.truth) if subject.truth else None
        found["distractors_sha256"] = hashes.of(subject.distractors) if subject.distractors else None
        target = target_of(subject, predictor)
        found["target"] = subject.cell(predictor.target_column) if math.isnan(target) else target
    return {name: found[name] for name in READS_OF_SUBJECT[step]}


def distribution_of(installed: Installed) -> str:
    """Name and version of the distribution that a component comes from."""
    return f"{installed.plugin.distribution} {installed.plugin.version}"


def digest_of(value: Any) -> str:
    """SHA-256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
