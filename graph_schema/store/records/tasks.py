"""Tasks in the graph: a task is its id, the hash of name, parameters and version.

Several ids may have one name (`induction` with other parameters); whatever compares goes by the id.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

_WRITE: LiteralString = "MERGE (t:Task {task_id: $task_id}) ON CREATE SET t.name = $name"


def write_task(tx: Transaction, task_id: str, name: str | None) -> None:
    """Write a task; again is the same, and it keeps its first name."""
    tx.run(_WRITE, task_id=task_id, name=name).consume()
