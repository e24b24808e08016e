"""Documents of roles, role graphs, alignments, verdicts and annotations refuse what cannot be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from graph_schema.documents import (
    Alignment,
    Annotation,
    Document,
    RoleGraph,
    RolesPlayed,
    RungState,
    Verdict,
)
from tests.findings import alignment, annotation, role_graph, roles_played, verdict

Change = Callable[[dict[str, object]], object]


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (roles_played(), RolesPlayed),
        (role_graph(), RoleGraph),
        (alignment("a", "b"), Alignment),
        (verdict(), Verdict),
        (annotation("c"), Annotation),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_finding_survives_json(document: Document, kind: type[Document]) -> None:
    assert kind.model_validate_json(document.model_dump_json()) == document


def _changed(document: Document, path: str, value: object) -> None:
    """Check the document again with one field, `edges.0.share`, replaced."""
    fields = document.model_dump(mode="json")
    *parents, last = path.split(".")
    place = fields
    for step in parents:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    type(document).model_validate(fields)


@pytest.mark.parametrize(
    ("document", "path", "value", "said"),
    [
        (roles_played(), "plays.0.component", "a9.h0", "has no a9.h0: it has 2 layers of 4 heads"),
        (roles_played(), "plays.0.component", "a0.h4", "has no a0.h4"),
        (roles_played(), "plays.0.ci_low", 9.0, "ends before it begins"),
        (roles_played(), "plays.0.control_sets", 19, "control of 19 random sets is none"),
        (roles_played(), "plays.1.component", "a0.h1", "tested for previous_token twice"),
        (roles_played(), "plays.0.scores", {}, "at least 1 item"),
        (role_graph(), "edges.0.sender", "name_mover", "'name_mover', which is no node"),
        (role_graph(), "nodes.1.role", "previous_token", "'previous_token' is given twice"),
        (role_graph(), "edges.0.controls.0.ci_low", 2.0, "ends before it begins"),
        (alignment("a", "b"), "circuit_ids", ["a", "a"], "not aligned with itself"),
        (verdict(), "outcome", "strong", "strong verdict is not said of role"),
        (verdict(), "models.0.rungs.1.rung", "wiring", "says nothing of role"),
        (verdict(), "pooled.present", 3, "more models are counted present"),
        (verdict(), "pooled.low", None, "bounds of 3 testable models"),
        (verdict(), "pooled.low", 0.9999, "above the upper bound"),
        (verdict(), "families.1.family", "gpt2", "family is given twice"),
        (annotation("c"), "text", "", "at least 1 character"),
    ],
)
def test_what_cannot_be_is_refused(document: Document, path: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        _changed(document, path, value)


def test_an_id_depends_on_what_was_asked_and_not_on_what_came_out() -> None:
    graph, judged = role_graph(), verdict()
    measured = graph.edges[0].model_copy(update={"share": 0.1})
    again = graph.model_copy(update={"edges": (measured, *graph.edges[1:])})
    assert again.role_graph_id == graph.role_graph_id
    assert graph.model_copy(update={"seed": 1}).role_graph_id != graph.role_graph_id
    other = judged.model_copy(update={"outcome": "undecided"})
    assert other.verdict_id == judged.verdict_id
    fewer = judged.model_copy(update={"models": judged.models[1:]})
    assert fewer.verdict_id != judged.verdict_id
    assert annotation("c").annotation_id == annotation("c", at=5).annotation_id


def test_the_untestable_are_not_among_n() -> None:
    tally = verdict().pooled
    states = [found.rungs[1].state for found in verdict().models]
    assert tally.n == len(states) - states.count(RungState.UNTESTABLE) == 3
