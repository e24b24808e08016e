"""How often a universality report's motif occurs in its circuits, beside what chance has of it."""

from __future__ import annotations

from graph_schema.documents.motif_tests import MotifResult, MotifState
from graph_schema.documents.universality import UniversalityReport
from graph_schema.reports.universality_sections import Section

TITLE = "Occurrences against chance"
_COLUMNS = ("model", "circuit", "occurrences", "by chance", "p", "q", "distinct", "outcome", "job")


def occurrences(found: UniversalityReport) -> Section:
    """A row a circuit: what was counted, what roles dealt at random have, what that comes to."""
    test = found.occurrences
    if test is None:
        return Section(TITLE, ("No circuit of a model with known roles: nothing to count in.",))
    results = {each.circuit_id: each for each in test.results}
    rows = tuple(
        (
            model.name,
            circuit_id[:12],
            *_counted(results[circuit_id]),
            model.jobs.get("discover", "")[:12],
        )
        for model in found.models
        for circuit_id in model.circuits
        if circuit_id in results
    )
    return Section(
        TITLE,
        (
            "How often the motif occurs in a circuit, against its roles dealt anew among nodes "
            "alike in kind, depth, |effect| and degree: mean and standard deviation over "
            f"{test.draws:,} deals, or over all where there are fewer. p is the share of deals "
            "with as many occurrences; q is Benjamini and Hochberg's over those circuits of which "
            f"one could have been called, {test.family} of {len(test.results)}. Untestable: so few "
            f"deals differ that no count could reach level {test.alpha:g}.",
        ),
        _COLUMNS,
        rows,
        f"MATCH (t:MotifTest {{test_id: '{test.test_id}'}})-[r:RESULT]->(m:Motif) "
        "RETURN r.circuit_id, m.name, r.observed, r.null_mean, r.null_sd, r.p, r.q, r.draws, "
        "r.distinct, r.state, r.reason",
    )


def _counted(result: MotifResult) -> tuple[str, ...]:
    outcome = {
        MotifState.CALLED: "more than chance",
        MotifState.NOT_CALLED: "not shown to be more than chance",
        MotifState.UNTESTABLE: f"untestable: {result.reason}",
    }[result.state]
    return (
        str(result.observed),
        f"{result.null_mean:.2f} ± {result.null_sd:.2f}",
        f"{result.p:.3g}",
        "" if result.q is None else f"{result.q:.3g}",
        f"{result.distinct:,}{' (all)' if result.exact else ''}",
        outcome,
    )
