"""Learned methods fitted again, to networks with other weights or to the same: once each, and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file

from interpbench.cohort.choosing import log
from interpbench.contract.interfaces import Explainer, Predictor, Sample
from interpbench.files.atomic import atomic_path
from interpbench.files.locks import alone
from interpbench.host.components import accepts
from interpbench.host.foreign import asking
from interpbench.host.learned import learned_by
from interpbench.host.untouched import untouched
from interpbench.options import options_json
from interpbench.predictor.weights import read_weights

STATE = "state.safetensors"


@dataclass(frozen=True, eq=False, kw_only=True)
class Refits:
    """Fits a learned method to a predictor, on a part of the training split."""

    folder: Path
    training: Sequence[Sample]
    validation: Sequence[Sample]
    seed: int
    _kept: dict[str, Explainer] = field(default_factory=dict)

    def of(self, explainer: Explainer, predictor: Predictor, method: str) -> Explainer:
        """The method fitted to this predictor."""
        told = [method, options_json(explainer), predictor.fingerprint, len(self.training), self.seed]
        key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        if key not in self._kept:
            state = self.folder / key / STATE
            if not state.is_file():
                with alone(self.folder / f".{key}.lock"):
                    if not state.is_file():  # else another process fitted it, while this one waited
                        self._fit(state, explainer, predictor, method)
            learned = read_weights(state)  # also of a fit made here: the same for all
            with asking(f"method {method!r}", what=f"cannot use its state in {state}"):
                self._kept[key] = explainer.with_state(learned)
        return self._kept[key]

    def _fit(self, state: Path, explainer: Explainer, predictor: Predictor, method: str) -> None:
        log.info("fitting %s again, on %d subjects, for the check with randomised weights", method, len(self.training))
        workspace = state.parent / "checkpoints"
        given = {"workspace": workspace} if accepts(explainer.fit, "workspace") else {}
        with untouched(predictor.module), _quiet():  # what it finds of such a network is no news about the method
            torch.manual_seed(self.seed)
            with asking(f"method {method!r}", what="failed while it was fitted again"):
                fitted = explainer.fit(predictor, self.training, self.validation, **given)
        tensors = learned_by(fitted, method).state
        with atomic_path(state) as path:
            save_file(dict(tensors), path)
        shutil.rmtree(workspace, ignore_errors=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing but errors inside this block."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
