"""`sweep`: models x tasks x methods x sizes x seeds, asked for and followed as one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graph_schema.documents.jobs import JobState
from graph_schema.errors import SpecError
from graph_schema.printable import shortened
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.exits import ExitCode, exit_code
from workers.cli.options import AsJson
from workers.cli.output import emit, emit_json, say
from workers.cli.query import AsCsv, one_format
from workers.requests.sweep_file import read_sweep
from workers.results.rows import Rows

if TYPE_CHECKING:
    from workers.client import Sweep

WHY_LENGTH = 100


@command("circuits sweep sweep.yaml --wait", "circuits sweep sweep.yaml --rerun-failed --csv")
def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The sweep; docs/sweeps.md.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow its jobs to their end.")] = False,
    rerun_failed: Annotated[
        bool, typer.Option("--rerun-failed", help="Run again what failed or was cancelled.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End what has not ended; asks for nothing.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Find circuits in many models, for many tasks, by many methods.

    Asks for what is missing of the sweep, and shows it as one table; the same command again shows
    how far it is. What has ended is not done again.
    """
    one_format(as_json, as_csv)
    if cancel and (rerun_failed or wait):
        raise SpecError("--cancel goes alone: leave --wait and --rerun-failed out")
    asked = read_sweep(file)
    with connected(worker=not cancel) as client:
        found = client.sweep_request(asked, submit=not cancel)
        if rerun_failed:
            found.rerun()
        if cancel:
            found.cancel()
        if wait:
            _follow(found, file)
        _show(found, as_json, as_csv)
        say(_how_far(found, file))
        if wait:
            _exit_as_the_first_that_failed(found)


def _follow(found: Sweep, file: Path) -> None:
    try:
        found.wait()
    except KeyboardInterrupt:
        say(f"\nits jobs go on; follow them with: circuits sweep {_said(file)} --wait")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _show(found: Sweep, as_json: bool, as_csv: bool) -> None:
    if as_json:
        emit_json(found.to_json())
    elif as_csv:
        emit(found.table().to_csv(), exact=True)
    else:
        emit(str(_short(found.table())))


def _short(table: Rows) -> Rows:
    """The table with ids by their first digits and reasons cut, as a screen has room for them."""

    def short(name: str, value: object) -> object:
        if name in ("circuit", "job") and value is not None:
            return str(value)[:12]
        return shortened(str(value), WHY_LENGTH) if name == "why" and value else value

    rows = (
        tuple(short(name, value) for name, value in zip(table.columns, row, strict=True))
        for row in table.rows
    )
    return Rows(table.columns, tuple(rows))


def _how_far(found: Sweep, file: Path) -> str:
    """How many jobs are in which state, and the next step."""
    counts = [f"{count} {state}" for state, count in found.states().items()]
    counts += [f"{found.missing} not asked for"] if found.missing else []
    told = f"sweep {found.name} {found.sweep_id[:12]}: {', '.join(counts)}"
    if found.failed:
        told += f"; run again what failed: circuits sweep {_said(file)} --rerun-failed"
    elif found.missing:
        told += f"; ask for it: circuits sweep {_said(file)}"
    elif not found.ended:
        told += f"; follow it: circuits sweep {_said(file)} --wait"
    return told


def _said(file: Path) -> str:
    """A file as a command has it."""
    return shlex.quote(str(file))


def _exit_as_the_first_that_failed(found: Sweep) -> None:
    for job in found.jobs:
        if job.state in (JobState.FAILED, JobState.CANCELLED) and job.error is not None:
            raise typer.Exit(exit_code(job.error))
