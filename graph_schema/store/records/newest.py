"""What a shell is told of what is stored: the newest ids, each with a few words about it.

Each answers at most `limit` rows, with an `id` that starts with `start` and what is said of it.
Small statements of their own: they read no document, and are asked for while somebody types.
"""

from __future__ import annotations

from typing import LiteralString

from graph_schema.store.batches import Row
from graph_schema.store.connection import GraphStore

# Only what is asked for stands in a statement: an index serves either the order or the beginning.
_JOBS: LiteralString = "MATCH (j:Job) WHERE j.submitted_at > 0"
_JOBS_BY_ID: LiteralString = "MATCH (j:Job) WHERE j.job_id STARTS WITH $start"
_OF_KIND: LiteralString = " AND j.kind = $kind"
_NO_SHARDS: LiteralString = " AND j.kind <> 'shard'"
_JOB: LiteralString = """
WITH j ORDER BY j.submitted_at DESC, j.job_id LIMIT $limit
RETURN j.job_id AS id, j.kind AS kind, j.state AS state, j.spec AS spec, j.placement AS placement,
       j.submitted_at AS at
ORDER BY at DESC, id
"""
_CIRCUITS: LiteralString = "MATCH (c:Circuit) WHERE c.created_at > 0"
_CIRCUITS_BY_ID: LiteralString = "MATCH (c:Circuit) WHERE c.circuit_id STARTS WITH $start"
_CIRCUIT: LiteralString = """
WITH c ORDER BY c.created_at DESC, c.circuit_id LIMIT $limit
RETURN c.circuit_id AS id, c.model AS model, c.task AS task, c.method AS method,
       c.created_at AS at
ORDER BY at DESC, id
"""
_VERDICTS: LiteralString = """
MATCH (v:Verdict) WHERE v.verdict_id STARTS WITH $start
RETURN v.verdict_id AS id, v.motif AS motif, v.task AS task, v.outcome AS outcome,
       v.judged_at AS at
ORDER BY at DESC, id LIMIT $limit
"""
_TESTS: LiteralString = """
MATCH (t:MotifTest) WHERE t.test_id STARTS WITH $start
RETURN t.test_id AS id, t.motifs AS motifs, t.at AS at
ORDER BY at DESC, id LIMIT $limit
"""
_TAGS: LiteralString = """
MATCH (a:Annotation) WHERE a.kind = 'tag' AND a.text STARTS WITH $start
RETURN a.text AS id, count(a) AS n, max(a.at) AS at
ORDER BY at DESC, id LIMIT $limit
"""
_TASKS: LiteralString = """
MATCH (t:Task) WHERE t.name STARTS WITH $start
RETURN DISTINCT t.name AS id ORDER BY id LIMIT $limit
"""
_MODELS: LiteralString = """
MATCH (m:Model) WHERE m.name STARTS WITH $start
RETURN DISTINCT m.name AS id, m.family AS family ORDER BY id LIMIT $limit
"""
_MOTIFS: LiteralString = """
MATCH (m:Motif) WHERE m.name STARTS WITH $start
RETURN DISTINCT m.name AS id ORDER BY id LIMIT $limit
"""


def newest_jobs(store: GraphStore, start: str, limit: int, kind: str | None = None) -> list[Row]:
    """`id`, `kind`, `state`, `spec` and `placement` of jobs, of one kind where that is named.

    Where none is, shards, which are parts of others, are left out.
    """
    statement = (_JOBS_BY_ID if start else _JOBS) + (_OF_KIND if kind else _NO_SHARDS) + _JOB
    return store.rows(statement, start=start, limit=limit, kind=kind)


def newest_circuits(store: GraphStore, start: str, limit: int) -> list[Row]:
    """`id`, `model`, `task` and `method` of circuits."""
    statement = (_CIRCUITS_BY_ID if start else _CIRCUITS) + _CIRCUIT
    return store.rows(statement, start=start, limit=limit)


def newest_verdicts(store: GraphStore, start: str, limit: int) -> list[Row]:
    """`id`, `motif`, `task` and `outcome` of verdicts."""
    return store.rows(_VERDICTS, start=start, limit=limit)


def newest_motif_tests(store: GraphStore, start: str, limit: int) -> list[Row]:
    """`id` and `motifs` of stored tests of motifs."""
    return store.rows(_TESTS, start=start, limit=limit)


def newest_tags(store: GraphStore, start: str, limit: int) -> list[Row]:
    """Tags, each as `id`, and how many have it, as `n`."""
    return store.rows(_TAGS, start=start, limit=limit)


def stored_tasks(store: GraphStore, start: str, limit: int) -> list[Row]:
    """The names of stored tasks, each as `id`, in order."""
    return store.rows(_TASKS, start=start, limit=limit)


def stored_models(store: GraphStore, start: str, limit: int) -> list[Row]:
    """The names of stored models, each as `id`, and their `family`, in order."""
    return store.rows(_MODELS, start=start, limit=limit)


def stored_motifs(store: GraphStore, start: str, limit: int) -> list[Row]:
    """The names of stored motifs, each as `id`, in order."""
    return store.rows(_MOTIFS, start=start, limit=limit)
