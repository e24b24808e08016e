"""Verdicts in the graph, on both servers."""

from __future__ import annotations

from typing import LiteralString

from graph_schema.documents import Outcome, Rung
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.verdicts import read_verdict, write_verdict
from tests.findings import FOUR, finding, verdict
from tests.graph_schema.store.records.made import store_models, twice

FOUND = """
MATCH (v:Verdict)-[e:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)
RETURN type(e) AS side, m.name AS model, e.reason AS reason, e.wiring AS wiring ORDER BY model
"""


def test_a_verdict_survives_and_says_which_models_are_for_and_against(store: GraphStore) -> None:
    store_models(store)
    judged = verdict()
    twice(store, lambda tx: write_verdict(tx, judged))
    assert read_verdict(store, judged.verdict_id) == judged
    assert [tuple(row.values()) for row in store.rows(FOUND)] == [
        ("SUPPORTED_BY", "gpt2/one", "role is present", "present"),
        ("SUPPORTED_BY", "gpt2/two", "role is present", "absent"),
        ("CONTRADICTED_BY", "llama/one", "role is absent", "absent"),
        ("UNDECIDED_IN", "neox/one", "role is untestable", "untestable"),
    ]
    changed = [finding(model, "ppp") for model, _ in FOUR[:3]] + [finding(FOUR[3][0], "auu")]
    again = judged.model_copy(update={"models": tuple(changed), "outcome": Outcome.UNDECIDED})
    store.write(lambda tx: write_verdict(tx, again))
    assert [row["side"] for row in store.rows(FOUND)] == ["SUPPORTED_BY"] * 3 + ["UNDECIDED_IN"]


def test_only_a_changed_verdict_is_a_new_judgement(store: GraphStore) -> None:
    store_models(store)
    judged_at: LiteralString = "MATCH (v:Verdict) RETURN v.judged_at AS at"
    judged = verdict()
    store.write(lambda tx: write_verdict(tx, judged))
    assert store.rows(judged_at)[0]["at"] > 0
    store.write(lambda tx: tx.run("MATCH (v:Verdict) SET v.judged_at = 7").consume())
    store.write(lambda tx: write_verdict(tx, judged))
    assert store.rows(judged_at) == [{"at": 7}]
    changed = judged.model_copy(update={"outcome": Outcome.WEAK})
    store.write(lambda tx: write_verdict(tx, changed))
    assert store.rows(judged_at)[0]["at"] > 7


def test_a_task_that_is_not_done_contradicts_nothing(store: GraphStore) -> None:
    store_models(store)
    behaviour = verdict(Rung.BEHAVIOUR, models=[finding(model, "a") for model, _ in FOUR[:1]])
    store.write(lambda tx: write_verdict(tx, behaviour))
    assert [row["side"] for row in store.rows(FOUND)] == ["UNDECIDED_IN"]
