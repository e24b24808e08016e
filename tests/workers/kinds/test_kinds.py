"""Kinds of jobs are a table: a new one is a file and a line."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graph_schema.documents import ModelSource
from graph_schema.documents.jobs import SPECS, JobState, Placement, read_spec
from graph_schema.errors import SpecError
from graph_schema.store.connection import GraphStore
from tests.workers.kinds.census import CENSUS, CensusSpec
from tests.workers.tiny import make_tiny, worker_settings
from workers.cli import app
from workers.client import CircuitClient
from workers.kinds import KINDS, kind_of
from workers.requests.discover import DiscoverRequest, Submission
from workers.running.inline import do_here, run_here


@pytest.fixture
def client(embedded_store: GraphStore, tmp_path: Path) -> Generator[CircuitClient]:
    settings = worker_settings(tmp_path / "home", embedded_store.address)
    with CircuitClient(settings=settings) as connected:
        yield connected


def test_the_table_has_every_spec_under_its_kind() -> None:
    assert set(KINDS) == set(SPECS) - {CENSUS.name}
    assert all(kind.name == name for name, kind in KINDS.items())


def test_a_kind_added_in_one_file_is_submitted_done_and_shown(
    client: CircuitClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = make_tiny(tmp_path / "model", n_pairs=16)
    (tmp_path / "pairs.jsonl").write_bytes(tiny.jsonl)
    circuit = run_here(
        client,
        DiscoverRequest(
            model=str(tiny.folder), dataset=tmp_path / "pairs.jsonl", method="eap", n_edges=20
        ),
    ).result()

    monkeypatch.setitem(KINDS, CENSUS.name, CENSUS)
    spec = CensusSpec(circuit_id=circuit.circuit_id)
    placement = Placement(model=ModelSource(name=str(tiny.folder)))
    job = do_here(client, Submission(spec, placement, None))

    assert job.state is JobState.SUCCEEDED, job.error
    found = job.outcome(progress=False)
    assert sum(found.values()) == circuit.n_edges
    settings = client.settings
    environment = settings.environment()
    shown = CliRunner().invoke(app, ["job", job.job_id, "--wait", "--json"], env=environment)
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["edges_by_layer"] == found
    text = CliRunner().invoke(app, ["job", job.job_id, "--wait"], env=environment)
    assert "layer 0: " in text.stdout


def test_a_kind_that_is_not_here_is_named(client: CircuitClient) -> None:
    with pytest.raises(SpecError, match=r"of kind .later.; expected one of .*discover"):
        read_spec('{"kind": "later"}')
    spec = CensusSpec(circuit_id="a" * 64)
    placement = Placement(model=ModelSource(name="./nowhere"))
    job = do_here(client, Submission(spec, placement, None))
    assert job.state is JobState.FAILED
    assert "'census'" in str(job.error)
    with pytest.raises(SpecError, match="'odd'; this installation knows discover, effects"):
        kind_of(job.record.model_copy(update={"kind": "odd"}))
