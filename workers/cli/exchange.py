"""Circuits to and from the files of other tools: `export`, `import`, `validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graph_schema.reports import graph_words, summary
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.exits import ExitCode
from workers.cli.options import (
    AsJson,
    CircuitId,
    Label,
    Revision,
    TaskParams,
    assignments,
    real,
    whole,
)
from workers.cli.output import emit, emit_json, say
from workers.files import check_free, write_whole
from workers.requests.formats import FORMATS
from workers.settings import read_settings

if TYPE_CHECKING:
    from workers.client import Circuit


@command(
    "circuits export 3f2a --format eap-ig --out ioi.json",
    "circuits export 3f2a --format graphml --out ioi.graphml --force",
    "circuits export 3f2a --format neuronpedia --out graph.json",
)
def export(
    circuit: CircuitId,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}.")
    ] = "eap-ig",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a circuit to a file of another tool.

    eap-ig and eap-ig-pt (also named mib and mib-pt) hold every edge of the model, with its score
    and whether it is in the circuit; graphml, node-link and csv hold the circuit's edges,
    neuronpedia its nodes and edges as an attribution graph.
    """
    from workers.requests.exchange import format_named

    wanted = format_named(form)
    check_free(out, force)  # before anything is read for it
    with connected(worker=False) as client:
        found = client.circuit(circuit)
        data = found.export(wanted)
    write_whole(out, data, force=force)
    if as_json:
        emit_json(
            {
                "circuit_id": found.circuit_id,
                "format": wanted.value,
                "file": str(out),
                "bytes": len(data),
                "n_edges": found.n_edges,
            }
        )
    else:
        emit(f"{found.n_edges:,} edges of circuit {found.circuit_id[:12]} are in {out}")
    n_edges, n_scored = found.document.model.n_edges, found.document.n_edges_scored
    if wanted.whole and n_scored < n_edges:
        say(
            f"{n_scored:,} of {n_edges:,} edges have a stored score; the others are written as 0, "
            "because the format has a score for every edge"
        )


@command(
    "circuits import ioi.json --model openai-community/gpt2 --task ioi",
    "circuits import scores.json --model openai-community/gpt2 --task ioi --edges 500",
    "circuits import circuit.graphml --model ./my-model --dataset pairs.jsonl --metric logit_diff",
    "circuits import graph.json --format neuronpedia",
    name="import",
)
def import_circuit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON, .pt, GraphML or CSV.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Hub id org/name, a folder, or the first digits of a stored fingerprint; "
            "neuronpedia's graphs name their own.",
        ),
    ] = None,
    revision: Revision = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)} (by its name)."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Built-in task that the circuit is for.")
    ] = None,
    task_param: TaskParams = None,
    pairs: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="Pairs that the task makes (32).")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="FILE", help="Pairs that it is for, in place of --task.")
    ] = None,
    heldout: Annotated[
        str | None, typer.Option(metavar="FILE", help="Pairs to judge it on, FILE.jsonl.")
    ] = None,
    label: Label = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the scores are of, where known.")
    ] = None,
    ablation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What took an edge's place, where known."),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="Draws of --ablation resample (1)."),
    ] = None,
    edges: Annotated[
        int | None,
        typer.Option(
            parser=whole,
            metavar="N",
            help="Choose the best N by the file's scores, less dead ends.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(parser=real, metavar="X", help="Or choose those that score at least this."),
    ] = None,
    by: Annotated[str, typer.Option(metavar="RANK", help="Choose by abs or signed score.")] = "abs",
    as_json: AsJson = False,
) -> None:
    """Store a circuit of another tool.

    It is the file's own circuit, or one chosen here by the file's scores (--edges, --threshold).
    The same file again is the same circuit; what is not said again stays. It has no
    figures until it is judged: circuits evaluate CIRCUIT, by default on the task or dataset given
    here.
    """
    from workers.requests.exchange import ImportRequest

    request = ImportRequest(
        file=file,
        model=model,
        revision=revision,
        format=form,
        task=task,
        task_params=assignments(task_param or [], "--task-param"),
        pairs=pairs,
        dataset=dataset,
        heldout=heldout,
        label=label,
        metric=metric,
        ablation=ablation,
        draws=draws,
        n_edges=edges,
        threshold=threshold,
        by=by,
    )
    with connected(worker=False) as client:
        found = client.import_request(request)
    if as_json:
        emit_json(_imported(found))
    else:
        emit(summary(found.document))


@command(
    "circuits validate graph.json",
    "circuits validate graph.json --json",
)
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Neuronpedia's graph JSON.")],
    as_json: AsJson = False,
) -> None:
    """Check an attribution graph's file, and sum up what it holds.

    It is held to Neuronpedia's published schema, and to what can be imported: every id once, links
    between nodes of the file, forwards. Exits with 1 where it is not valid, with every complaint
    and its place.
    """
    from workers.requests.exchange import checked_graph

    found = checked_graph(file, read_settings().limits)
    if as_json:
        emit_json(found.model_dump(mode="json"))
    else:
        emit(graph_words(found))
    if not found.valid:
        raise typer.Exit(ExitCode.FAILED)


def _imported(circuit: Circuit) -> dict[str, object]:
    document = circuit.document
    file = document.imported
    return {
        "circuit_id": circuit.circuit_id,
        "format": file and file.format.value,
        "sha256": file and file.sha256,
        "model": document.model.name,
        "fingerprint": document.model.fingerprint,
        "task": document.task,
        "n_edges": circuit.n_edges,
        "n_edges_scored": document.n_edges_scored,
        "evaluated": document.evaluation is not None,
        "notes": list(document.notes),
    }
