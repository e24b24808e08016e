"""The command that looks whether everything is as it must be: `doctor`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from workers.cli.command_line import command
from workers.cli.exits import ExitCode
from workers.cli.options import AsJson
from workers.cli.output import emit, emit_json
from workers.settings import read_settings


@command("circuits doctor", "circuits doctor --json")
def doctor(as_json: AsJson = False) -> None:
    """Look whether everything is as it must be, and say what to do.

    Versions, service, graph, broker, artifacts, models, disk, permissions, Java, GPU: each is ok,
    warn or fail. Starts nothing. Ends with status 1 where something fails.
    """
    from workers.doctor import Verdict, every_check, examine

    found = examine(every_check(read_settings))
    if as_json:
        emit_json([asdict(each) for each in found])
    else:
        for each in found:
            advice = f" → {each.advice}" if each.advice else ""
            emit(f"{each.verdict.value:<4}  {each.check:<11}  {each.says}{advice}")
    if any(each.verdict is Verdict.FAIL for each in found):
        raise typer.Exit(ExitCode.FAILED)
