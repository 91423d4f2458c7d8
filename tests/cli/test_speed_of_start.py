"""The command line starts fast: what is heavy is imported when a command needs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"captum", "jinja2", "matplotlib", "monai", "nibabel", "nilearn", "numpy", "pandas", "scipy", "torch"}

REPORT = """
import json, sys
from interpbench.cli import main
try:
    main(json.loads(sys.argv[1]))
finally:
    print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("words", ["--help", "--version", "methods", "methods --json", "explain --help", "explian"])
def test_nothing_heavy_is_imported_for(words, tmp_path):
    command = [sys.executable, "-c", REPORT, json.dumps(words.split())]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    imported = json.loads(ended.stdout.splitlines()[-1])
    assert "interpbench" in imported
    assert HEAVY.isdisjoint(imported)
