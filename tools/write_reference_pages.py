"""Write the reference pages that are made from the code into `docs/reference/generated`."""

from __future__ import annotations

from pathlib import Path

from reference_pages import FOLDER, NAMES, page

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write every page, and remove those that are no longer made."""
    folder = ROOT / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in NAMES:
            old.unlink()
    for name in NAMES:
        (folder / name).write_text(page(name), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
