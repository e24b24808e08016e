"""Every command explains itself, and the page of the command line speaks of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from tests.workers.cli.conftest import Circuits
from workers.cli.command_line import ORDER, app
from workers.cli.exits import ExitCode

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_the_promised_commands_are_there_in_their_order() -> None:
    assert typer.main.get_command(app).list_commands(None) == list(ORDER)  # type: ignore[attr-defined]


def _with_subcommands() -> list[str]:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    own = [f"{name} {sub}" for name in COMMANDS for sub in getattr(commands[name], "commands", ())]
    return [*COMMANDS, *own]


@pytest.mark.parametrize("name", _with_subcommands())
def test_help_shows_an_example(circuits: Circuits, name: str) -> None:
    ran = circuits(*name.split(), "--help")
    assert ran.code == ExitCode.DONE
    assert ran.err == ""
    assert re.search(rf"Example:\n +.*circuits {name}\b", ran.out)


def test_the_page_and_the_commands_name_each_other() -> None:
    rows = re.findall(r"^\| `circuits (\w+)", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == COMMANDS


def test_the_page_lists_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == [code.value for code in ExitCode]


def test_version_is_printed_alone(circuits: Circuits) -> None:
    assert re.fullmatch(r"circuits \d+\.\d+\.\d+\n", circuits("--version").out)
