"""All that is stored, at a glance: models, tasks, what was found of each, what was asked for.

Each statement is aggregated by the database, so that what comes back grows with models by tasks and
not with circuits. A model is its weights: rows name its `identity`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from graph_schema.store.connection import GraphStore, Row

MOST_MODELS, MOST_ROWS, MOST_JOBS = 5_000, 50_000, 300

_MODELS: LiteralString = """
MATCH (m:Model) WHERE $family IS NULL OR m.family = $family
RETURN m.fingerprint AS fingerprint, coalesce(m.weights_sha256, m.fingerprint) AS identity,
       m.name AS name, m.family AS family, m.n_layers AS n_layers, m.weights AS weights
ORDER BY family, name, fingerprint LIMIT $most
"""
# The index of created_at: whole circuits alone have one.
FOUND: LiteralString = """
MATCH (c:Circuit) WHERE c.created_at > 0
RETURN c.fingerprint AS fingerprint, c.task AS task, count(c) AS circuits,
       count(DISTINCT c.task_id) AS forms, max(c.heldout_faithfulness) AS best
ORDER BY fingerprint, task
"""
_TESTED: LiteralString = """
MATCH (t:RoleTest)
RETURN t.fingerprint AS fingerprint, t.task AS task, count(t) AS tests
ORDER BY fingerprint, task LIMIT $most
"""
_PLAYED: LiteralString = """
MATCH (g:RoleGraph)-[:HAS_ROLE]->(n:RoleNode)
WHERE size(n.members) > 0 AND NOT n.role IN ['input', 'logits']
RETURN g.fingerprint AS fingerprint, g.task AS task, n.role AS role, max(size(n.members)) AS members
ORDER BY fingerprint, task, role LIMIT $most
"""
# Of several verdicts on a motif the latest that asked the model.
_STATES: LiteralString = """
MATCH (v:Verdict)-[e:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)
WHERE v.rung = 'wiring' AND coalesce(v.path, 'any') = 'any'
WITH m.fingerprint AS fingerprint, v.task AS task, v.motif AS motif, v.verdict_id AS verdict_id,
     v.job_id AS job_id, v.judged_at AS judged_at, e.behaviour AS behaviour, e.role AS role,
     e.wiring AS wiring
ORDER BY judged_at DESC, verdict_id
WITH fingerprint, task, motif, collect({verdict_id: verdict_id, job_id: job_id,
     judged_at: judged_at, behaviour: behaviour, role: role, wiring: wiring}) AS every
RETURN fingerprint, task, motif, head(every) AS state
ORDER BY fingerprint, task, motif LIMIT $most
"""
_ASKED: LiteralString = """
MATCH (j:Job) WHERE j.state IN ['queued', 'running', 'failed'] AND j.kind = 'discover'
WITH j ORDER BY j.submitted_at DESC, j.job_id LIMIT $most
RETURN j.job_id AS job_id, j.state AS state, j.spec AS spec
"""
_PLACE: LiteralString = """
MATCH (c:Circuit {fingerprint: $fingerprint}) WHERE c.job_id IS NOT NULL
RETURN c.job_id AS job_id ORDER BY c.created_at DESC, job_id LIMIT 1
"""


@dataclass(frozen=True)
class Overview:
    """Rows, each of one model's fingerprint and, but for `models`, one task's name.

    Attributes:
        found: Circuits: how many, of how many forms of the task, and the best of them on pairs that
            discovery did not see.
        tested: Role tests; `played` the roles of role graphs that somebody plays.
        states: Of each motif, by rung, what the latest verdict says of the model, and when it was
            judged: of fingerprints of the same weights each has its own.
        asked: Discover jobs that are not done or failed, the newest, with their specs.
    """

    models: list[Row]
    found: list[Row]
    tested: list[Row]
    played: list[Row]
    states: list[Row]
    asked: list[Row]


def read_overview(store: GraphStore, family: str | None = None) -> Overview:
    """What there is; `family` narrows models down, and whoever reads the rest goes by them."""
    return Overview(
        models=store.rows(_MODELS, family=family, most=MOST_MODELS),
        found=store.rows(FOUND),
        tested=store.rows(_TESTED, most=MOST_ROWS),
        played=store.rows(_PLAYED, most=MOST_ROWS),
        states=store.rows(_STATES, most=MOST_ROWS),
        asked=store.rows(_ASKED, most=MOST_JOBS),
    )


def job_of_model(store: GraphStore, fingerprint: str) -> str | None:
    """The job that found the newest circuit of a model, which says where the model lies."""
    rows = store.rows(_PLACE, fingerprint=fingerprint)
    return rows[0]["job_id"] if rows else None
