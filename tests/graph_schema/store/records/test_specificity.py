"""Specificity in the graph, on both servers."""

from __future__ import annotations

import pytest

from graph_schema.errors import NotFoundError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.role_tests import write_roles
from graph_schema.store.records.specificity import read_specificity_of_job, write_specificity
from tests.factories import make_run
from tests.findings import roles_played, specificity
from tests.graph_schema.store.records.made import twice


def test_a_matrix_survives_and_takes_its_own_place(store: GraphStore) -> None:
    played = roles_played()
    store.write(lambda tx: write_roles(tx, played))
    found = specificity(played)
    run = make_run().model_copy(update={"job_id": found.job_id})
    twice(store, lambda tx: write_specificity(tx, found, run))
    assert read_specificity_of_job(store, found.job_id) == found
    cells = (
        "MATCH (t:RoleTest)-[e:ABLATED_ON]->(k:Task) RETURN t.task AS of, k.name AS task, "
        "e.role AS role, e.share AS share, e.random_mean AS random, e.control_sets AS sets "
        "ORDER BY role"
    )
    shared = {"of": "induction", "task": "induction", "share": 0.41}
    assert store.rows(cells) == [
        shared | {"role": "duplicate_token", "random": None, "sets": 7},
        shared | {"role": "name_mover", "random": 0.02, "sets": 50},
    ]
    with pytest.raises(NotFoundError, match="no specificity is of job '77"):
        read_specificity_of_job(store, "7" * 64)
