"""An output that cannot be is refused at once, in one line, before torch is loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


@pytest.mark.parametrize(
    "words",
    [
        ["train", "COHORT", "--out", "OUT"],
        ["fit", "COHORT", "--predictor", "MODEL", "--method", "unoise", "--out", "OUT"],
        ["explain", "COHORT", "--predictor", "MODEL", "--method", "saliency", "--out", "OUT"],
        ["predict", "COHORT", "--predictor", "MODEL", "--out", "OUT"],
        ["aggregate", "COHORT", "--out", "OUT"],
        ["benchmark", "COHORT", "--predictor", "MODEL", "--out", "OUT"],
    ],
    ids=lambda words: words[0],
)
def test_below_a_file_nothing_can_be_written(words: list[str], file: Path, tmp_path: Path, run: Run) -> None:
    places = {"COHORT": tmp_path / "cohort", "MODEL": tmp_path / "model", "OUT": file / "deep" / "out"}
    code, _, told = run(*(places.get(word, word) for word in words))
    assert (code, told.count("\n")) == (2, 1)
    assert f"{file} is not a folder" in told


def test_an_output_that_is_an_input_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "cohort").mkdir()
    (tmp_path / "model").mkdir()
    for name in ("cohort", "model"):
        out = tmp_path / "model" / ".." / name
        code, _, told = run(
            "explain", tmp_path / "cohort", "--predictor", tmp_path / "model", "--method", "saliency", "--out", out
        )
        assert (code, told.count("\n")) == (2, 1)
        assert f"is the {'predictor' if name == 'model' else name} itself" in told


def test_torch_is_not_loaded_for_that(file: Path) -> None:
    program = (
        "import sys\n"
        "from interpbench.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended: print(ended.code, 'torch' in sys.modules)\n"
    )
    words = ["explain", ".", "--predictor", "x", "--method", "saliency", "--out", str(file / "out")]
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["2", "False"]
