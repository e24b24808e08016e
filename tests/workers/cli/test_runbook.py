"""The runbook names commands, options and settings that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from workers.cli import app
from workers.settings import PREFIX, Settings

PAGE = (Path(__file__).parents[3] / "docs" / "runbook.md").read_text()
CODE = re.findall(r"`([^`\n]+)`", PAGE)
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def _options(name: str) -> set[str]:
    return {option for parameter in COMMANDS[name].params for option in parameter.opts}


def test_every_command_is_one_and_takes_its_options() -> None:
    named = [words.split()[1:] for words in CODE if words.startswith("circuits ")]
    assert len(named) > 15
    for name, *words in named:
        assert name in COMMANDS, name
        given = {word for word in words if word.startswith("--")}
        assert given <= _options(name), (name, given)


def test_an_option_named_alone_is_one_of_submit() -> None:
    alone = {words for words in CODE if re.fullmatch(r"--[a-z-]+", words)}
    assert alone
    assert alone <= _options("submit")


@pytest.mark.parametrize("name", sorted({c for c in CODE if c.startswith(PREFIX)}))
def test_every_setting_is_one(name: str) -> None:
    first, _, rest = name.removeprefix(PREFIX).lower().partition("__")
    assert first in Settings.model_fields
    assert not rest or hasattr(Settings.model_fields["limits"].default, rest)


def test_every_row_says_symptom_cause_and_command() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
