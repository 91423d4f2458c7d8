"""What users read is plain, standard English: help lines, descriptions of options and measures, and messages.

The rules that can be checked: phrases stand alone, sentences are short, and odd turns of phrase do not come back.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from interpbench.cli.group import COMMANDS
from interpbench.host.registry import discover
from interpbench.images.recipe import Recipe
from interpbench.options import option_fields
from interpbench.training.epochs import TrainingSettings

ROOT = Path(__file__).parents[2]
OURS = "interpbench"  # the distribution of the built-in plugins
HELP_WORDS, MESSAGE_WORDS = 25, 30  # in a sentence, at most
NOT_ALONE = re.compile(r"^(of|what|whose|where|which) ", re.IGNORECASE)
ODD = {
    "is no X, for is not a X": r"(?<!here )\b(is|are) no (?!longer\b|better\b)[a-z]",
    "tell, for report or distinguish": r"\b(tells?|told)\b(?! apart)",
    "anew, for again": r"\banew\b",
    "takes no part, for is excluded": r"\btakes? (no )?part\b",
    "mend, for correct": r"\bmend(s|ed)?\b",
    "nobody, everybody, for subjects": r"\b(no|every)body\b",
    "goes on, going on, for continues": r"\b(goes|going) on\b",
    "are not numbers, for are not finite": r"\bno numbers?\b",
    "for want of, for without": r"\bfor want of\b",
    "says nothing, says what": r"\bsays? (nothing|what|of|so)\b",
    "is gone, for is missing": r"\b(is|are) gone\b",
    "vouch, drown, foretell, heed": r"\b(vouch|drown|foretell|heed)",
    "without a word": r"\bwithout a word\b",
    "where there is one, for if there is one": r"\bwhere there (is|are)\b",
    "a step, a subject, a voxel, for per": r"\b(numbers?|one|bytes?|seconds?|row|line) a"
    " (step|subject|voxel|class|map)\b",
}
PROSE_WORDS = 4  # a string of fewer words is a name or a format, not a message


def faults_of(text: str, most: int) -> list[str]:
    """The rules that a text breaks."""
    sentences = re.split(r"(?<=[.!?;:])\s+", text)
    long = [f"{len(one.split())} words: {one}" for one in sentences if len(one.split()) > most]
    return [*long, *(rule for rule, phrase in ODD.items() if re.search(phrase, text))]


def command_helps() -> Iterator[tuple[str, str]]:
    for name in COMMANDS:
        command: click.Command = getattr(import_module(f"interpbench.cli.{name}"), name)
        for one in command.params:
            if isinstance(one, click.Option):
                yield f"{name} {one.opts[0]}", one.help or ""


def option_helps() -> Iterator[tuple[str, str]]:
    registry = discover()
    built_in = [one for one in registry.installed if one.plugin.distribution == OURS]
    classes = {f"{one.kind} {one.name}": registry.load(one.kind, one.name) for one in built_in}
    for where, component in {**classes, "training": TrainingSettings, "recipe": Recipe}.items():
        for field in option_fields(component):
            yield f"{where} {field.name}", field.metadata.get("help", "")


def measure_helps() -> Iterator[tuple[str, str]]:
    registry = discover()
    for one in registry.components("metric"):
        if one.plugin.distribution == OURS:
            for measure in registry.load("metric", one.name)().measures:
                yield f"{one.name} {measure.name}", measure.help


def summaries() -> Iterator[tuple[str, str]]:
    for one in discover().installed:
        if one.plugin.distribution == OURS:
            yield f"{one.kind} {one.name}", one.component.summary


@pytest.mark.parametrize("texts", [command_helps, option_helps, measure_helps, summaries], ids=lambda one: one.__name__)
def test_every_help_is_a_short_phrase_that_stands_alone(texts) -> None:
    found = dict(texts())
    assert len(found) > 20
    wrong = {where: faults_of(text, HELP_WORDS) for where, text in found.items()}
    wrong |= {where: ["it does not stand alone"] for where, text in found.items() if NOT_ALONE.search(text)}
    wrong |= {where: ["it has no help"] for where, text in found.items() if not re.match(r"[A-Za-z0-9|]", text)}
    assert {where: (found[where], faults) for where, faults in wrong.items() if faults} == {}


def test_a_command_says_what_it_does_in_short_sentences() -> None:
    wrong = {}
    for name in COMMANDS:
        command: click.Command = getattr(import_module(f"interpbench.cli.{name}"), name)
        wrong[name] = faults_of(" ".join((command.help or "").split()), HELP_WORDS)
    assert {name: faults for name, faults in wrong.items() if faults} == {}


@dataclasses.dataclass(frozen=True)
class Message:
    where: str
    text: str  # what is filled in stands as X


def messages_in(path: Path) -> Iterator[Message]:
    """Every text in a file's code but docstrings: errors, doubts, log lines, and what is printed or drawn."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        text = text_of(node)
        if id(node) not in parts and len(text.split()) >= PROSE_WORDS:
            yield Message(f"{path.relative_to(ROOT)}:{node.lineno}", text)


def text_of(node: ast.AST) -> str:
    """The constant text of an expression; what is filled in stands as X."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-.\d]*[a-z]", "X", node.value)
    return ""


def test_messages_are_short_sentences_without_odd_phrases() -> None:
    files = [path for folder in ("interpbench", "plugins") for path in sorted((ROOT / folder).rglob("*.py"))]
    found = [message for path in files for message in messages_in(path)]
    assert len(found) > 900
    wrong = {(one.where, one.text): faults_of(one.text, MESSAGE_WORDS) for one in found}
    assert {where: faults for where, faults in wrong.items() if faults} == {}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("voxels that are no numbers", "is no X, for is not a X"),
        ("the error of bfloat16 is told", "tell, for report or distinguish"),
        ("1 maps are made anew", "anew, for again"),
        ("write the ages in years, or mend its Units", "mend, for correct"),
    ],
)
def test_odd_phrases_are_found(text: str, rule: str) -> None:
    assert rule in faults_of(text, MESSAGE_WORDS)
    assert faults_of("there is no subject in the training split", MESSAGE_WORDS) == []
    assert faults_of(" ".join(["word"] * 31), MESSAGE_WORDS) != []
