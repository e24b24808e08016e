"""Commands that read circuits: `list`, `show`."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graph_schema import reports
from graph_schema.errors import NotFoundError, ResourceError, SpecError
from graph_schema.printable import shortened
from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.options import NO_CIRCUIT, AsJson, CircuitId, Tag, whole
from workers.cli.output import emit, emit_json, marks, page_width, say
from workers.cli.remarks import remark_lines
from workers.files import check_free, write_whole

if TYPE_CHECKING:
    from graph_schema.documents import Annotation, Features
    from workers.client import Circuit, CircuitClient

FORMATS = ("text", "json", "bibtex")


@command(
    "circuits show 3f2a",
    "circuits show 3f2a --json",
    "circuits show 3f2a --features --limit 50",
    "circuits show 3f2a --format bibtex >> references.bib",
    "circuits show 3f2a --all-scores scores.npz",
)
def show(
    circuit: CircuitId,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text or bibtex.")
    ] = "text",
    limit: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Edges listed; twice as many drawn.")
    ] = 20,
    features: Annotated[
        bool,
        typer.Option("--features", help="What its neurons and features are, and nothing else."),
    ] = False,
    all_scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Write the scores of all edges: names, scores."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a circuit: tables and a picture.

    How good it is, its layers, a picture, its strongest edges.
    """
    if form not in FORMATS:
        from workers.requests.checking import unknown

        raise SpecError(unknown("format", form, FORMATS))
    form = "json" if as_json else form
    if limit < 1:
        raise SpecError(f"--limit is {limit}; expected at least 1")
    if all_scores is not None:
        check_free(all_scores, force)
    with connected() as client:
        found = client.circuit(circuit)
        if features:
            _show_features(found, form, limit)
            return
        if all_scores is not None:
            write_scores(found, all_scores, force=force)
        others = [
            judged
            for judged in client.evaluations(found.circuit_id)
            if judged.document.evaluation_id != found.document.evaluation_id
        ]
        against = _contradicted(client, found.circuit_id)
        remarks = remark_lines(client.remarks(found.circuit_id))
    if form == "json":
        emit_json(found.document.model_dump(mode="json"))
    elif form == "bibtex":
        emit(reports.bibtex(found.document))
    else:
        said = [each for each in (remarks, against) if each]
        emit("\n\n".join([describe(found, limit), *said, *map(str, others)]))


def _show_features(circuit: Circuit, form: str, top: int) -> None:
    """What the units are: a table, or everything that is known as JSON."""
    known = circuit.features()
    if form == "json":
        emit_json(known.model_dump(mode="json"))
    elif form == "bibtex":
        raise SpecError("--features is shown as text or json; leave one out")
    elif circuit.document.unit_names:
        emit(reports.feature_table(circuit.document, known, top))
        if not known.units:
            say("what they are is not stored: it is told by the job that finds a circuit")
    else:
        emit(f"circuit {circuit.circuit_id[:12]} has no neurons or features among its nodes")


def _contradicted(client: CircuitClient, circuit_id: str) -> str:
    """A line for each verdict that speaks otherwise than the circuit or its model."""
    rows = client.query("contradicted-verdicts", circuit=circuit_id).records()
    return "\n".join(
        f"contradicts verdict {row['verdict'][:12]} ({row['outcome']}, {row['rung']} of "
        f"{row['motif']}): {row['how']}"
        for row in rows
    )


def describe(circuit: Circuit, top: int = 20) -> str:
    """All of `show`'s text."""
    document, width = circuit.document, page_width()
    parts = [
        reports.summary(document),
        *([reports.path_lines(document)] if document.prompt is not None else []),
        reports.layer_table(document, width),
        reports.picture(document, width, max_edges=2 * top, marks=marks()),
        reports.edge_table(document, top),
    ]
    if document.prompt is not None:
        parts.append(reports.node_table(document, top))
    elif document.unit_names:
        parts.append(reports.feature_table(document, known_features(circuit), top))
    groups = group_lines(circuit.annotations)
    return "\n\n".join([*parts, *([groups] if groups else [])])


def group_lines(annotations: Iterable[Annotation]) -> str:
    """Groups of nodes under one name, a line each."""
    groups = [each for each in annotations if each.kind == "group"]
    rows = [(shortened(each.text), " ".join((each.component, *each.also))) for each in groups]
    return reports.table(("group", "nodes"), rows) if rows else ""


def known_features(circuit: Circuit) -> Features:
    """What its units are; nothing, and why, where the artifact is gone."""
    try:
        return circuit.features()
    except (NotFoundError, ResourceError) as error:
        say(str(error))
        from graph_schema.documents import Features

        return Features(units=())


def write_scores(circuit: Circuit, file: Path, *, force: bool) -> None:
    """Write the scores of all edges as npz, without pickles.

    Raises:
        SpecError: It is there and `force` is off; or it cannot be written.
    """
    import numpy as np

    scores = circuit.scores()
    target = io.BytesIO()
    np.savez_compressed(target, names=scores.names, scores=scores.scores)
    write_whole(file, target.getvalue(), force=force)
    say(f"wrote the scores of {len(scores):,} edges to {file}")


@command("circuits list --task ioi --method eap-ig", name="list")
def list_circuits(
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only circuits for this task.",
            autocompletion=suggestions.known_tasks,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of this model: name, family or fingerprint.",
            autocompletion=suggestions.known_models,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only circuits by this method.",
            autocompletion=suggestions.methods,
        ),
    ] = None,
    tag: Tag = None,
    limit: Annotated[int, typer.Option(parser=whole, metavar="N", help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List circuits, the newest first."""
    with connected() as client:
        found = client.circuits(task=task, model=model, method=method, tag=tag, limit=limit)
    if as_json:
        emit_json([circuit.model_dump(mode="json") for circuit in found])
        return
    if not found:
        say("no such circuit: circuits list" if task or model or method else NO_CIRCUIT)
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
            circuit.error_share,
            f"{circuit.contradicts} contradicted" if circuit.contradicts else "",
            ", ".join(circuit.tags),
        )
        for circuit in found
    ]
    headings = ("circuit", "model", "task", "method", "edges", "ablation", "faithfulness")
    columns = (*headings, "held out", "error share", "verdicts", "tags")
    # Columns that are nearly always empty are left out then.
    told = [i for i in range(len(columns)) if i < len(headings) + 1 or any(row[i] for row in rows)]
    emit(reports.table([columns[i] for i in told], [[row[i] for i in told] for row in rows]))
