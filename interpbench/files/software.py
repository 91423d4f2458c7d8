"""The software versions in a run's identity."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from interpbench.version import __version__

PACKAGES = ("torch", "captum", "monai", "nibabel", "numpy", "scipy")  # that compute: another version, another run


def software() -> dict[str, Any]:
    """The versions of interpbench and of the packages that compute, for a run's identity."""
    return {"interpbench": __version__, "versions": versions()}


def versions() -> dict[str, str]:
    """The installed versions of the packages that compute."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
