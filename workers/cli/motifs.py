"""Commands on motifs: list them, add one's own, find and test them in stored circuits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from graph_schema.documents import Motif, MotifResult, MotifTest, Occurrence
from graph_schema.errors import SpecError
from graph_schema.reports import table
from workers.cli.command_line import command, command_group
from workers.cli.connected import connected
from workers.cli.options import AsJson, real, whole
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

Circuit = Annotated[str, typer.Argument(help="Circuit id, its first digits, or last.")]


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
    motif: Annotated[str, typer.Argument(help="Name of a motif; `circuits motifs` lists them.")],
    circuit: Circuit,
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
    motif: Annotated[str, typer.Argument(help="Name of a motif; `circuits motifs` lists them.")],
    circuit: Circuit,
) -> None:
    """Show the search for a motif in a circuit as Cypher, to change and to run.

    `circuits cypher` runs it, as does the console of a graph database. On large circuits `circuits
    motifs find` is far faster.
    """
    with connected() as client:
        emit(client.motifs.cypher(motif, circuit))


@command(
    "circuits motifs test 3f2a",
    "circuits motifs test 3f2a 77c0 --motif induction --draws 10000 --json",
    "circuits motifs test 3f2a --motif triad_feed_forward --without error",
    name="test",
    group=motifs,
)
def judge(
    circuit: Annotated[list[str], typer.Argument(help="Circuit ids, or their first digits.")],
    motif: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this motif; repeatable (all)."),
    ] = None,
    draws: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Graphs drawn from each null model.")
    ] = 1000,
    seed: Annotated[int, typer.Option(parser=whole, metavar="N", help="Of the draws.")] = 0,
    alpha: Annotated[
        float, typer.Option(parser=real, metavar="X", help="What p_max and q must reach.")
    ] = 0.05,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Leave out nodes of this kind (error); repeatable."),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Keep the test in the graph.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Test whether motifs occur in circuits more often than chance has it.

    Motifs that name roles are held against roles dealt out anew, others against rewired graphs.
    q is adjusted for all circuits and motifs of one call; a motif is called where p_max, adjusted
    within its circuit, and q are at most alpha. `circuits motifs show` shows a stored test again.
    """
    with connected() as client:
        test = client.motifs.test(
            circuit,
            motif or None,
            draws=draws,
            seed=seed,
            alpha=alpha,
            without=without or (),
            store=store,
        )
    _show(test, as_json=as_json, kept="stored as" if store else "not stored; would be")


@command(
    "circuits motifs tests",
    "circuits motifs tests --circuit 3f2a --json",
    name="tests",
    group=motifs,
)
def stored(
    circuit: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those that tested this circuit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the stored tests of motifs, the newest first."""
    with connected() as client:
        found = client.motifs.tests(circuit)
    if as_json:
        emit_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        of = "" if circuit is None else f" of circuit {circuit}"
        say(f"no motif test{of} is stored: circuits motifs test {circuit or 'CIRCUIT'}")
        return
    head = ("test", "stored (UTC)", "circuits", "motifs", "draws", "seed", "alpha", "family")
    rows = [
        (
            each.test_id[:12],
            datetime.fromtimestamp(each.at / 1000, tz=UTC).isoformat(" ", timespec="minutes"),
            each.circuits,
            each.motifs,
            each.draws,
            each.seed,
            each.alpha,
            each.family,
            each.called,
            ", ".join(each.stale),
        )
        for each in found
    ]
    emit(table((*head, "called", "stale"), rows))


@command("circuits motifs show 9c41", "circuits motifs show 9c41 --json", name="show", group=motifs)
def show(
    test: Annotated[str, typer.Argument(help="Id of a stored test, or its first digits.")],
    as_json: AsJson = False,
) -> None:
    """Show a stored test of motifs: what was tested together, and what came out."""
    with connected() as client:
        _show(client.motifs.tested(test), as_json=as_json, kept="test")


def _show(test: MotifTest, *, as_json: bool, kept: str) -> None:
    if as_json:
        emit_json(
            {
                "test_id": test.test_id,
                "null": [null.value for null in test.null],
                "family": test.family,
                **test.model_dump(mode="json"),
            }
        )
    else:
        emit(_judged(test.results))
    counts = Counter(each.state.value for each in test.results)
    if test.without:
        say(f"without nodes of kind {', '.join(test.without)}")
    alpha = "alpha not kept" if test.alpha is None else f"alpha {test.alpha:g}"
    say(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    say(
        f"{kept} {test.test_id[:12]}: {alpha}, {test.draws:,} draws, seed {test.seed}; "
        f"q over {test.family} results of {len(test.circuit_ids)} circuits"
    )


def _judged(results: Sequence[MotifResult]) -> str:
    rows = [
        (
            result.circuit_id[:12],
            result.motif,
            result.observed,
            result.null_mean,
            result.null_sd,
            result.p,
            result.p_max,
            result.q,
            result.state.value,
            result.reason,
        )
        for result in results
    ]
    head = ("circuit", "motif", "observed", "null mean", "null sd", "p", "p_max", "q", "state")
    return table((*head, "reason"), rows)


def _places(motif: Motif, found: Sequence[Occurrence]) -> str:
    if not found:
        return "(no occurrences)"
    variables = motif.variables
    return table(variables, [[each.binds[name] for name in variables] for each in found])


def _object(motif: Motif) -> dict[str, Any]:
    return {"motif_id": motif.motif_id, **motif.model_dump(mode="json")}
