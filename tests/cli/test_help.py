"""Every command has its help, and a file of its name."""

from __future__ import annotations

import click
import pytest

from interpbench.cli.group import COMMANDS
from interpbench.cli.group import interpbench as group


def test_without_a_command_the_help_is_shown(run):
    code, out, _ = run()
    assert code == 2
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_the_list_of_commands_cuts_no_sentence_short(run):
    _, out, _ = run()
    listed = [line for line in out.splitlines() if line.split() and line.split()[0] in COMMANDS]
    assert len(listed) == len(COMMANDS)
    assert [line for line in listed if line.endswith("...")] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_says_how_loud_it_is(run, name):
    code, out, _ = run(name, "--help")
    assert code == 0
    for word in ("--verbose", "--quiet", "--config"):
        assert word in out


def test_every_command_lies_in_a_file_of_its_name():
    context = click.Context(group)
    assert [group.get_command(context, name).name for name in COMMANDS] == list(COMMANDS)
