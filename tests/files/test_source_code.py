"""The files that hold a component's code: its own and those that it imports beside it, and no others."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from interpbench.files.source_code import source_files, source_sha256

Tree = dict[str, str]
Load = Callable[[Tree, str], types.ModuleType]
NET = "class Net:\n    pass\n"


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """`load(files, "net.py")` writes files and imports one, without running what it imports."""
    names = []

    def load(files: Tree, file: str, root: str = "code") -> types.ModuleType:
        for name, content in files.items():
            (tmp_path / root / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / root / name).write_text(content)
        name = f"somebodys_net_{len(names)}"
        spec = importlib.util.spec_from_file_location(name, tmp_path / root / file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        names.append(name)
        module.Net = type("Net", (), {"__module__": name})
        exec(compile("class Net:\n    pass\n", str(tmp_path / root / file), "exec"), module.__dict__)
        return module

    yield load
    for name in names:
        del sys.modules[name]


@pytest.fixture
def names(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
    """The files of `Net` in one of these files, relative to where they lie."""

    def names(files: Tree, file: str, root: str = "code") -> list[str]:
        found = source_files([load(files, file, root).Net])
        return sorted(str(one.relative_to(tmp_path / root)) for one in found)

    return names


CASES: dict[str, tuple[Tree, str, list[str]]] = {
    "alone": ({"net.py": NET, "other.py": ""}, "net.py", ["net.py"]),
    "a helper beside it": ({"net.py": "import helper\n" + NET, "helper.py": ""}, "net.py", ["helper.py", "net.py"]),
    "a helper's helper": (
        {"net.py": "from one import x\n" + NET, "one.py": "import two as t", "two.py": ""},
        "net.py",
        ["net.py", "one.py", "two.py"],
    ),
    "a circle": ({"net.py": "import one\n" + NET, "one.py": "import net"}, "net.py", ["net.py", "one.py"]),
    "inside a function": (
        {"net.py": NET + "def f():\n    import helper\n", "helper.py": ""},
        "net.py",
        ["helper.py", "net.py"],
    ),
    "several in one line": (
        {"net.py": "import a, b\n" + NET, "a.py": "", "b.py": ""},
        "net.py",
        ["a.py", "b.py", "net.py"],
    ),
    "a package": (
        {"p/__init__.py": "", "p/net.py": "from . import a\nfrom .b import c\n" + NET, "p/a.py": "", "p/b.py": ""},
        "p/net.py",
        ["p/a.py", "p/b.py", "p/net.py"],
    ),
    "a module of the package above": (
        {"p/__init__.py": "", "p/q/__init__.py": "", "p/q/net.py": "from ..a import x\n" + NET, "p/a.py": ""},
        "p/q/net.py",
        ["p/a.py", "p/q/net.py"],
    ),
    "the whole name of a module": (
        {"p/__init__.py": "", "p/q/__init__.py": "", "p/q/net.py": "import p.a\n" + NET, "p/a.py": ""},
        "p/q/net.py",
        ["p/__init__.py", "p/a.py", "p/q/net.py"],
    ),
    "a package that is imported": (
        {"net.py": "from p.q import r\n" + NET, "p/__init__.py": "", "p/q/__init__.py": "", "p/q/r.py": ""},
        "net.py",
        ["net.py", "p/__init__.py", "p/q/__init__.py", "p/q/r.py"],
    ),
    "a folder above that is no package": (
        {"models/net.py": "try:\n    from ..layers import x\nexcept ImportError:\n    pass\n" + NET, "layers.py": ""},
        "models/net.py",
        ["layers.py", "models/net.py"],
    ),
    "beyond the root of everything": ({"net.py": f"from {'.' * 99}a import x\n" + NET}, "net.py", ["net.py"]),
    "what is not there": ({"net.py": "import nowhere\nfrom .gone import x\n" + NET}, "net.py", ["net.py"]),
    "a name that is torch's": ({"net.py": "import torch\n" + NET, "torch.py": ""}, "net.py", ["net.py"]),
    "a helper that cannot be parsed": (
        {"net.py": "import helper\n" + NET, "helper.py": "def (:"},
        "net.py",
        ["helper.py", "net.py"],
    ),
    "in a comment": ({"net.py": "# import helper\n" + NET, "helper.py": ""}, "net.py", ["net.py"]),
}


@pytest.mark.parametrize("name", CASES)
def test_code_is_its_file_and_what_that_imports_beside_it(name: str, names: Callable[..., list[str]]) -> None:
    files, file, expected = CASES[name]
    assert names(files, file) == expected


def test_of_installed_code_only_its_own_package_counts(names: Callable[..., list[str]]) -> None:
    files = {"p/__init__.py": "", "p/net.py": "import other\nfrom . import a\n" + NET, "p/a.py": "", "other.py": ""}
    assert names(files, "p/net.py", "lib/site-packages") == ["p/a.py", "p/net.py"]
    assert names(files, "p/net.py", "lib/src") == ["other.py", "p/a.py", "p/net.py"]


def test_a_change_of_an_import_is_seen_while_the_program_runs(load: Load, tmp_path: Path) -> None:
    net = load({"net.py": NET, "helper.py": ""}, "net.py").Net
    before = source_sha256([net])
    file = tmp_path / "code" / "net.py"
    file.write_text("import helper\n" + NET)
    assert len(source_files([net])) == 2
    after = source_sha256([net])
    (tmp_path / "code" / "helper.py").write_text("x = 1")
    assert len({before, after, source_sha256([net])}) == 3


def test_the_hash_does_not_depend_on_where_the_files_lie_or_on_the_order_of_the_classes(
    load: Load, tmp_path: Path
) -> None:
    files = {"net.py": "import helper\n" + NET, "helper.py": "x = 1"}
    first, second = load(files, "net.py", "one").Net, load(files, "net.py", "two").Net
    other = load({"other.py": NET + "# other"}, "other.py", "three").Net
    assert source_sha256([first]) == source_sha256([second])
    assert source_sha256([first, other]) == source_sha256([other, first]) != source_sha256([first])
    before = load({"other.py": NET + "# other"}, "other.py", "a").Net  # in a folder before that of the first
    assert source_sha256([first, other]) == source_sha256([first, before])
    shutil.rmtree(tmp_path / "three")
    assert source_files([other]) == ()


@pytest.mark.parametrize(
    "thing", [torch.nn.Linear, np.linalg.norm, int, len], ids=["torch", "numpy", "a type", "built in"]
)
def test_what_is_known_by_its_version_has_no_files(thing: object) -> None:
    assert source_files([thing]) == ()
    assert source_sha256([thing]) is None


def test_the_classes_that_a_class_is_made_from_count(load: Load, tmp_path: Path) -> None:
    base = load({"base.py": NET}, "base.py", "one").Net
    own = load({"own.py": NET}, "own.py", "two").Net
    both = type("Both", (own, base), {"__module__": "builtins"})
    assert source_files([both]) == (tmp_path / "one" / "base.py", tmp_path / "two" / "own.py")
