"""`motifs test`, `tests` and `show`: motifs in stored circuits against chance."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from graph_schema.documents import MotifResult, MotifTest
from graph_schema.reports import table
from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.motifs import motifs
from workers.cli.options import AsJson, real, whole
from workers.cli.output import emit, emit_json, say

__all__ = ["motifs"]


@command(
    "circuits motifs test 3f2a",
    "circuits motifs test 3f2a 77c0 --motif induction --draws 10000 --json",
    "circuits motifs test 3f2a --motif triad_feed_forward --without error",
    name="test",
    group=motifs,
)
def judge(
    circuit: Annotated[
        list[str],
        typer.Argument(
            help="Circuit ids, or their first digits.", autocompletion=suggestions.circuit_ids
        ),
    ],
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
        own = shlex.quote(circuit or "CIRCUIT")
        say(f"no motif test{of} is stored: circuits motifs test {own}")
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
    test: Annotated[
        str,
        typer.Argument(
            help="Id of a stored test, or its first digits.",
            autocompletion=suggestions.motif_test_ids,
        ),
    ],
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
