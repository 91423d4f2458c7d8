"""The records that the user allowed to name code: one small file each, in the user's configuration folder.

Who can write there can run code as the user. So a folder or file that others may write to, that belongs to somebody
else or that is a symbolic link is never believed.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from interpbench.errors import InputError, UsageError
from interpbench.files.atomic import atomic_path, read_json

VARIABLE = "INTERPBENCH_CONFIG"
FOLDER = "trusted"  # below the configuration folder


def config_folder() -> Path:
    """The user's configuration folder: `$INTERPBENCH_CONFIG`, else the platform's usual place; it may not exist.

    Raises:
        UsageError: the variable holds no absolute path (a folder that somebody hands on could then bring its own
            trust), or there is no home folder.
    """
    given = os.environ.get(VARIABLE)
    if given:
        if not Path(given).is_absolute():
            raise UsageError(f"{VARIABLE} must be an absolute path, got {given!r}.")
        return Path(given)
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() raises where there is none
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or "")
        base = base if base.is_absolute() else home / ".config"  # the XDG standard: a relative path is ignored
    if not base.is_absolute():
        raise UsageError(f"there is no home folder to store permissions in: set {VARIABLE} to a folder of your own.")
    return base / "interpbench"


def permission_file(digest: str) -> Path:
    """The file that stores the permission for a record, by the SHA-256 of its bytes."""
    return config_folder() / FOLDER / f"{digest}.json"


def kept(digest: str) -> dict[str, str]:
    """The code that the record of this SHA-256 may import, by option; empty without a permission.

    Raises:
        InputError: the file is damaged, or others could have written it.
        UsageError: as `config_folder`.
    """
    place = permission_file(digest)
    if not _is_private(place):
        return {}
    found = read_json(place)
    allowed = found.get("allowed") if isinstance(found, dict) and found.get("record_sha256") == digest else None
    if not isinstance(allowed, dict) or not all(isinstance(one, str) for one in allowed.values()):
        raise InputError(f"{place}: is damaged, so it allows nothing; `interpbench trust` writes a new one.")
    return allowed


def keep(digest: str, allowed: Mapping[str, str], record: Path) -> Path:
    """Store that the record of this SHA-256 may import the code that its options name; returns the file.

    Args:
        record: where it lies now, for who reads the file.

    Raises:
        UsageError, InputError: it cannot be written, or others could write there.
        ResourceError: the disk is full.
    """
    place = permission_file(digest)
    content = {"record_sha256": digest, "allowed": dict(allowed), "record": os.fspath(record.absolute())}
    try:
        place.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        _is_private(place)
        with atomic_path(place) as temporary:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise UsageError(
            f"{place.parent}: cannot be written ({error.strerror}). Set {VARIABLE} to another folder."
        ) from error
    return place


def _is_private(place: Path) -> bool:
    """Whether the file exists; refuses one that others could have written.

    Raises:
        InputError: it, or a folder that it lies in, may be somebody else's work, or cannot be read.
    """
    for path, kind in ((place.parent.parent, stat.S_ISDIR), (place.parent, stat.S_ISDIR), (place, stat.S_ISREG)):
        try:
            found = path.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
        why = _doubt(found, kind(found.st_mode))
        if why:
            raise InputError(
                f"{path}: {why}, so the permissions stored there are ignored. Set {VARIABLE} to another folder."
            )
    return True


def _doubt(found: os.stat_result, of_kind: bool) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not of_kind:
        return "is not a file or folder of interpbench"
    if sys.platform == "win32":  # access there is no matter of modes
        return ""
    if found.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    return "is writable by other users (run chmod go-w)" if found.st_mode & 0o022 else ""
