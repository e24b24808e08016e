"""The history of the graph's schema: what brings a database from each version to the next.

A version is a list of steps. A step is a statement that may be repeated (`IF NOT EXISTS`), or a
function of a `Held` (`schema_lock.py`), which rewrites what is stored, a batch at a time. To add a
version, write its steps in a file of its own, with the Cypher and the words of that day (they must
not change with the code), and put them at the end of `VERSIONS`; a database as the last release
left it is kept with the tests.
"""

from __future__ import annotations

from graph_schema.store.schema_lock import Step
from graph_schema.store.versions.circuit_documents import VERSION_9
from graph_schema.store.versions.features import VERSION_8
from graph_schema.store.versions.first_four import VERSION_1, VERSION_2, VERSION_3, VERSION_4
from graph_schema.store.versions.motif_tests import VERSION_6
from graph_schema.store.versions.reports import VERSION_7
from graph_schema.store.versions.roles import VERSION_5
from graph_schema.store.versions.shards import VERSION_11
from graph_schema.store.versions.workers import VERSION_10

VERSIONS: tuple[tuple[Step, ...], ...] = (
    VERSION_1,
    VERSION_2,
    VERSION_3,
    VERSION_4,
    VERSION_5,
    VERSION_6,
    VERSION_7,
    VERSION_8,
    VERSION_9,
    VERSION_10,
    VERSION_11,
)

__all__ = ["VERSIONS"]
