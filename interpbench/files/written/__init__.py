"""The files that every command writes, and the meaning of their keys and columns.

The tables' writers take their columns from here, the reference page is made from it, and a test compares it with what
a run of every command writes.
"""

from __future__ import annotations

from collections.abc import Mapping

from interpbench.files.written.benchmark import BENCHMARK, NETWORKS
from interpbench.files.written.declared import WrittenFile
from interpbench.files.written.every_run import EVERY_RUN
from interpbench.files.written.fit import FIT, SEARCH
from interpbench.files.written.maps import AGGREGATE, EXPLAIN
from interpbench.files.written.model import MODEL, PREDICT, TRAIN
from interpbench.files.written.others import CACHE, CHECK, CONFIGURATION, DEMO, PHANTOM
from interpbench.files.written.plant import PLANT

WRITTEN: Mapping[str, tuple[WrittenFile, ...]] = {
    "phantom OUT": PHANTOM,
    "check COHORT --json FILE.json": CHECK,
    "plant COHORT --out PLANTED": PLANT,
    "train COHORT --out MODEL": TRAIN,
    "adopt FACTORY WEIGHTS --out MODEL": MODEL,
    "predict COHORT --out TABLE.tsv": PREDICT,
    "fit COHORT --out FITTED": FIT,
    "search COHORT --out SEARCH": SEARCH,
    "explain COHORT --out MAPS": EXPLAIN,
    "aggregate MAPS --out POPULATION": AGGREGATE,
    "benchmark COHORT --out BENCH": BENCHMARK,
    "benchmark COHORT --predictor MODEL --predictor MODEL --out BENCH": NETWORKS,
    "demo OUT": DEMO,
}
"""By command, as it is typed. `EVERY_RUN` lies beside these, but for `phantom`, `check`, `predict` and `demo`."""

__all__ = ["CACHE", "CONFIGURATION", "EVERY_RUN", "WRITTEN", "WrittenFile"]
