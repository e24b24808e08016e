"""The command that deletes circuits and jobs: `delete`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from graph_schema.errors import SpecError
from workers.cli.app import command
from workers.cli.exits import ExitCode
from workers.cli.options import AsJson
from workers.cli.output import emit, emit_json, say
from workers.client import CircuitClient


@command(
    "circuits delete 3f2a",
    "circuits delete 3f2a --yes",
    "circuits delete 3f2a --yes --even-evidence",
)
def delete(
    id: Annotated[
        str, typer.Argument(metavar="CIRCUIT|JOB", help="Circuit or job id, or its first digits.")
    ],
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
    with CircuitClient(worker=False) as client:
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
        gone = client.delete(id, even_evidence=even_evidence)
    if as_json:
        emit_json(gone.to_json())
    else:
        say("deleted")


def _ask(id: str) -> None:
    if not sys.stdin.isatty():
        raise SpecError(f"nothing is deleted: nobody is there to ask; circuits delete {id} --yes")
    if not typer.confirm("delete all this?", err=True):
        say("nothing is deleted")
        raise typer.Exit(ExitCode.DONE)
