"""Every module can be imported where a system has no Unix modules: on Windows, and on macOS as far as it differs."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from interpbench.pipeline.demo import peak_process_memory

# What Python has on Unix only; of those, macOS has all but the last two.
UNIX = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")

IMPORTS = """
    import importlib, os, pkgutil, select, signal, sys
    # First all that others wrote: how they tell systems apart is their own.
    import captum, matplotlib.pyplot, monai.networks.nets, monai.transforms, nibabel, pandas, safetensors.torch
    import scipy.ndimage, scipy.stats, torch, torch.export, tqdm, jinja2, click
    system, refused = sys.argv[1], set(sys.argv[2:])

    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name in refused:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in refused:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Refuse())
    sys.platform = system
    if system == "win32":
        for owner, names in ((os, ("fork", "O_DIRECTORY", "getuid", "sysconf", "sched_getaffinity", "getppid")),
                             (signal, ("SIGKILL", "SIGALRM", "SIGHUP", "pthread_sigmask", "SIG_BLOCK")),
                             (select, ("poll",))):
            for name in names:
                if hasattr(owner, name):
                    delattr(owner, name)
    packages = ["interpbench", "interpbench_captum", "interpbench_floors", "interpbench_networks",
                "interpbench_occlusion", "interpbench_unoise"]
    count = 0
    for package in packages:
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, package + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
                count += 1
    import interpbench
    for name in interpbench.__all__:
        getattr(interpbench, name)
    print(count)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("system", "missing"), [("win32", UNIX), ("darwin", ())])
def test_every_module_and_public_name_can_be_imported_on(system: str, missing: tuple[str, ...]) -> None:
    words = [sys.executable, "-c", textwrap.dedent(IMPORTS), system, *missing]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 150


@pytest.mark.parametrize(("system", "mebibytes"), [("linux", 3.0), ("darwin", 3 / 1024), ("win32", None)])
def test_the_peak_of_memory_is_in_mib_on(system: str, mebibytes: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")

    class Usage:
        ru_maxrss = 3 * 1024

    monkeypatch.setattr(resource, "getrusage", lambda who: Usage)
    monkeypatch.setattr(sys, "platform", system)
    assert peak_process_memory() == mebibytes
