"""One cohort and one predictor, opened for a command: what each step begins with, made once and passed on."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpbench.cohort.choosing import choose, open_cohort
from interpbench.cohort.persons import doubts_about_splits
from interpbench.cohort.prepared_cache import PreparedCache
from interpbench.cohort.prepared_once import PreparedOnce
from interpbench.cohort.recorded_splits import recorded_splits
from interpbench.cohort.subjects import Cohort, Subject
from interpbench.contract.interfaces import Predictor
from interpbench.doubts import Doubt
from interpbench.files.hashes import Hashes
from interpbench.host.trust import Names, names_of
from interpbench.images.recipe import Recipe
from interpbench.images.typical import Typical, typical_of
from interpbench.predictor.model import open_predictor
from interpbench.run.asked import AskedSubjects
from interpbench.run.identity import IdentityPart, InputFile, read_cohort_files, read_of_subject, read_predictor
from interpbench.run.provenance import target_of_run
from interpbench.run.trying import try_before_use


@dataclass(frozen=True)
class Tried:
    """The result of a predictor's trial that did not refuse it."""

    doubts: tuple[str, ...]  # they belong beside each of its results
    volumes: Tensor  # `(B, 1, I, J, K)`, what it was tried on


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A cohort that was read and checked, and a predictor that was loaded.

    Whatever else a command asks of them is found out when it is first asked for, and then known: which splits are on
    record, what the predictor's trial says, the hashes of all files, and each subject on the network's grid.
    """

    source: str | Path  # the predictor's folder, or its name
    predictor: Predictor
    record: Mapping[str, Any]  # the content of `model.json`; empty where the predictor has no folder
    cohort: Cohort
    device: torch.device
    hashes: Hashes
    prepared: PreparedOnce
    trusted: tuple[str, ...] = ()  # names of code that records may import
    _tried: list[Tried] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        cohort: str | Path,
        predictor: str | Path,
        device: torch.device,
        *,
        target_class: str | None = None,
        images: Mapping[str, Any] | None = None,
        cache: str | Path | None = None,
        trust_factory: Names = (),
    ) -> Study:
        """Load the predictor, then read the cohort, and say who is left out, and why.

        Args:
            device: where the predictor computes.
            target_class: of a classifier, the class whose logit counts; None for the one on record.
            images: how images are read, see `ImageRules`.
            cache: a folder for prepared volumes, which other runs share.
            trust_factory: what the predictor's record may import.

        Raises:
            InputError: no predictor, no table, or nobody in it can be used.
            UsageError: no such class or rule.
        """
        hashes = Hashes()
        loaded, record = open_predictor(
            predictor, str(device), target_class, trust_factory=trust_factory, hashes=hashes
        )
        return cls(
            source=predictor,
            predictor=loaded,
            record=record,
            cohort=open_cohort(cohort, need_age=False, images=images),
            device=device,
            hashes=hashes,
            prepared=PreparedOnce(loaded.recipe, None if cache is None else PreparedCache(cache, hashes)),
            trusted=names_of(trust_factory),
        )

    @property
    def folder(self) -> Path:
        """The predictor's folder, if it was loaded from one."""
        return Path(self.source)

    @property
    def recipe(self) -> Recipe:
        """The predictor's recipe."""
        return self.predictor.recipe

    @functools.cached_property
    def fingerprint(self) -> str:
        """The predictor's fingerprint."""
        return self.predictor.fingerprint

    @functools.cached_property
    def typical(self) -> Typical | None:
        """The summary of the predictor's training images; None without one."""
        return typical_of(self.record, self.source)

    @functools.cached_property
    def splits(self) -> dict[str, str] | None:
        """The split of each subject, as the predictor's folder or the table has it; None where neither says any."""
        return recorded_splits(self.cohort, self.folder)

    @functools.cached_property
    def read_predictor(self) -> IdentityPart:
        """The predictor's part of a run's identity."""
        return read_predictor(self.source, self.predictor, self.record, self.fingerprint, self.hashes)

    @functools.cached_property
    def read_cohort_files(self) -> IdentityPart:
        """The whole cohort's part of a run's identity."""
        return read_cohort_files(self.cohort, self.hashes)

    @property
    def follows(self) -> dict[str, Any]:
        """What a manifest says of the predictor beside its identity."""
        return {**target_of_run(self.predictor), "recipe": self.recipe.to_json()}

    def read_of(self, step: str, subject: Subject) -> dict[str, Any]:
        """What a step reads of one subject, as it stands beside the subject's files.

        Raises:
            InputError: one of the files cannot be read.
        """
        return read_of_subject(step, subject, self.predictor, self.hashes)

    def input_file(self, what: str, file: Path | str) -> InputFile:
        """A file that the command reads, with its hash.

        Raises:
            InputError: it cannot be read.
        """
        return InputFile.at(what, file, self.hashes)

    def chosen(self, asked: AskedSubjects, splits: Mapping[str, str] | None) -> list[Subject]:
        """The subjects asked for, in the order of their labels.

        Args:
            splits: `{id: split}`; None where there is no division, and everybody counts.

        Raises:
            UsageError: a split or label that does not exist.
            InputError: nobody is left.
        """
        return choose(self.cohort, splits, asked.split, asked.labels)

    def doubts_about_splits(self, splits: Mapping[str, str]) -> dict[str, list[Doubt]]:
        """Who lies in one split, while the same image or another scan of the person lies in another, by label."""
        return doubts_about_splits(self.cohort.subjects, splits, self.hashes)

    def tried(self, subjects: Sequence[Subject], *, learn: bool = False) -> Tried:
        """Try the predictor on the first of some subjects, unless the command has done so.

        Args:
            learn: whether a method is to learn from them next.

        Raises:
            InputError: what the predictor does that it must not, as `try_before_use` has it.
        """
        if not self._tried:
            volumes = self.prepared.first_volumes(subjects, self.device, learn=learn)
            self._tried.append(Tried(try_before_use(self.predictor, volumes, str(self.source), self.record), volumes))
        return self._tried[0]
