"""What tells one graph from another: a random name that it gets when somebody first asks."""

from __future__ import annotations

import secrets
from typing import LiteralString

from graph_schema.store.batches import fetch
from graph_schema.store.connection import GraphStore

_READ: LiteralString = "MATCH (s:Schema {name: 'atlas'}) RETURN s.graph_id AS id"
# The first SET takes the lock: of several who ask first, one names it.
_NAME: LiteralString = """
MATCH (s:Schema {name: 'atlas'}) SET s.asked = $id
WITH s SET s.graph_id = coalesce(s.graph_id, $id)
RETURN s.graph_id AS id
"""


def graph_id(store: GraphStore) -> str:
    """The name of this graph; a backup that is restored into another one does not bring it."""
    if (found := store.rows(_READ)) and found[0]["id"]:
        return str(found[0]["id"])
    new = secrets.token_hex(8)
    store.write(lambda tx: fetch(tx, _NAME, id=new))
    return str(store.rows(_READ)[0]["id"])
