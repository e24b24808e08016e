"""Reports in the graph: each job's own, for ever, and the newest behind a verdict."""

from __future__ import annotations

import pytest

from graph_schema.documents import sha256_hex
from graph_schema.documents.universality import UniversalityReport
from graph_schema.errors import NotFoundError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.reports import find_report, read_report, write_report
from graph_schema.store.records.verdicts import read_verdict, write_verdict
from tests.findings import report, verdict
from tests.graph_schema.store.records.made import store_models, twice

ONE, TWO = sha256_hex("one"), sha256_hex("two")


def write(store: GraphStore, *reports: UniversalityReport) -> None:
    for each in reports:
        store.write(lambda tx, each=each: write_report(tx, each))


def test_each_jobs_report_stays_when_another_judges_the_same(store: GraphStore) -> None:
    store_models(store)
    first, second = report(ONE), report(TWO)
    own = verdict().verdict_id
    write(store, first, second)
    assert [read_report(store, each) for each in (ONE, TWO)] == [first, second]
    assert read_verdict(store, own).job_id == TWO
    assert find_report(store, own[:12]) == find_report(store, TWO[:12]) == second
    assert find_report(store, ONE[:12]) == first
    write(store, first)  # judged again: it is the newest behind the verdict now
    assert find_report(store, own[:12]) == first
    assert store.rows("MATCH (r:Report) RETURN count(r) AS n") == [{"n": 2}]


def test_a_report_is_one_copy_and_is_replaced_by_its_own_job_alone(store: GraphStore) -> None:
    store_models(store)
    twice(store, lambda tx: write_report(tx, report(ONE)))
    write(store, report(ONE, "changed"))
    assert read_report(store, ONE).assumptions == ("changed",)
    copies = store.rows(
        "MATCH (n) UNWIND keys(n) AS k WITH n, k WHERE n[k] CONTAINS 'changed' "
        "RETURN count(DISTINCT n) AS n"
    )
    assert copies == [{"n": 1}]


def test_ids_that_lead_to_no_report_are_told_apart(store: GraphStore) -> None:
    store_models(store)
    alone = verdict()
    store.write(lambda tx: write_verdict(tx, alone))
    with pytest.raises(NotFoundError, match="was not judged by a universality job"):
        find_report(store, alone.verdict_id[:12])
    for given in ("", "no such id"):
        with pytest.raises(NotFoundError, match=f"no universality job has id '{given}'"):
            find_report(store, given)
    near = [ONE[:6] + sha256_hex(end)[6:] for end in ("a", "b")]
    write(store, *map(report, near))
    with pytest.raises(NotFoundError, match=f"'{ONE[:6]}' is ambiguous.*{near[0][:16]}"):
        find_report(store, ONE[:6])
    with pytest.raises(NotFoundError, match="no report is stored of job two"):
        read_report(store, "two")
