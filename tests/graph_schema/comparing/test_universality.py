"""Verdicts over made states: what is strong, what refutes, and what says neither."""

from __future__ import annotations

from typing import Any

import pytest

from graph_schema.comparing.protocols import default_protocol
from graph_schema.comparing.universality import judge, shares_of
from graph_schema.documents import ModelFinding, Outcome, Rung, RungState, Verdict, sha256_hex
from graph_schema.motifs import find_motif
from tests.factories import make_model
from tests.findings import finding, role_graph

MOTIF = find_motif("induction")
PROTOCOL = default_protocol(MOTIF)
KEYS, OUT = (rule.name for rule in PROTOCOL.edges)


def models(*families: tuple[str, str]) -> list[ModelFinding]:
    """A model for each letter: `("gpt2", "ppa")` has the wiring in two, not in the third."""
    return [
        finding(make_model(f"{family}/{number}", family), {"u": "auu"}.get(state, f"pp{state}"))
        for family, states in families
        for number, state in enumerate(states)
    ]


def shares(found: list[ModelFinding], **at: float) -> dict[str, dict[str, float]]:
    """Of every super-edge .5, a little apart from model to model; `at` is a family's instead."""
    return {
        name: {
            each.fingerprint: at.get(each.family, 0.5) + 0.02 * (place % 3 - 1)
            for place, each in enumerate(found)
        }
        for name in (KEYS, OUT)
    }


def judged(
    rung: Rung,
    found: list[ModelFinding],
    carried: dict[str, dict[str, float]] | None = None,
    **options: object,
) -> Verdict:
    fields = {"motif": MOTIF, "task": "induction", "task_id": sha256_hex("induction")}
    fields |= {"protocol": PROTOCOL, "shares": shares(found) if carried is None else carried}
    return judge(rung, found, **(fields | options))  # pyright: ignore[reportArgumentType]


def test_36_of_36_in_three_families_is_strong() -> None:
    found = models(*((family, "p" * 12) for family in ("gpt2", "llama", "neox")))
    verdict = judged(Rung.WIRING, found)
    assert verdict.outcome is Outcome.STRONG
    assert verdict.pooled.low == pytest.approx(0.903, abs=1e-3)
    over = verdict.over_families
    assert over is not None
    assert (over.present, over.n) == (3, 3)
    assert judged(Rung.ROLE, found).outcome is Outcome.WEAK


def test_9_of_9_is_undecided_and_says_how_many_more_it_takes() -> None:
    verdict = judged(Rung.WIRING, models(*((f, "ppp") for f in ("gpt2", "llama", "neox"))))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.pooled.low == pytest.approx(0.664, abs=1e-3)
    assert any(text.startswith("27 more models") for text in verdict.falsifiers), verdict.falsifiers


def test_one_absent_among_many_is_never_strong_undecided_and_named() -> None:
    found = models(("gpt2", "p" * 30 + "a"), ("llama", "p" * 30), ("neox", "p" * 30))
    verdict = judged(Rung.WIRING, found)
    assert (verdict.pooled.low or 0) > 0.9
    assert verdict.outcome is Outcome.UNDECIDED
    assert [each.fingerprint for each in verdict.counterexamples] == [found[30].fingerprint]
    assert any(found[30].fingerprint[:12] in text for text in verdict.falsifiers)


def test_an_absent_relative_hinders_a_strong_verdict() -> None:
    found = models(("gpt2", "p" * 12 + "a"), ("llama", "p" * 12), ("neox", "p" * 12))
    child, parent = found[12].fingerprint, found[0].fingerprint
    verdict = judged(Rung.WIRING, found, derived=[(child, parent)])
    assert (verdict.pooled.present, verdict.pooled.n) == (36, 36)
    assert verdict.outcome is Outcome.UNDECIDED
    assert [each.fingerprint for each in verdict.counterexamples] == [child]


def test_0_of_2_refutes() -> None:
    verdict = judged(Rung.WIRING, models(("gpt2", "aa")))
    assert verdict.outcome is Outcome.REFUTED
    assert len(verdict.counterexamples) == 2


def test_a_family_without_it_refutes_whatever_the_others_say() -> None:
    found = models(("gpt2", "p" * 60), ("llama", "p" * 60), ("neox", "aa"))
    assert judged(Rung.WIRING, found).outcome is Outcome.REFUTED


@pytest.mark.parametrize("state", ["i", "u"])
def test_inconclusive_and_untestable_models_contradict_nothing(state: str) -> None:
    verdict = judged(Rung.WIRING, models(("gpt2", state * 20)))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.counterexamples == ()
    over = verdict.over_families
    assert over is not None
    assert over.absent == 0


def test_inconclusive_models_lower_the_lower_bound_alone() -> None:
    verdict = judged(Rung.WIRING, models(*((f, "p" * 12 + "i") for f in ("gpt2", "llama", "neox"))))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.pooled.high == 1.0


def test_untestable_models_stand_beside_k_of_n() -> None:
    verdict = judged(Rung.WIRING, models(("gpt2", "ppu")))
    assert (verdict.pooled.present, verdict.pooled.n, verdict.pooled.untestable) == (2, 2, 1)
    assert "1 of 3 (33%) could not be tested" in verdict.scope


def test_equal_weights_count_once() -> None:
    found = models(("gpt2", "pp"))
    found = [each.model_copy(update={"weights_sha256": "ab" * 32}) for each in found]
    verdict = judged(Rung.WIRING, found)
    assert len(verdict.models) == verdict.pooled.n == 1
    assert "1 left out for having another's weights" in verdict.scope


def test_relatives_count_once_over_ancestors_that_are_not_here() -> None:
    found = models(("gpt2", "ppp"))
    base = sha256_hex("a base that nobody named")
    one, two, other = (each.fingerprint for each in found)
    verdict = judged(Rung.WIRING, found, derived=[(two, base), (one, base)])
    assert verdict.pooled.n == 2
    assert [each.counted_with for each in verdict.models] == [None, one, None]
    verdict = judged(Rung.WIRING, found, derived=[(one, two), (two, other)])
    assert [each.counted_with for each in verdict.models] == [other, other, None]
    elsewhere = [("d" * 64, "e" * 64)]  # the graph knows lines of models that are not asked about
    verdict = judged(Rung.WIRING, found, derived=elsewhere)
    assert [each.counted_with for each in verdict.models] == [None, None, None]


def test_families_that_carry_unlike_shares_are_not_strong() -> None:
    found = models(*((family, "p" * 12) for family in ("gpt2", "llama", "neox")))
    verdict = judged(Rung.WIRING, found, shares(found, neox=0.75))
    assert verdict.outcome is Outcome.UNDECIDED
    apart = [each for each in verdict.equivalence if not each.equivalent]
    assert [each.super_edge for each in apart] == [KEYS, OUT]
    assert "neox (0.75)" in apart[0].reason


def test_without_shares_nothing_is_strong() -> None:
    found = models(*((family, "p" * 12) for family in ("gpt2", "llama", "neox")))
    assert judged(Rung.WIRING, found, {}).outcome is Outcome.UNDECIDED


def test_two_families_are_never_strong() -> None:
    found = models(("gpt2", "p" * 30), ("llama", "p" * 30))
    verdict = judged(Rung.WIRING, found)
    assert verdict.outcome is Outcome.UNDECIDED
    assert any("3 families" in text for text in verdict.falsifiers)


def test_two_protocols_are_two_verdicts_and_the_answer_is_not_in_the_id() -> None:
    found = models(("gpt2", "pp"))
    one = judged(Rung.WIRING, found)
    assert judged(Rung.WIRING, models(("gpt2", "pa"))).verdict_id == one.verdict_id
    changes: list[dict[str, Any]] = [
        {"margin": 0.1},
        {"path": "direct"},
        {"methods": {"roles": 1, "effects": 1}},
    ]
    for change in changes:
        other = judged(Rung.WIRING, found, protocol=default_protocol(MOTIF, **change))
        assert other.verdict_id != one.verdict_id


def test_a_stored_verdict_without_a_protocol_keeps_its_id() -> None:
    found = models(("gpt2", "pp"))
    old = judged(Rung.WIRING, found).model_copy(update={"protocol": None})
    asked = sorted(each.fingerprint for each in found)
    expected = sha256_hex("\n".join([old.motif_id, old.task_id, "wiring", *asked]))
    assert old.verdict_id == expected


def test_shares_on_direct_paths_are_the_direct_parts() -> None:
    graph = role_graph()
    keys, out = graph.edges
    direct = keys.model_validate(
        keys.model_dump() | {"direct": {"share": 0.2, "ci_low": 0.1, "ci_high": 0.3}}
    )
    graph = graph.model_copy(update={"edges": (direct, out)})
    on_any = shares_of({"x": graph}, PROTOCOL)
    assert on_any == {KEYS: {"x": 0.5}, OUT: {"x": 0.9}}
    alone = shares_of({"x": graph}, default_protocol(MOTIF, path="direct"))
    assert alone == {KEYS: {"x": pytest.approx(0.1)}, OUT: {"x": 0.9}}


def test_states_of_the_helper_are_as_meant() -> None:
    (one,) = models(("gpt2", "u"))
    assert one.at(Rung.WIRING).state is RungState.UNTESTABLE  # pyright: ignore[reportOptionalMemberAccess]
