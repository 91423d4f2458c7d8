"""Records of all kinds with values that no run writes: refused in one line, or harmless, and never a bug."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interpbench.errors import ConflictError, InputError
from interpbench.files.atomic import write_json
from interpbench.files.records import NUMBER, ListOf, MapOf, Maybe, read_record
from interpbench.files.run_folder import RunFolder

Run = Callable[..., tuple[int, str, str]]


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


ODD = [
    None,
    True,
    0,
    -1,
    -0.0,
    1.5,
    1e308,
    10**30,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "\udcff",
    "a\0b",
    "\x1b[31mred\n\r",
    "x" * 5000,
    "/" + "y" * 5000,
    "../../x",
    "1",
    "\u202e",
    [],
    [1],
    ["x"],
    [[1, 2], [3]],
    [None],
    {},
    {"a": 1},
    {"": None},
    nested(50),
    nested(80),
]
TEXTS = [
    b"",
    b"{",
    b"[]",
    b"5",
    b"\xff\xfe{}",
    b'{"kind": "a", "kind": "b"}',
    b"[" * 100_000,
    b'{"a": ' * 1000,
    b"\xef\xbb\xbf{}",
    b'{"a": 1e999}',
    b'{"a": NaN}',
    b'{"a": "\\ud800"}',
    b"1" * 5000,
]
PART = ["--participant-label", "00", "--participant-label", "01"]


def places_in(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places_in(one, (*place, key))


def with_value(record: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    changed = copy.deepcopy(record)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    return changed


@pytest.fixture(scope="module")
def chain(
    toy_cohort: Path, toy_model: Path, command: Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A folder with a model, maps, a population and predictions; and the cohort."""
    folder = tmp_path_factory.mktemp("chain")
    shutil.copytree(toy_model, folder / "model")
    model = ["--predictor", folder / "model", "--device", "cpu", *PART]
    assert command("explain", toy_cohort, *model, "--method", "saliency", "--out", folder / "maps")[0] == 0
    assert command("aggregate", folder / "maps", "--out", folder / "population")[0] == 0
    assert command("predict", toy_cohort, *model, "--out", folder / "predicted" / "table.tsv")[0] == 0
    return folder, toy_cohort


@pytest.fixture(scope="module")
def bench(chain: tuple[Path, Path], command: Run) -> None:
    """A benchmark in that folder as well."""
    folder, cohort = chain
    assert command(*BENCH, "--out", folder / "bench", base=folder, cohort=cohort)[0] == 0


MODEL = ["--predictor", "@/model", "--device", "cpu", *PART]
BENCH = [
    "benchmark",
    "COHORT",
    *MODEL,
    "--methods",
    "saliency",
    "--measures",
    "complexity",
    "--maps",
    "@/maps",
    "--refit-subjects",
    "2",
    "--processes",
    "1",
]
VERIFY = [
    ["verify", "@/maps"],
    ["aggregate", "@/maps", "--out", "@/new"],
    ["explain", "COHORT", *MODEL, "--method", "saliency", "--out", "@/maps"],
]
READERS: dict[str, list[list[str]]] = {  # each record, and the commands that read it
    "model/model.json": [
        ["predict", "COHORT", *MODEL, "--out", "@/new.tsv"],
        ["check", "COHORT", "--headers-only", "--predictor", "@/model"],
    ],
    "maps/manifest.json": VERIFY,
    "maps/sub-00/sub-00_desc-saliency_importance.json": VERIFY,
    "population/manifest.json": [["verify", "@/population"], ["aggregate", "@/maps", "--out", "@/population"]],
    "population/population.json": [["verify", "@/population"], ["aggregate", "@/maps", "--out", "@/population"]],
    "predicted/table.json": [["predict", "COHORT", *MODEL, "--out", "@/predicted/table.tsv"]],
    "bench/manifest.json": [[*BENCH, "--out", "@/bench"]],
    "bench/sub-00/sub-00_desc-benchmark_measures.json": [[*BENCH, "--out", "@/bench"]],
}
SLOW = [name for name in READERS if "bench" in name or "population" in name]


@pytest.fixture(scope="module")
def command(command: Run) -> Run:  # type: ignore[no-redef]
    """The same, with `@` for a folder and `COHORT` for the cohort."""

    def run(*words: object, base: object = "", cohort: object = "") -> tuple[int, str, str]:
        return command(*(str(word).replace("@", str(base)).replace("COHORT", str(cohort)) for word in words))

    return run


def assert_one_line(ended: tuple[int, str, str], about: object) -> None:
    code, out, told = ended
    errors = [line for line in told.splitlines() if line.startswith("Error: ")]
    assert code in (0, 2, 3, 4, 7), (about, told[-500:])
    assert len(errors) <= 1 and "this is a bug" not in told, (about, told[-500:])
    assert all(one.isprintable() or one in "\n\t" for one in out + told), about


def tried(name: str, chain: tuple[Path, Path], command: Run, tmp_path: Path, step: int, start: int) -> None:
    """Put odd values into a record, each `step`-th of all pairs of place and value, and run what reads it."""
    source, cohort = chain
    good = json.loads((source / name).read_text())
    pairs = [(place, odd) for place in places_in(good) for odd in ODD][start::step]
    contents = [json.dumps(with_value(good, place, odd)).encode() for place, odd in pairs]
    for content in [*contents, *TEXTS[start::step]]:
        base = tmp_path / "work"
        shutil.rmtree(base, ignore_errors=True)
        shutil.copytree(source, base)
        (base / name).write_bytes(content)
        for words in READERS[name]:
            assert_one_line(command(*words, base=base, cohort=cohort), (words[0], content[:3000]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in READERS if name not in SLOW])
def test_a_record_with_odd_values(name: str, chain: tuple[Path, Path], command: Run, tmp_path: Path) -> None:
    tried(name, chain, command, tmp_path, step=331, start=7)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_a_record_with_more_odd_values(
    name: str, chain: tuple[Path, Path], bench: None, command: Run, tmp_path: Path
) -> None:
    tried(name, chain, command, tmp_path, step=173, start=11)


KINDS: dict[str, Any] = {
    "text": str,
    "number": NUMBER,
    "an integer": int,
    "true or false": bool,
    "path": Path,
    "list": ListOf(NUMBER, 2),
    "an object with named values": MapOf(str),
}
RIGHT = {
    "text": ["", "x"],
    "number": [0, 1.5, -1],
    "an integer": [0, -1],
    "true or false": [True],
    "path": ["x", "\udcff"],
    "list": [[1, 2.5]],
    "an object with named values": [{}, {"a": "b"}],
}


@pytest.mark.parametrize("called", KINDS)
def test_the_reader_takes_a_kind_and_nothing_else(called: str, tmp_path: Path) -> None:
    place = tmp_path / "record.json"
    for value in RIGHT[called]:
        write_json(place, {"value": value})
        assert read_record(place, {"value": KINDS[called]}, "record") == {"value": value}
        assert read_record(place, {"value": Maybe(KINDS[called])}, "record") == {"value": value}
    taken = []
    for value in ODD:
        place.write_text(json.dumps({"inner": [{"value": value}]}))
        try:
            taken.append(read_record(place, {"inner": ListOf({"value": KINDS[called]})}, "record"))
        except InputError as refused:
            assert str(place) in str(refused) and str(refused).count("\n") == 0
    values = [one["inner"][0]["value"] for one in taken]
    assert len(values) < len(ODD) - 10
    assert not any(value is None or value != value or value == float("inf") for value in values)
    assert all(not isinstance(value, bool) for value in values) or called == "true or false"
    place.write_text("{}")
    with pytest.raises(InputError, match="it lacks value"):
        read_record(place, {"value": KINDS[called]}, "record")


@pytest.mark.parametrize("content", TEXTS, ids=lambda content: repr(content[:20]))
def test_what_is_no_record_is_refused(content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "record.json"
    place.write_bytes(content)
    with pytest.raises(InputError, match=r"record\.json: "):
        read_record(place, {}, "record") if content[:1] == b"{" else read_record(place, {"kind": str}, "record")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_a_folder_with_an_odd_manifest_is_not_taken_over(odd: Any, tmp_path: Path) -> None:
    for name in ("kind", "interpbench", "versions", "process", "command"):
        out = tmp_path / name
        out.mkdir()
        good = {"kind": "fit", "interpbench": "0", "versions": {}, "process": None, "command": {}}
        (out / "manifest.json").write_text(json.dumps({**good, name: odd}))
        before = (out / "manifest.json").read_bytes()
        with pytest.raises((InputError, ConflictError)):
            RunFolder.open(out, "train", {})
        assert (out / "manifest.json").read_bytes() == before


TOML = [
    "5",
    "'x'",
    "[1, [2, [3]]]",
    "{a = 1}",
    "1979-05-27",
    "nan",
    "1e999",
    "true",
    "[" * 2000 + "]" * 2000,
    "9" * 5000,
    "'\\u0000'",
    '"\\u0000"',
    '"\\u001b[31m"',
]


@pytest.mark.parametrize("odd", TOML, ids=lambda odd: odd[:9])
@pytest.mark.parametrize(
    "name", ["seed", "fit.seed", "fit.options", "fit.options.r", "fit.device", "fit.cache", "fit.out"]
)
def test_a_configuration_with_odd_values(name: str, odd: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f"{name} = {odd}\n")
    words = ["fit", tmp_path / "none", "--predictor", "x", "--method", "unoise", "--config", tmp_path / "c.toml"]
    ended = run(*words, *([] if name == "fit.out" else ["--out", tmp_path / "o"]))
    assert_one_line(ended, odd)
    assert ended[0] in (2, 3)
