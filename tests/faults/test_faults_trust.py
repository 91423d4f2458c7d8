"""Data names nothing that runs, unless the user has allowed it by name."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from interpbench import Explainer, NetworkPredictor, adopt, check_options, explain, fit, load_predictor, option, predict
from interpbench.errors import InputError, UsageError
from interpbench.pipeline.trusting import origin_of

Run = Callable[..., tuple[int, str, str]]
SOURCE = """
    from pathlib import Path
    from torch import nn

    Path(r"{imported}").touch()

    class Own(nn.Module):
        def __init__(self, width=2):
            super().__init__()
            Path(r"{called}").touch()
            self.first = nn.Conv3d(1, width, 3)
            self.last = nn.Linear(width, 1)

        def forward(self, x):
            return self.last(self.first(x).relu().mean((2, 3, 4)))

        @classmethod
        def made(cls, width=2):
            return cls(width)

    def make(width=2):
        return Own(width)
"""
FACTORIES = {
    "a function": ("somebodys_network:make", "{}"),
    "a class": ("somebodys_network:Own", "{}"),
    "a nested attribute": ("somebodys_network:Own.made", "{}"),
    "a module of a package": ("somebodys_package.inner:make", "{}"),
    "a module that is not there": ("no_such_module_anywhere:make", "{}"),
    "a program": ("os:system", '{"command": "touch MARKER"}'),
    "a builtin": ("builtins:exec", '{"source": "open(MARKER)"}'),
    "no factory's form": ("somebodys_network", "{}"),
}
COMMANDS = {
    "check": [],
    "predict": ["--out", "OUT"],
    "explain": ["--method", "saliency", "--out", "OUT"],
    "fit": ["--method", "unoise", "--out", "OUT"],
    "search": ["--method", "unoise", "--grid", "v_max=1,2", "--out", "OUT"],
    "benchmark": ["--methods", "saliency", "--out", "OUT"],
}


@dataclass(frozen=True)
class Somebody:
    """A model folder that somebody else sends, and whether any code of theirs has run here."""

    folder: Path
    home: Path

    def markers(self) -> list[str]:
        return sorted(path.name for path in self.home.glob("marker-*"))

    def asks(self, factory: str, arguments: str = "{}") -> None:
        record = json.loads((self.folder / "model.json").read_text())
        record["options"] |= {"factory": factory, "arguments": arguments.replace("MARKER", f"'{self.home}/marker-x'")}
        (self.folder / "model.json").write_text(json.dumps(record, indent=1))

    def forget(self) -> None:
        for path in self.home.glob("marker-*"):
            path.unlink()
        for name in [name for name in sys.modules if name.startswith("somebodys_")]:
            del sys.modules[name]


@pytest.fixture
def somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_model: Path) -> Iterator[Somebody]:
    """Their network is importable here, as installed code may be; their model folder was never adopted."""
    source = textwrap.dedent(SOURCE).format(imported=tmp_path / "marker-imported", called=tmp_path / "marker-called")
    (tmp_path / "code" / "somebodys_package").mkdir(parents=True)
    (tmp_path / "code" / "somebodys_network.py").write_text(source)
    (tmp_path / "code" / "somebodys_package" / "__init__.py").write_text(source)
    (tmp_path / "code" / "somebodys_package" / "inner.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path / "code")
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(tmp_path / "elsewhere"))
    torch.manual_seed(0)
    save_file(__import__("somebodys_network").Own().state_dict(), tmp_path / "w.safetensors")
    recipe = json.loads((toy_model / "model.json").read_text())["recipe"]
    adopt("somebodys_network:make", tmp_path / "w.safetensors", tmp_path / "model", recipe=recipe)
    sent = Somebody(tmp_path / "model", tmp_path)
    sent.forget()
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(tmp_path / "config"))
    yield sent
    sent.forget()


@pytest.fixture
def given(run: Run, toy_cohort: Path, somebody: Somebody) -> Run:
    """`given("predict")` runs that command with the model folder that was sent."""

    def given(command: str, *words: object) -> tuple[int, str, str]:
        rest = [str(somebody.home / "out.tsv") if word == "OUT" else word for word in COMMANDS[command]]
        device = [] if command == "check" else ["--device", "cpu"]
        return run(command, toy_cohort, "--predictor", somebody.folder, *rest, *device, *words)

    return given


def refused(came: tuple[int, str, str], factory: str, somebody: Somebody) -> None:
    code, _, told = came
    assert (code, told.count("\n")) == (3, 1), told
    assert told.startswith(f"Error: {somebody.folder / 'model.json'} asks to import `{factory}`"), told
    assert f"`interpbench trust {somebody.folder}`" in told and f"--trust-factory {factory}" in told
    assert somebody.markers() == [] and not (somebody.home / "out.tsv").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", FACTORIES)
def test_no_command_imports_or_calls_what_a_record_names(
    command: str, what: str, given: Run, somebody: Somebody
) -> None:
    somebody.asks(*FACTORIES[what])
    refused(given(command), FACTORIES[what][0], somebody)
    refused(given(command, "--trust-factory", "somebodys_network:other"), FACTORIES[what][0], somebody)


@pytest.mark.parametrize("how", ["by trust", "by name"])
@pytest.mark.parametrize("command", ["check", "predict", "explain"])
def test_what_the_user_allows_runs(command: str, how: str, given: Run, run: Run, somebody: Somebody) -> None:
    words = ["--trust-factory", "somebodys_network:make"] if how == "by name" else []
    if how == "by trust":
        code, told, _ = run("trust", somebody.folder, "--yes")
        assert code == 0 and "somebodys_network:make" in told
        assert somebody.markers() == []
    code, _, told = given(command, *words)
    assert code == 0, told
    assert somebody.markers() == ["marker-called", "marker-imported"]


CHANGES: dict[str, Callable[[str], str]] = {
    "an argument": lambda text: text.replace('"arguments": "{}"', '"arguments": "{\\"width\\": 2}"'),
    "another option": lambda text: text.replace('"column": 0', '"column": 1'),
    "the factory": lambda text: text.replace("somebodys_network:make", "somebodys_network:Own"),
    "the weights": lambda text: text.replace('"sha256": "', '"sha256": "0'),
    "a blank at the end": lambda text: text + " ",
    "a blank inside": lambda text: text.replace('": ', '":  ', 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_of_a_record_it_is_asked_about_again(
    change: str, given: Run, run: Run, somebody: Somebody
) -> None:
    assert run("trust", somebody.folder, "--yes")[0] == 0
    record = somebody.folder / "model.json"
    before = record.read_text()
    record.write_text(CHANGES[change](before))
    assert record.read_text() != before
    code, _, told = given("predict")
    assert (code, told.count("\n")) == (3, 1) and "which you have not allowed" in told
    assert somebody.markers() == []


def test_a_copy_of_a_trusted_folder_is_trusted(run: Run, somebody: Somebody) -> None:
    assert run("trust", somebody.folder, "--yes")[0] == 0
    load_predictor(shutil.copytree(somebody.folder, somebody.home / "copy"))


def test_who_adopts_trusts_and_python_may_allow_by_name(
    somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="asks to import"):
        load_predictor(somebody.folder)
    load_predictor(somebody.folder, trust_factory="somebodys_network:make")
    load_predictor(somebody.folder, trust_factory=["a:b", "somebodys_network:make"])
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(somebody.home / "elsewhere"))  # of who adopted it
    load_predictor(somebody.folder)
    kept = list((somebody.home / "elsewhere" / "trusted").iterdir())
    assert [oct(path.stat().st_mode & 0o777) for path in (kept[0].parent, *kept)] == ["0o700", "0o600"]


def no_json(place: Path) -> None:
    place.write_text("{")


def of_another_record(place: Path) -> None:
    place.write_text(place.read_text().replace(place.stem, "0" * 64))


def of_another_name(place: Path) -> None:
    place.write_text(place.read_text().replace("somebodys_network:make", "os:system"))


def replaced_by_a_link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


STORES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file that is gone": (Path.unlink, ""),
    "an empty file": (lambda place: place.write_text(""), "is not JSON"),
    "a file that is no JSON": (no_json, "is not JSON"),
    "a list": (lambda place: place.write_text("[]"), "is damaged"),
    "trust in another record": (of_another_record, "is damaged"),
    "trust in another name": (of_another_name, ""),
    "a folder in the file's place": (lambda place: (place.unlink(), place.mkdir()), "is no file"),
    "a pipe in the file's place": (lambda place: (place.unlink(), os.mkfifo(place)), "is no file"),
    "a file in the folder's place": (lambda place: (shutil.rmtree(place.parent), place.parent.write_text("")), "is no"),
    "a link in the file's place": (replaced_by_a_link, "is a symbolic link"),
    "a link in the folder's place": (lambda place: replaced_by_a_link(place.parent), "is a symbolic link"),
    "a link in the store's place": (lambda place: replaced_by_a_link(place.parents[1]), "is a symbolic link"),
    "a file that others may write": (lambda place: place.chmod(0o602), "may be written by others"),
    "a file that a group may write": (lambda place: place.chmod(0o620), "may be written by others"),
    "a folder that others may write in": (lambda place: place.parent.chmod(0o777), "may be written by others"),
    "a store that others may write in": (lambda place: place.parents[1].chmod(0o1777), "may be written by others"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")
@pytest.mark.parametrize("fault", STORES)
def test_a_store_is_never_believed_with(fault: str, given: Run, run: Run, somebody: Somebody) -> None:
    assert run("trust", somebody.folder, "--yes")[0] == 0
    (kept,) = (somebody.home / "config" / "trusted").iterdir()
    harm, said = STORES[fault]
    harm(kept)
    code, _, told = given("predict")
    assert (code, told.count("\n")) == (3, 1) and "asks to import" in told and said in told, told
    assert somebody.markers() == []
    assert given("predict", "--trust-factory", "somebodys_network:make")[0] == 0


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_a_store_of_another_user_is_not_believed(given: Run, run: Run, somebody: Somebody) -> None:
    assert run("trust", somebody.folder, "--yes")[0] == 0
    (kept,) = (somebody.home / "config" / "trusted").iterdir()
    os.chown(kept, 1234, 1234)
    code, _, told = given("predict")
    assert code == 3 and "belongs to another user" in told and somebody.markers() == []


PLACES = {
    "below a file": ("FILE/config", "FILE"),
    "no absolute path": ("config", "INTERPBENCH_CONFIG must be an absolute path"),
}


@pytest.mark.parametrize("place", PLACES)
def test_where_trust_cannot_be_kept_adopt_goes_on_and_says_what_to_do(
    place: str, run: Run, given: Run, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    (somebody.home / "file").write_text("")
    folder, said = (words.replace("FILE", str(somebody.home / "file")) for words in PLACES[place])
    monkeypatch.setenv("INTERPBENCH_CONFIG", folder)
    shutil.rmtree(somebody.folder)
    recipe = ["--shape", "10x12x8", "--voxel-size", "4"]
    code, _, told = run("adopt", "somebodys_network:make", somebody.home / "w.safetensors", *recipe, "--out",
                        somebody.folder)  # fmt: skip
    assert code == 0 and said in told and f"interpbench trust {somebody.folder}" in told
    somebody.forget()
    code, _, told = run("trust", somebody.folder, "--yes")
    assert (code, told.count("\n")) == (2, 1) and said in told
    refused(given("predict"), "somebodys_network:make", somebody)
    assert given("predict", "--trust-factory", "somebodys_network:make")[0] == 0
    assert not Path("config").exists()


def test_trust_shows_what_a_record_asks_for_and_does_nothing_without_a_terminal(
    run: Run, somebody: Somebody, given: Run
) -> None:
    somebody.asks("somebodys_package.inner:make", '{"width": 2}')
    code, shown, told = run("trust", somebody.folder)
    assert (code, told.count("\n")) == (2, 1) and "give --yes" in told
    assert "'somebodys_package.inner:make'" in shown and "arguments: '{\"width\": 2}'" in shown
    assert str(somebody.home / "code" / "somebodys_package") in shown
    assert "as recorded" in shown
    assert somebody.markers() == []
    refused(given("predict"), "somebodys_package.inner:make", somebody)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 3), ("\n", 3), ("", 130)])
def test_trust_is_given_by_a_plain_yes_only(
    answer: str, code: int, run: Run, somebody: Somebody, given: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    ended, shown, _ = run("trust", somebody.folder)
    assert ended == code and "'somebodys_network:make'" in shown
    assert given("predict")[0] == (0 if code == 0 else 3)


def test_what_a_record_names_is_shown_without_what_a_terminal_would_obey(run: Run, somebody: Somebody) -> None:
    somebody.asks("os:system\x1b[2K\u202e", '{"a": "\x1b[1A"}'.replace("\x1b", "\\u001b"))
    _, shown, told = run("trust", somebody.folder)
    assert shown.isascii() and "\x1b" not in shown + told
    _, _, told = run("check", somebody.home, "--predictor", somebody.folder)
    assert "\x1b" not in told and "\u202e" not in told and told.count("\n") == 1


def test_a_model_trained_here_needs_no_trust(toy_model: Path, run: Run, tmp_path: Path) -> None:
    code, told, _ = run("trust", toy_model)
    assert code == 0 and "names nothing that runs" in told
    load_predictor(shutil.copytree(toy_model, tmp_path / "copy"))


def test_a_folder_without_a_record_is_one_line(run: Run, tmp_path: Path) -> None:
    code, _, told = run("trust", tmp_path)
    assert (code, told.count("\n")) == (3, 1) and "there is nothing to trust" in told


ODD = ["", ":", ".", ".x:y", "a\0b:c", "__main__:x", "\udc80:x", "x" * 5000 + ":y", "no.such:z"]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_where_a_module_is_from_is_told_of_any_name(name: str) -> None:
    assert isinstance(origin_of(name), str)


@pytest.mark.parametrize("key", ["trust-factory", "trust_factory"])
@pytest.mark.parametrize("section", ["", "[predict]\n", "[explain]\n"])
def test_a_configuration_file_cannot_allow_code(key: str, section: str, given: Run, somebody: Somebody) -> None:
    config = somebody.home / "run.toml"
    config.write_text(f'{section}{key} = ["somebodys_network:make"]\n')
    code, _, told = given("predict", "--config", config)
    assert (code, told.count("\n")) == (2, 1) and "given on the command line, in no file" in told
    assert somebody.markers() == []


def test_a_configuration_file_cannot_say_yes(run: Run, somebody: Somebody) -> None:
    config = somebody.home / "run.toml"
    config.write_text("[trust]\nyes = true\n")
    code, _, told = run("trust", somebody.folder, "--config", config)
    assert code == 2 and "in no file" in told and not (somebody.home / "config").exists()


def test_a_configuration_file_cannot_name_code(run: Run, toy_cohort: Path, somebody: Somebody) -> None:
    config = somebody.home / "run.toml"
    config.write_text('[train]\npredictor = "torch"\n[train.options]\nfactory = "somebodys_network:make"\n')
    code, _, told = run("train", toy_cohort, "--out", somebody.home / "trained", "--config", config)
    assert (code, told.count("\n")) == (2, 1) and "names code to run, which a configuration file cannot do" in told
    assert somebody.markers() == []


@dataclass(frozen=True, kw_only=True)
class Hooked(Explainer):
    """A method of a third party that must learn, with an option that names code."""

    learned = True
    hook: str = option("", "what is called, as module:function", runs=True)

    def __post_init__(self) -> None:
        check_options(self)
        if self.hook:
            __import__(self.hook.partition(":")[0])

    def explain(self, predictor: Any, volumes: torch.Tensor) -> torch.Tensor:
        return volumes[:, 0].abs()


@dataclass(frozen=True, kw_only=True)
class Foreign(NetworkPredictor):
    """A predictor of a third party that imports when it is made."""

    body: str = option("math:sqrt", "what makes the network, as module:function", runs=True)
    wide: bool = option(False, "whether it is wide")

    def __post_init__(self) -> None:
        check_options(self)
        __import__(self.body.partition(":")[0])

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        return nn.Sequential(nn.Conv3d(1, 2, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 1))


def test_a_third_partys_predictor_declares_what_runs(
    toy_plugin: Any, toy_cohort: Path, somebody: Somebody, run: Run
) -> None:
    toy_plugin.offer("predictor", "foreign", Foreign)
    record = json.loads((somebody.folder / "model.json").read_text())
    torch.manual_seed(0)
    save_file(Foreign().build((1, 1, 1)).state_dict(), somebody.folder / "model.safetensors")
    digest = hashlib.sha256((somebody.folder / "model.safetensors").read_bytes()).hexdigest()

    def asks(**options: Any) -> None:
        changed = {**record, "predictor": "foreign", "options": options, "sha256": digest}
        (somebody.folder / "model.json").write_text(json.dumps(changed))

    for options in ({}, {"wide": True}, {"body": "math:sqrt"}):  # what the plugin itself names, it may
        asks(**options)
        load_predictor(somebody.folder)
    asks(body="somebodys_network:make")
    with pytest.raises(InputError, match="asks to import `somebodys_network:make`"):
        load_predictor(somebody.folder)
    assert somebody.markers() == []
    assert run("trust", somebody.folder, "--yes")[0] == 0
    load_predictor(somebody.folder)


def test_what_a_fit_recorded_imports_nothing_either(
    toy_plugin: Any, toy_cohort: Path, toy_model: Path, somebody: Somebody, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_plugin.offer("explainer", "hooked", Hooked)
    fitted, maps = somebody.home / "fitted", somebody.home / "maps"
    words = ["explain", toy_cohort, "--predictor", toy_model, "--method", "hooked", "--device", "cpu",
             "--participant-label", "07", "--fitted", fitted, "--out"]  # fmt: skip
    fit(toy_cohort, toy_model, fitted, method="hooked", options={"hook": "somebodys_network:make"}, device="cpu")
    assert run(*words, maps)[0] == 0, "who fitted it named it"
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(somebody.home / "of-another-user"))
    somebody.forget()
    code, _, told = run(*words, somebody.home / "more")
    assert (code, told.count("\n")) == (3, 1) and "fitted.json asks to import `somebodys_network:make`" in told
    assert somebody.markers() == []
    assert run(*words, somebody.home / "more", "-o", "hook=somebodys_network:make")[0] == 0
    somebody.forget()
    assert run("trust", fitted, "--yes")[0] == 0 and somebody.markers() == []
    assert run(*words, somebody.home / "most")[0] == 0


@pytest.mark.slow
def test_a_benchmark_imports_nothing_that_maps_and_fits_record(
    toy_plugin: Any, toy_cohort: Path, toy_model: Path, somebody: Somebody, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_plugin.offer("explainer", "hooked", Hooked)
    fitted, maps = somebody.home / "fitted", somebody.home / "maps"
    asked = {"method": "hooked", "options": {"hook": "somebodys_network:make"}, "device": "cpu"}
    fit(toy_cohort, toy_model, fitted, **asked)
    explain(toy_cohort, toy_model, maps, fitted=fitted, participants=["07"], **asked)
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(somebody.home / "of-another-user"))
    somebody.forget()
    bench = ["benchmark", toy_cohort, "--predictor", toy_model, "--methods", "hooked", "--no-floors", "--device", "cpu",
             "--maps", maps, "--fitted", fitted, "--measures", "complexity", "--participant-label", "07"]  # fmt: skip
    _, _, told = run(*bench, "--out", somebody.home / "bench")
    assert "manifest.json asks to import `somebodys_network:make`" in told
    assert somebody.markers() == []
    for folder in (fitted, maps):
        assert run("trust", folder, "--yes")[0] == 0
    assert somebody.markers() == []
    _, _, told = run(*bench, "--out", somebody.home / "bench")
    assert "asks to import" not in told and somebody.markers() == ["marker-imported"]


def test_a_search_runs_over_no_code(toy_plugin: Any, toy_cohort: Path, toy_model: Path, somebody: Somebody) -> None:
    from interpbench import search

    toy_plugin.offer("explainer", "hooked", Hooked)
    with pytest.raises(UsageError, match="names code to run, which cannot be searched"):
        search(toy_cohort, toy_model, somebody.home / "s", method="hooked", grid={"hook": ["somebodys_network:make"]})
    assert somebody.markers() == []


def test_a_network_of_ones_own_that_is_trained_here_is_trusted(
    toy_cohort: Path, somebody: Somebody, run: Run
) -> None:
    trained = somebody.home / "trained"
    code, _, told = run("train", toy_cohort, "--predictor", "torch", "-o", "factory=somebodys_network:make", "--epochs",
                        "1", "--shape", "10x12x8", "--device", "cpu", "--out", trained)  # fmt: skip
    assert code == 0, told
    predict(toy_cohort, trained, somebody.home / "p.tsv", device="cpu")
