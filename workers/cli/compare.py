"""`compare`: circuits side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graph_schema.errors import SpecError
from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.options import AsJson
from workers.cli.output import emit, emit_json, say
from workers.files import check_free, write_whole
from workers.requests.checking import unknown

FORMATS = ("text", "svg")


@command(
    "circuits compare 3f2a 81bc",
    "circuits compare 3f2a 81bc --format svg --out both.svg",
    "circuits compare 11aa 22bb 33cc --checkpoints --json",
)
def compare(
    circuits: Annotated[
        list[str],
        typer.Argument(
            metavar="A B…",
            help="Circuit ids, or their first digits.",
            autocompletion=suggestions.circuit_ids,
        ),
    ],
    checkpoints: Annotated[
        bool,
        typer.Option(
            "--checkpoints",
            help="Their models are checkpoints of one training run, in this order.",
        ),
    ] = False,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text or svg.")] = "text",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the picture.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put circuits side by side.

    Inside one model, and between its checkpoints: nodes and edges in common with a hypergeometric
    p-value, how far scores agree, what only one has, the metric pair by pair. Across models figures
    and kinds alone: the same name stands for different things there.
    """
    if form not in FORMATS:
        raise SpecError(unknown("format", form, FORMATS))
    if (form == "svg") != (out is not None):
        raise SpecError("a picture needs --format svg and --out FILE: give both, or neither")
    if out is not None:
        check_free(out, force)
    with connected(worker=False) as client:
        found = client.compare(*circuits, checkpoints=checkpoints)
    if out is not None:
        write_whole(out, found.to_svg().encode(), force=force)
        say(f"wrote {out}")
    if as_json:
        emit_json(found.document.model_dump(mode="json"))
    elif out is None:
        emit(str(found))
