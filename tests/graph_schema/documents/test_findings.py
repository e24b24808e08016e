"""Documents of roles, role graphs, alignments, verdicts and annotations refuse what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from graph_schema.documents import (
    Alignment,
    Annotation,
    Document,
    ModelFinding,
    Outcome,
    RoleGraph,
    RolesPlayed,
    Rung,
    RungState,
    Tally,
    Verdict,
)
from graph_schema.documents.verdict import bounds
from tests.factories import make_model
from tests.findings import (
    alignment,
    annotation,
    finding,
    role_graph,
    roles_played,
    verdict,
)

P, A, U = RungState.PRESENT, RungState.ABSENT, RungState.UNTESTABLE


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
    place: Any = fields
    for step in parents:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    type(document).model_validate(fields)


_BEHAVIOUR = {"rung": "behaviour", "state": "present"}


@pytest.mark.parametrize(
    ("document", "path", "value", "said"),
    [
        (roles_played(), "plays.0.component", "a9.h0", "has no a9.h0: it has 2 layers of 4 heads"),
        (roles_played(), "plays.0.component", "a0.h4", "has no a0.h4"),
        (roles_played(), "plays.0.ci_low", 9.0, "ends before it begins"),
        (roles_played(), "plays.0.control_sets", 19, "control of 19 random sets is none"),
        (roles_played(), "plays.1.component", "a0.h1", "tested for previous_token twice"),
        (roles_played(), "plays.0.scores", {}, "at least 1 item"),
        (role_graph(), "edges.0.sender", "logits", "the logits send nothing"),
        (role_graph(), "edges.0.receiver", "input", "the input reads nothing"),
        (role_graph(), "edges.1.channel", "k", "the logits have no k input"),
        (role_graph(), "edges.0.sender", "name_mover", "'name_mover', which is no node"),
        (role_graph(), "nodes.1.role", "previous_token", "'previous_token' is given twice"),
        (role_graph(), "edges.0.controls.0.ci_low", 2.0, "ends before it begins"),
        (alignment("a", "b"), "circuit_ids", ["a", "a"], "not aligned with itself"),
        (verdict(), "outcome", "strong", "strong verdict is not said of role"),
        (verdict(), "outcome", "weak", "needs a lower bound of at least 0.9; it is 0.094"),
        (verdict(), "outcome", "refuted", "needs an upper bound below 0.9"),
        (verdict(), "models.0.rungs", [_BEHAVIOUR], "says nothing of role"),
        (verdict(), "models.0.rungs.1.rung", "wiring", "has several states of wiring"),
        (verdict(), "pooled.low", None, "of 3 testable models are 0.094"),
        (verdict(), "pooled.low", 0.12, "of 3 testable models are 0.094"),
        (verdict(), "pooled.low", 0.9999, "of 3 testable models are 0.094"),
        (verdict(), "pooled", Tally.counts([P, P, P]), "has 3 models present; 2 were found so"),
        (verdict(), "pooled", Tally.counts([P, A, U]), "has 1 models present; 2 were found so"),
        (verdict(), "families.0.family", "opt", "family 'gpt2' has models and no tally"),
        (verdict(), "models.0.counted_with", "0" * 40, "is counted with 0000000000"),
        (verdict(), "families.1.family", "gpt2", "family is given twice"),
        (annotation("c"), "text", "", "at least 1 character"),
        (annotation("c"), "component", "banana", "component 'banana' is not a name we know"),
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


def _models(states: str, n: int = 36, families: int = 3) -> list[ModelFinding]:
    """`n` models, the first with these states, the others present at every rung."""
    return [
        finding(make_model(f"{i}", f"family {i % families}"), "ppp" if i else states)
        for i in range(n)
    ]


def test_a_strong_verdict_has_no_absent_model() -> None:
    judged = verdict(Rung.WIRING, Outcome.STRONG, _models("ppp"))
    assert judged.pooled.low == pytest.approx(0.9026, abs=1e-4)
    assert judged.families[0].low == pytest.approx(0.7353, abs=1e-4)
    with pytest.raises(ValidationError, match="strong verdict has no absent model"):
        verdict(Rung.WIRING, Outcome.STRONG, _models("ppa", n=60))
    with pytest.raises(ValidationError, match=r"lower bound of at least 0\.9; it is 0\.85"):
        verdict(Rung.WIRING, Outcome.STRONG, _models("ppi"))
    with pytest.raises(ValidationError, match="needs 3 families of at least 3 testable"):
        verdict(Rung.WIRING, Outcome.STRONG, _models("ppp", families=2))
    assert verdict(Rung.ROLE, Outcome.WEAK, _models("ppp")).pooled.present == 36
    two = [finding(make_model(f"{i}"), "ppa") for i in range(2)]
    assert verdict(Rung.WIRING, Outcome.REFUTED, two).pooled.high == pytest.approx(0.842, abs=1e-3)


def test_relatives_count_once_and_say_with_whom() -> None:
    models = _models("ppp", n=3)
    tuned = finding(make_model("tuned", "family 0"), "ppa", counted_with=models[0].fingerprint)
    judged = verdict(Rung.WIRING, models=[*models, tuned])
    assert (judged.pooled.present, judged.pooled.absent) == (3, 0)


def test_bounds_are_clopper_and_pearsons_with_the_inconclusive_either_way() -> None:
    """36 of 36 gives .903 and 9 of 9 only .664, computed from the beta distribution."""
    assert bounds(36, 0, 0) == (pytest.approx(0.025 ** (1 / 36)), 1.0)
    assert bounds(9, 0, 0)[0] == pytest.approx(0.664, abs=5e-4)
    assert bounds(0, 2, 0) == (0.0, pytest.approx(1 - 0.025**0.5))
    assert bounds(3, 1, 2) == (bounds(3, 3, 0)[0], bounds(5, 1, 0)[1])
    assert bounds(0, 0, 0) == (None, None)


def _of_nine(outcome: Outcome, states: str = "ppa", rung: Rung = Rung.WIRING) -> Verdict:
    models = [finding(make_model(f"nine/{number}"), states) for number in range(9)]
    return verdict(rung, outcome, models)


def test_what_the_bounds_refute_is_not_undecided() -> None:
    assert _of_nine(Outcome.REFUTED).outcome is Outcome.REFUTED
    with pytest.raises(ValidationError, match=r"one is 0\.336: expected refuted"):
        _of_nine(Outcome.UNDECIDED)
    # A task that is not done refutes nothing.
    assert _of_nine(Outcome.UNDECIDED, "auu", Rung.BEHAVIOUR).pooled.absent == 9


@pytest.mark.parametrize("states", ["pap", "pip", "pup", "apu", "upp"])
def test_a_rung_is_present_where_those_below_are(states: str) -> None:
    with pytest.raises(ValidationError, match=r"present above .*; expected .* present, or"):
        finding(make_model(), states)
    assert finding(make_model(), "paa").at(Rung.ROLE) is not None
