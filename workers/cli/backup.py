"""`backup` and `restore`: a graph and its artifacts in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.options import AsJson
from workers.cli.output import emit, emit_json, say
from workers.files import check_free
from workers.results.backed_up import BackedUp

File = Annotated[Path, typer.Argument(metavar="FILE.zip", help="The backup.")]


@command("circuits backup monday.zip", "circuits backup latest.zip --force --json")
def backup(
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write graph and artifacts into one file.

    Everything that is stored, with the artifacts that it refers to, each with its SHA-256. The file
    holds submitted prompts, and is for its owner alone. Not in it: models, checkpoints, logs.
    """
    check_free(file, force)
    with connected(worker=False) as client:
        _show(client.backup(file, force=force), as_json)


@command(
    "circuits restore monday.zip",
    "CIRCUITS_GRAPH=bolt+s://db:7687 CIRCUITS_ARTIFACTS=/shared circuits restore monday.zip",
)
def restore(
    file: File,
    force: Annotated[
        bool, typer.Option("--force", help="Delete what the graph holds, first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read a backup into an empty graph.

    Of either kind of server: so a local graph moves to Neo4j, and back. An older release's graph is
    brought to this one's version. Nobody sees half of it; what fails leaves an empty graph.
    While a worker is live it is refused, --force or not: stop it first.
    """
    with connected(worker=False) as client:
        _show(client.restore(file, force=force), as_json)


def _show(found: BackedUp, as_json: bool) -> None:
    if as_json:
        emit_json(found.to_json())
    else:
        emit(f"{found.file}: {found}")
    if found.missing:
        say(f"{len(found.missing):,} artifacts were gone already, such as {found.missing[0]}")
