"""What a job that ended otherwise than well has stored of circuits: removed, in short transactions.

Nobody sees it (`graph_schema.store.records.circuit_drafts`); it takes room.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuit_edges import removing, stored_nodes
from graph_schema.store.records.circuits import has_circuit

if TYPE_CHECKING:
    from neo4j import Transaction

log = logging.getLogger(__name__)


def clear_drafts(store: GraphStore, job_id: str) -> int:
    """Remove what an ended job left of circuits; returns of how many. A live job keeps its own."""
    cleared = 0
    for draft in jobs.drafts_of(store, job_id):
        if not _clear(store, job_id, draft):
            break
        jobs.forget_draft(store, job_id, draft)
        log.info("removed what job %s left of circuit %s", job_id[:12], draft[:12])
        cleared += 1
    return cleared


def _clear(store: GraphStore, job_id: str, draft: str) -> bool:
    """Whether it is gone; it is not where the job has become live meanwhile."""
    for step in removing(stored_nodes(store, draft)):

        def remove(tx: Transaction, step: Callable[[Transaction], bool] = step) -> bool:
            return has_circuit(tx, draft) or step(tx)

        while (gone := jobs.once_ended(store, job_id, remove)) is False:
            pass
        if gone is None:
            return False
    return True
