"""Every command explains itself, and the page of the command line speaks of each."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import typer

import workers.cli
from tests.workers.cli.conftest import Circuits
from workers.cli import app, command_line
from workers.cli.commands import COMMANDS as LISTED
from workers.cli.exits import ExitCode

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_every_command_has_its_own_first_words_in_the_list() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    first = {name: each.help.partition("\n\n")[0] for name, each in commands.items()}
    assert {name: " ".join(said.split()) for name, said in first.items()} == {
        name: each.line for name, each in LISTED.items()
    }


def test_every_command_that_a_module_registers_is_listed() -> None:
    for module in pkgutil.iter_modules(workers.cli.__path__):
        importlib.import_module(f"workers.cli.{module.name}")
    assert set(command_line.registered) == set(LISTED)


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
