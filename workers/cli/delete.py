"""Commands that remove what is stored: `delete`, `gc`."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from graph_schema.errors import SpecError
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.exits import ExitCode
from workers.cli.options import AsJson, Target
from workers.cli.output import emit, emit_json, no_input, say


@command(
    "circuits delete 3f2a",
    "circuits delete 3f2a --yes",
    "circuits delete 3f2a --yes --even-evidence",
)
def delete(
    id: Target,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    even_evidence: Annotated[
        bool,
        typer.Option(
            "--even-evidence", help="Also what a verdict, report or other finding rests on."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a circuit, or a job with all that it found.

    What goes with it is named first. A job that has found one circuit goes with it. What is queued
    or running is refused, and so is what a verdict, a report, a role graph or a specificity matrix
    rests on, unless told: these stay, without what they were concluded from.
    """
    with connected(worker=False) as client:
        told = client.deletion(id)
        if not as_json:
            emit(f"deletes\n{told}")
        if told.is_evidence and not even_evidence:
            raise SpecError(
                f"{id!r} is what others rest on: {told.rests()}; --even-evidence deletes it all "
                "the same, and leaves them without their evidence"
            )
        if not yes:
            _ask(id)
        gone = client.delete(told.id, even_evidence=even_evidence)  # what was named
    if as_json:
        emit_json(gone.to_json())
    else:
        say("deleted")


@command("circuits gc --dry-run", "CIRCUITS_KEEP_FAILED_DAYS=30 circuits gc")
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what has gathered and nothing refers to.

    Failed and cancelled jobs older than CIRCUITS_KEEP_FAILED_DAYS (not set: none), circuits that a
    job began to store and never finished, and, older than CIRCUITS_KEEP_FILES_DAYS (1): checkpoints
    of jobs that have ended, artifacts that no circuit refers to, old logs of the local service.
    """
    with connected(worker=False) as client:
        found = client.gc(dry_run=dry_run)
    if as_json:
        emit_json(found.to_json())
    else:
        emit(str(found))
    for why in found.failed:
        say(f"stays: {why}")
    if found.failed:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _ask(id: str) -> None:
    if no_input() or not sys.stdin.isatty():
        command = shlex.join(["circuits", "delete", id, "--yes"])
        raise SpecError(f"nothing is deleted: nobody is there to ask; {command}")
    if not typer.confirm("delete all this?", err=True):
        say("nothing is deleted")
        raise typer.Exit(ExitCode.DONE)
