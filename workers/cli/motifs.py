"""Commands on motifs: list them, add one's own, find and test them in stored circuits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from graph_schema.documents import Motif, Occurrence
from graph_schema.errors import SpecError
from graph_schema.reports import table
from workers.cli import suggestions
from workers.cli.command_line import command, command_group
from workers.cli.connected import connected
from workers.cli.options import AsJson, CircuitId, whole
from workers.cli.output import emit, emit_json, say
from workers.files import read_bounded

motifs = command_group(
    "motifs",
    "Find small patterns in circuits, and test them.\n\nWithout a command: list the motifs of "
    "the catalogue and those that were added.",
    "circuits motifs",
    "circuits motifs find induction 3f2a --store",
    "circuits motifs test 3f2a --motif induction --motif bi_fan",
    "circuits motifs tests",
    invoke_without_command=True,
)


MotifName = Annotated[
    str,
    typer.Argument(
        help="Name of a motif; `circuits motifs` lists them.", autocompletion=suggestions.motifs
    ),
]


@motifs.callback()
def listed(context: typer.Context, as_json: AsJson = False) -> None:
    """List the motifs; the group's help stands above."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise SpecError(f"--json goes after {context.invoked_subcommand}")
        return
    from graph_schema.motifs import catalogue

    with connected() as client:
        known = client.motifs.known()
    if as_json:
        emit_json([_object(motif) for motif in known.values()])
        return
    rows = [
        (name, "catalogue" if name in catalogue() else "stored", motif.source, motif.description)
        for name, motif in known.items()
    ]
    emit(table(("motif", "from", "source", "description"), rows))


@command("circuits motifs add my_motif.yaml", name="add", group=motifs)
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The motif; docs/motifs.md.")],
    as_json: AsJson = False,
) -> None:
    """Store a motif of your own, to be found by its name.

    The same pattern again updates its description; another pattern needs another name.
    """
    from graph_schema.motifs.notation import MAX_BYTES

    data = read_bounded(file, MAX_BYTES, "a motif is small")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{str(file)!r} is not UTF-8: byte {error.start + 1}") from error
    with connected() as client:
        motif = client.motifs.add(text)
    if as_json:
        emit_json(_object(motif))
    else:
        emit(f"stored motif {motif.name} ({motif.motif_id[:12]})")


@command(
    "circuits motifs find induction 3f2a",
    "circuits motifs find my_motif 3f2a --store --json",
    "circuits motifs find bi_fan 3f2a --limit 20",
    name="find",
    group=motifs,
)
def find(
    motif: MotifName,
    circuit: CircuitId,
    store: Annotated[
        bool,
        typer.Option("--store", help="Keep them in the graph, in place of those found before."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="Show no more than these (100,000)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where a motif occurs in a circuit, a row an occurrence."""
    if limit is not None and limit < 1:
        raise SpecError(f"--limit is {limit}; expected at least 1")
    with connected() as client:
        pattern = client.motifs.named(motif)
        whole_circuit = client.circuit(circuit)
        found = client.motifs.find(pattern, whole_circuit, store=store, limit=limit)
        if pattern.reads_roles and not found.total and not client.motifs.roles(whole_circuit):
            say(
                "no node of this circuit has a role in the graph, and the motif names roles: "
                "nothing can match"
            )
    if as_json:
        emit_json(
            {
                "motif": pattern.name,
                "motif_id": pattern.motif_id,
                "circuit_id": whole_circuit.circuit_id,
                "stored": store,
                "total": found.total,
                "occurrences": [each.binds for each in found.occurrences],
            }
        )
    else:
        emit(_places(pattern, found.occurrences))
    kept = ", stored" if store else ""
    own = whole_circuit.circuit_id[:12]
    say(f"{found.total:,} occurrences of {pattern.name} in {own}{kept}")
    if found.cut:
        say(f"shown are {len(found.occurrences):,} of them: --limit N shows more or fewer")


@command("circuits motifs cypher induction 3f2a", name="cypher", group=motifs)
def cypher(
    motif: MotifName,
    circuit: CircuitId,
) -> None:
    """Show the search for a motif in a circuit as Cypher, to change and to run.

    `circuits cypher` runs it, as does the console of a graph database. On large circuits `circuits
    motifs find` is far faster.
    """
    with connected() as client:
        emit(client.motifs.cypher(motif, circuit))


def _places(motif: Motif, found: Sequence[Occurrence]) -> str:
    if not found:
        return "(no occurrences)"
    variables = motif.variables
    return table(variables, [[each.binds[name] for name in variables] for each in found])


def _object(motif: Motif) -> dict[str, Any]:
    return {"motif_id": motif.motif_id, **motif.model_dump(mode="json")}
