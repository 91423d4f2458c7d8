"""Where permissions are kept, on every system and by every variable; and a store without a command around it."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from interpbench.errors import InputError, UsageError
from interpbench.host import trust_store
from interpbench.host.trust import flags_for, names_of, record_digest, shell_word
from interpbench.host.trust_store import config_folder, keep, kept, permission_file

DIGEST = "0123456789abcdef" * 4
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch):
    """`system("darwin", HOME="/h")`: that system, with these variables alone."""

    def system(platform: str, **variables: str) -> None:
        monkeypatch.setattr(trust_store.sys, "platform", platform)
        for name in ("INTERPBENCH_CONFIG", "XDG_CONFIG_HOME", "APPDATA"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return system


@POSIX
@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {"HOME": "/h"}, "/h/.config/interpbench"),
        ("linux", {"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/interpbench"),
        ("linux", {"HOME": "/h", "XDG_CONFIG_HOME": "relative"}, "/h/.config/interpbench"),
        ("linux", {"HOME": "/h", "XDG_CONFIG_HOME": ""}, "/h/.config/interpbench"),
        ("darwin", {"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/h/Library/Application Support/interpbench"),
        ("win32", {"HOME": "/h", "APPDATA": "/roaming"}, "/roaming/interpbench"),
        ("win32", {"HOME": "/h"}, "/h/AppData/Roaming/interpbench"),
        ("linux", {"HOME": "/h", "INTERPBENCH_CONFIG": "/own"}, "/own"),
        ("win32", {"HOME": "/h", "INTERPBENCH_CONFIG": "/own", "APPDATA": "/roaming"}, "/own"),
        ("linux", {"HOME": "/h", "INTERPBENCH_CONFIG": ""}, "/h/.config/interpbench"),
    ],
)
def test_the_folder_is_the_systems_usual_one_or_the_one_that_was_named(
    platform: str, variables: dict[str, str], folder: str, system
) -> None:
    system(platform, **variables)
    assert config_folder() == Path(folder)


@POSIX
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"INTERPBENCH_CONFIG": "here"}, "INTERPBENCH_CONFIG must be an absolute path, got 'here'"),
        ({"INTERPBENCH_CONFIG": "~/x"}, "must be an absolute path"),
        ({"HOME": "relative"}, "there is no home folder to store permissions in"),
    ],
)
def test_a_folder_that_depends_on_where_one_stands_is_refused(variables: dict[str, str], message: str, system) -> None:
    system("linux", **variables)
    with pytest.raises(UsageError, match=message):
        config_folder()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration folder that is not there yet."""
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def test_what_is_kept_comes_back_for_that_record_alone(store: Path, tmp_path: Path) -> None:
    allowed = {"factory": "somebodys.ä:make", "other": '{"x": 1}'}
    assert kept(DIGEST) == {}
    place = keep(DIGEST, allowed, tmp_path / "model.json")
    assert kept(DIGEST) == allowed and kept("f" * 64) == {}
    assert json.loads(place.read_text())["record"] == str(tmp_path / "model.json")
    keep(DIGEST, {"factory": "new:make"}, tmp_path / "model.json")
    assert kept(DIGEST) == {"factory": "new:make"}


@POSIX
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_user_may_write_there_whatever_the_mask(mask: int, store: Path, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        place = keep(DIGEST, {"factory": "a:b"}, tmp_path / "model.json")
    finally:
        os.umask(before)
    for path, mode in ((place, 0o600), (place.parent, 0o700), (store, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) & ~mode == 0
    assert kept(DIGEST) == {"factory": "a:b"}
    assert [one.name for one in place.parent.iterdir()] == [f"{DIGEST}.json"]


@POSIX
@pytest.mark.parametrize("which", [0, 1, 2], ids=["the file", "its folder", "the configuration folder"])
@pytest.mark.parametrize("mode", [0o020, 0o002, 0o022])
def test_what_others_may_write_is_not_believed_and_not_written_to(
    which: int, mode: int, store: Path, tmp_path: Path
) -> None:
    place = keep(DIGEST, {"factory": "a:b"}, tmp_path / "model.json")
    odd = (place, place.parent, store)[which]
    odd.chmod(stat.S_IMODE(odd.stat().st_mode) | mode)
    for ask in (lambda: kept(DIGEST), lambda: keep(DIGEST, {"factory": "c:d"}, tmp_path / "model.json")):
        with pytest.raises(InputError, match="is writable by other users"):
            ask()
    assert json.loads(place.read_text())["allowed"] == {"factory": "a:b"}


@POSIX
def test_a_store_of_root_is_believed_and_one_of_somebody_else_is_not(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = keep(DIGEST, {"factory": "a:b"}, tmp_path / "model.json")
    owner = place.stat().st_uid
    monkeypatch.setattr(trust_store.os, "geteuid", lambda: owner + 1)
    if owner == 0:
        assert kept(DIGEST) == {"factory": "a:b"}
    else:
        with pytest.raises(InputError, match="belongs to another user"):
            kept(DIGEST)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"record_sha256": 5}', f'{{"record_sha256": "{DIGEST}", "allowed": {{"factory": 5}}}}']
)
def test_a_damaged_permission_allows_nothing(content: str, store: Path, tmp_path: Path) -> None:
    keep(DIGEST, {"factory": "a:b"}, tmp_path / "model.json")
    permission_file(DIGEST).write_text(content)
    with pytest.raises(InputError, match="is damaged, so it allows nothing"):
        kept(DIGEST)


# Words of a command line


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("a:b", "a:b"),
        ("a b", "'a b'"),
        ("a'b", "'a'\"'\"'b'"),
        ("$(x)", "'$(x)'"),
        ("a\nb", r"'a\nb'"),
        ("\x1b[1m", r"'\x1b[1m'"),
    ],
)
def test_a_word_to_copy_does_nothing_in_a_shell_or_a_terminal(word: str, quoted: str) -> None:
    assert shell_word(word) == quoted
    assert flags_for([word, "c"]) == f"--trust-factory {quoted} --trust-factory c"


def test_one_name_is_as_several() -> None:
    assert names_of("a:b") == names_of(["a:b"]) == ("a:b",) and names_of(()) == ()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"options": {"a": 2}}', '{"options": null}'])
def test_a_record_that_is_not_what_was_read_is_refused(content: str, tmp_path: Path) -> None:
    place = tmp_path / "model.json"
    place.write_text('{"options": {"a": 1}}')
    assert len(record_digest(place, {"a": 1})) == 64
    place.write_text(content)
    with pytest.raises(InputError, match=r"model\.json: changed while it was read"):
        record_digest(place, {"a": 1})
