"""What hangs on a circuit, or on what a job found: told before any of it is removed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from graph_schema.store.connection import GraphStore

# Each returns ids, or a count, of what goes with these circuits.
_EDGES: LiteralString = """
MATCH (c:Circuit) WHERE c.circuit_id IN $ids RETURN coalesce(sum(c.n_edges), 0) AS n
"""
_EVALUATIONS: LiteralString = """
MATCH (e:Evaluation)-[:JUDGES]->(c:Circuit) WHERE c.circuit_id IN $ids
RETURN e.evaluation_id AS id ORDER BY id
"""
_ANNOTATIONS: LiteralString = """
UNWIND $ids AS id
MATCH (:Circuit {circuit_id: id})-[:CONTAINS]->(:CircuitNode)<-[:ON]-(a:Annotation)
RETURN count(DISTINCT a) AS n
"""
_OCCURRENCES: LiteralString = """
UNWIND $ids AS id
MATCH (:Circuit {circuit_id: id})<-[:IN_CIRCUIT]-(o:Occurrence) RETURN count(o) AS n
"""
_MOTIF_TESTS: LiteralString = """
UNWIND $ids AS id
MATCH (:Circuit {circuit_id: id})<-[:TESTED_IN]-(t:MotifTest) RETURN DISTINCT t.test_id AS id
"""
# What a job found is told by its id.
_CIRCUITS_OF: LiteralString = """
MATCH (c:Circuit {job_id: $job_id}) RETURN c.circuit_id AS id ORDER BY id
"""
_EVALUATIONS_OF: LiteralString = """
MATCH (e:Evaluation {evaluation_id: $job_id})-[:JUDGES]->(c:Circuit)
RETURN e.evaluation_id AS id, c.circuit_id AS circuit_id, c.evaluation_id AS shown
"""
_ROLE_TESTS_OF: LiteralString = """
MATCH (t:RoleTest {job_id: $job_id}) RETURN t.role_test_id AS id ORDER BY id
"""
_ROLE_GRAPHS_OF: LiteralString = """
MATCH (g:RoleGraph {job_id: $job_id}) RETURN g.role_graph_id AS id ORDER BY id
"""
_REPORTS_OF: LiteralString = "MATCH (r:Report {job_id: $job_id}) RETURN r.job_id AS id"
_VERDICTS_OF: LiteralString = """
MATCH (r:Report {job_id: $job_id})-[:REPORTS]->(v:Verdict)
WHERE NOT EXISTS { MATCH (other:Report)-[:REPORTS]->(v) WHERE other.job_id <> $job_id }
RETURN v.verdict_id AS id ORDER BY id
"""
# What rests on it names it in its document, whatever else links the two.
_VERDICTS_ON: LiteralString = """
MATCH (v:Verdict) WHERE any(id IN $ids WHERE v.document CONTAINS id)
RETURN v.verdict_id AS id ORDER BY id
"""
_REPORTS_ON: LiteralString = """
MATCH (r:Report) WHERE any(id IN $ids WHERE r.document CONTAINS id)
RETURN r.job_id AS id ORDER BY id
"""
_ROLE_GRAPHS_ON: LiteralString = """
MATCH (g:RoleGraph) WHERE g.role_test_id IN $ids RETURN g.role_graph_id AS id ORDER BY id
"""
_MATRICES_ON: LiteralString = """
MATCH (r:Run) WHERE r.found IS NOT NULL AND any(id IN $ids WHERE r.found CONTAINS id)
RETURN DISTINCT r.job_id AS id ORDER BY id
"""
_FIND_JOB: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) RETURN c.job_id AS job_id
"""

# A document may be long: few at a time.
_REFERRING: tuple[LiteralString, ...] = (
    """
MATCH (d:CircuitDocument) WHERE d.circuit_id > $after
RETURN d.circuit_id AS id, d.document AS document ORDER BY id LIMIT 20
""",
    # As workers of an earlier release still leave it.
    """
MATCH (c:Circuit) WHERE c.circuit_id > $after AND c.document IS NOT NULL
RETURN c.circuit_id AS id, c.document AS document ORDER BY id LIMIT 20
""",
    """
MATCH (e:Evaluation) WHERE e.evaluation_id > $after
RETURN e.evaluation_id AS id, e.document AS document ORDER BY id LIMIT 20
""",
)

Ids = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """The ids of what one job has found and stored.

    `shown_by` are imported circuits whose headline is one of these evaluations.
    """

    circuits: Ids = ()
    evaluations: Ids = ()
    role_tests: Ids = ()
    role_graphs: Ids = ()
    reports: Ids = ()
    verdicts: Ids = ()
    shown_by: Ids = ()


@dataclass(frozen=True)
class Hanging:
    """What goes with circuits that are removed."""

    edges: int = 0
    evaluations: Ids = ()
    annotations: int = 0
    occurrences: int = 0
    motif_tests: Ids = ()


@dataclass(frozen=True)
class Resting:
    """The ids of what was concluded from something: it loses what it rests on.

    `matrices` are specificity jobs.
    """

    verdicts: Ids = ()
    reports: Ids = ()
    role_graphs: Ids = ()
    matrices: Ids = ()

    def __bool__(self) -> bool:
        return bool(self.verdicts or self.reports or self.role_graphs or self.matrices)


def found_by(store: GraphStore, job_id: str) -> Found:
    """What a job has found and stored; a draft is not among it."""

    def ids(statement: LiteralString) -> Ids:
        return tuple(row["id"] for row in store.rows(statement, job_id=job_id))

    judged = store.rows(_EVALUATIONS_OF, job_id=job_id)
    return Found(
        circuits=ids(_CIRCUITS_OF),
        evaluations=tuple(row["id"] for row in judged),
        role_tests=ids(_ROLE_TESTS_OF),
        role_graphs=ids(_ROLE_GRAPHS_OF),
        reports=ids(_REPORTS_OF),
        verdicts=ids(_VERDICTS_OF),
        shown_by=tuple(row["circuit_id"] for row in judged if row["shown"] == job_id),
    )


def job_of_circuit(store: GraphStore, circuit_id: str) -> str | None:
    """The job that found a stored circuit; None of an imported one."""
    rows = store.rows(_FIND_JOB, circuit_id=circuit_id)
    return rows[0]["job_id"] if rows else None


def referred_artifacts(store: GraphStore) -> set[str]:
    """The keys of all artifacts that a stored circuit or evaluation refers to."""
    found = set[str]()
    for statement in _REFERRING:
        after = ""
        while rows := store.rows(statement, after=after):
            for row in rows:
                refs: dict[str, dict[str, str]] = json.loads(row["document"]).get("artifacts") or {}
                found.update(ref["key"] for ref in refs.values())
            after = rows[-1]["id"]
    return found


def hanging_on(store: GraphStore, circuit_ids: Sequence[str]) -> Hanging:
    """What goes with these circuits."""
    own = list(circuit_ids)

    def count(statement: LiteralString) -> int:
        return int(store.rows(statement, ids=own)[0]["n"])

    return Hanging(
        edges=count(_EDGES),
        evaluations=tuple(row["id"] for row in store.rows(_EVALUATIONS, ids=own)),
        annotations=count(_ANNOTATIONS),
        occurrences=count(_OCCURRENCES),
        motif_tests=tuple(sorted(row["id"] for row in store.rows(_MOTIF_TESTS, ids=own))),
    )


def resting_on(store: GraphStore, ids: Sequence[str], going: Sequence[str] = ()) -> Resting:
    """What names one of these ids as its evidence, but for what goes itself (`going`)."""
    own = list(ids)

    def left(statement: LiteralString) -> Ids:
        return tuple(row["id"] for row in store.rows(statement, ids=own) if row["id"] not in going)

    return Resting(
        verdicts=left(_VERDICTS_ON),
        reports=left(_REPORTS_ON),
        role_graphs=left(_ROLE_GRAPHS_ON),
        matrices=left(_MATRICES_ON),
    )
