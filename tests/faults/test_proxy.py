"""A transaction whose answer is cut off is committed, and its client does not hear of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graph_schema.errors import StoreUnavailable
from graph_schema.store.connection import GraphStore
from tests.faults.proxy import Proxy
from tests.faults.rig import port_of


def count(store: GraphStore) -> int:
    return store.rows("MATCH (t:Task {task_id: 'cut'}) RETURN count(t) AS n")[0]["n"]


def test_an_answer_to_a_commit_is_lost_and_the_commit_is_not(embedded_store: GraphStore) -> None:
    with Proxy(port_of(embedded_store.address)) as proxy:
        address = replace(embedded_store.address, uri=f"bolt://127.0.0.1:{proxy.port}")
        with GraphStore(address, patience=0.0) as impatient:
            impatient.ping()
            proxy.cut_after_commits(1)
            with pytest.raises(StoreUnavailable):
                impatient.write(lambda tx: tx.run("CREATE (:Task {task_id: 'cut'})").consume())
            assert proxy.commits_cut == 1
            assert count(embedded_store) == 1
            assert count(impatient) == 1, "it is let through again"
            with proxy.closed(), pytest.raises(StoreUnavailable):
                impatient.ping()
            impatient.ping()
