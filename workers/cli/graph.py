"""Commands that read the graph: `list`, `show`, `cypher`, `schema`."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from graph_schema.errors import SpecError
from graph_schema.reports import edge_table, layer_table, picture, summary, table
from workers.cli.app import command
from workers.cli.options import AsJson, assignments, whole
from workers.cli.output import emit, emit_json, marks, page_width, say
from workers.client import Circuit, CircuitClient, Rows
from workers.specs import unknown

FORMATS = ("text", "json")


@command(
    "circuits show 3f2a",
    "circuits show 3f2a --format json",
    "circuits show 3f2a --all-scores scores.npz",
)
def show(
    circuit: Annotated[str, typer.Argument(help="Circuit id, or its first digits.")],
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text or json.")] = "text",
    top: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Edges listed; twice as many drawn.")
    ] = 20,
    all_scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Write the scores of all edges: names, scores."),
    ] = None,
) -> None:
    """Show a circuit: tables and a picture.

    How good it is, its layers, a picture, its strongest edges.
    """
    if form not in FORMATS:
        raise SpecError(unknown("format", form, FORMATS))
    if top < 1:
        raise SpecError(f"top is {top}; expected 1 or more")
    with CircuitClient() as client:
        found = client.circuit(circuit)
        if all_scores is not None:
            write_scores(found, all_scores)
        others = [
            judged
            for judged in client.evaluations(found.circuit_id)
            if judged.document.evaluation_id != found.document.evaluation_id
        ]
    if form == "json":
        emit_json(found.document.model_dump(mode="json"))
    else:
        emit("\n\n".join([describe(found, top), *map(str, others)]))


def describe(circuit: Circuit, top: int = 20) -> str:
    """All of `show`'s text."""
    document, width = circuit.document, page_width()
    parts = [
        summary(document),
        layer_table(document, width),
        picture(document, width, max_edges=2 * top, marks=marks()),
        edge_table(document, top),
    ]
    return "\n\n".join(parts)


def write_scores(circuit: Circuit, file: Path) -> None:
    """Write the scores of all edges as npz, without pickles.

    Raises:
        SpecError: The file cannot be written.
    """
    import numpy as np

    scores = circuit.scores()
    try:
        with file.open("wb") as target:
            np.savez_compressed(target, names=scores.names, scores=scores.scores)
    except OSError as error:
        raise SpecError(
            f"cannot write {str(file)!r}: {error.strerror}; give the path of a file to write"
        ) from error
    say(f"wrote the scores of {len(scores):,} edges to {file}")


@command("circuits list --task ioi --method eap-ig", name="list")
def list_circuits(
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only circuits for this task.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of this model: name, family or fingerprint."),
    ] = None,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only circuits by this method.")
    ] = None,
    limit: Annotated[int, typer.Option(parser=whole, metavar="N", help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List circuits, the newest first."""
    with CircuitClient() as client:
        found = client.circuits(task=task, model=model, method=method, limit=limit)
    if as_json:
        emit_json([circuit.model_dump(mode="json") for circuit in found])
        return
    rows = [
        (
            circuit.circuit_id[:12],
            circuit.model,
            circuit.task,
            circuit.method,
            circuit.n_edges,
            circuit.ablation,
            circuit.faithfulness,
            circuit.heldout_faithfulness,
        )
        for circuit in found
    ]
    headings = ("circuit", "model", "task", "method", "edges", "ablation", "faithfulness")
    emit(table((*headings, "held out"), rows))


@command(
    'circuits cypher "MATCH (c:Circuit) RETURN c.circuit_id, c.task, c.faithfulness"',
    "circuits cypher --param task=ioi --csv < query.cypher",
)
def cypher(
    query: Annotated[
        str | None,
        typer.Argument(metavar="[QUERY]", help="From standard input where left out."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Value of $NAME; repeatable."),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask the graph in Cypher.

    Queries only read; one that would write, or read files, is refused.
    """
    if as_json and as_csv:
        raise SpecError("--json and --csv cannot go together: leave one out")
    parameters = assignments(param or [], "--param")
    text = _standard_input() if query is None or query == "-" else query
    with CircuitClient() as client:
        found = client.cypher(text, **parameters)
    if as_json:
        emit_json(found.records())
    elif as_csv:
        emit(_csv(found))
    else:
        emit(str(found))
    if found.truncated:
        say(
            f"only the first {len(found):,} rows are shown; narrow the query, add LIMIT, or raise "
            "CIRCUITS_LIMITS__QUERY_ROWS"
        )


@command("circuits schema")
def schema(as_json: AsJson = False) -> None:
    """Show what the graph holds: labels, relationships, counts, example queries."""
    with CircuitClient() as client:
        found = client.schema()
    if as_json:
        emit_json(found.model_dump(mode="json"))
        return
    nodes = [(part.name, part.count, ", ".join(part.properties)) for part in found.nodes]
    relationships = [
        (
            f"({part.sender})-[:{part.name}]->({part.receiver})",
            part.count,
            ", ".join(part.properties),
        )
        for part in found.relationships
    ]
    examples = [
        f"{part.name}: {part.about}\n    {part.example}"
        for part in (*found.nodes, *found.relationships)
        if part.example
    ]
    emit(
        "\n\n".join(
            [
                f"schema version {found.version}",
                table(("label", "count", "properties"), nodes),
                table(("relationship", "count", "properties"), relationships),
                *examples,
            ]
        )
    )


def _standard_input() -> str:
    if sys.stdin.isatty():
        raise SpecError('no query: write it as an argument, circuits cypher "MATCH …", or pipe it')
    text = sys.stdin.read()
    if not text.strip():
        raise SpecError("the query on standard input is empty")
    return text


def _csv(found: Rows) -> str:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(found.columns)
    for row in found.rows:
        writer.writerow([json.dumps(v) if isinstance(v, dict | list) else v for v in row])
    return target.getvalue().removesuffix("\n")
