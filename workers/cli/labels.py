"""The command that says what a circuit's nodes stand for: `label`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graph_schema.documents import Annotation
from graph_schema.errors import SpecError
from graph_schema.reports import table
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.options import AsJson, CircuitId, real
from workers.cli.output import emit, emit_json
from workers.files import check_free, read_bounded, write_whole

if TYPE_CHECKING:
    from workers.requests.labels import Labelled


@command(
    "circuits label 3f2a",
    'circuits label 3f2a m3.f1024 "names in a list" --author ada',
    'circuits label 3f2a m3.n217 "tokens: Mary, John"',
    "circuits label 3f2a --write labels.csv",
    "circuits label 3f2a --read labels.csv --author ada",
)
def label(
    circuit: CircuitId,
    node: Annotated[
        str | None, typer.Argument(metavar="[NODE]", help="m3.f1024, m3.n217, a5.h1, m3.f1024@7.")
    ] = None,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="What it stands for, on one line.")
    ] = None,
    author: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who says it (the user who runs this).")
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(parser=real, metavar="X", help="How well it tells, 0 to 1, where known."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE.csv", help="Write a table to fill in new_label."),
    ] = None,
    read: Annotated[
        Path | None,
        typer.Option("--read", metavar="FILE.csv", help="Read it back: all labels or none."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what nodes of a circuit stand for.

    The newest label is what a node is called: in show, pictures and exports, and after a new run.
    A label "tokens: Mary, John" is a rule whose score is computed on the held-out prompts. Without
    a node, the labels there are.
    """
    _one_way(node, text, score, write, read)
    if write is not None:
        check_free(write, force)
        with connected(worker=False) as client:
            table_text = client.label_table(circuit)
        write_whole(write, table_text.encode(), force=force)
        n_rows = max(table_text.count("\n") - 1, 0)
        if as_json:
            emit_json({"file": str(write), "rows": n_rows})
        else:
            emit(f"{n_rows:,} neurons and features are in {write}; fill in new_label, then --read")
        return
    from workers.requests.labels import MOST_BYTES, author_or_user

    if author is not None:
        author = author_or_user(author)  # before a service is started for nothing
    data = None if read is None else read_bounded(read, MOST_BYTES, "a table of labels")
    with connected(worker=False) as client:
        if data is not None:
            _tell(client.read_labels(circuit, data, author=author), as_json)
        elif node is not None and text is not None:
            _tell(client.label(circuit, node, text, author=author, score=score), as_json)
        else:
            _list(client.labels(circuit), as_json)


def _one_way(
    node: str | None,
    text: str | None,
    score: float | None,
    write: Path | None,
    read: Path | None,
) -> None:
    if sum([node is not None, write is not None, read is not None]) > 1:
        raise SpecError("give a node with its label, or --write FILE, or --read FILE: one of them")
    if (node is None) != (text is None):
        own = shlex.quote(node or "NODE")
        raise SpecError(f'node {node!r} has no label; circuits label CIRCUIT {own} "what it is"')
    if score is not None and node is None:
        raise SpecError("--score is of one label; a table has a column for it")


def _tell(found: Labelled, as_json: bool) -> None:
    if as_json:
        labels = [each.model_dump(mode="json") for each in found.written]
        emit_json({"labels": labels, "unchanged": found.unchanged})
        return
    lines = [
        f"{len(found.written):,} new labels, {found.unchanged:,} there already"
        if len(found.written) + found.unchanged != 1
        else f"{'labelled' if found.written else 'labelled so already'}"
    ]
    emit("\n".join([*lines, *([_table(found.written)] if found.written else [])]))


def _list(labels: list[Annotation], as_json: bool) -> None:
    if as_json:
        emit_json([each.model_dump(mode="json") for each in labels])
    elif labels:
        emit(_table(labels))
    else:
        emit('no node is labelled yet: circuits label CIRCUIT NODE "what it is"')


def _table(labels: list[Annotation] | tuple[Annotation, ...]) -> str:
    rows = [(each.component, each.text, each.score, each.author) for each in labels]
    return table(("node", "label", "score", "author"), rows)
