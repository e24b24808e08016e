"""Backup and restore: everything comes back, on either kind of server, whole or not at all."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import Any, cast

import pytest

from graph_schema.artifacts import ArtifactStore
from graph_schema.circuit_arrays import stored_scores
from graph_schema.errors import (
    ResourceError,
    SpecError,
    StoreError,
    StoreUnavailable,
    StoreVersionError,
)
from graph_schema.store import dump, migrations
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.reports import find_report
from tests.factories import make_circuit, make_run
from tests.graph_schema.store.kept_graphs import KEYS, kept_graph
from tests.workers.client.backed_up import FAMILY, Place, filled, packed, placed

NEO4J = pytest.mark.needs_neo4j


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("arcadedb", "arcadedb"),
        pytest.param("arcadedb", "neo4j", marks=NEO4J),
        pytest.param("neo4j", "arcadedb", marks=NEO4J),
    ],
)
def test_everything_comes_back(
    request: pytest.FixtureRequest, tmp_path: Path, source: str, target: str
) -> None:
    file = tmp_path / "all.zip"
    here = placed(request.getfixturevalue(source), tmp_path / "one")
    with here.store, here.client as client:
        own = filled(here)
        before, circuit = here.everything(), read_circuit(here.store, own)
        asked = client.query("role-depth").rows
        made = client.backup(file)
        here.empty()
    assert (made.artifacts, made.missing) == (1, ("a/scores.safetensors",)), "made up, the others"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    there = placed(request.getfixturevalue(target), tmp_path / "two")
    with there.store, there.client as client:
        assert client.restore(file) == made
        assert there.everything() == before
        assert read_circuit(there.store, own) == circuit
        assert client.query("role-depth").rows == asked
        kept = stored_scores(circuit, ArtifactStore(cast("str", there.settings.artifacts)))
        assert kept == {"input->m0": 0.1, "m0->logits": -2.0}
        there.empty()


def test_what_is_there_is_replaced_only_when_told(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "all.zip"
    with place.client as client:
        own = filled(place)
        client.backup(file)
        before = place.everything()
        with pytest.raises(SpecError, match=r"all.zip' is there already; --force"):
            client.backup(file)
        other = make_circuit(job="later")
        place.store.write(lambda tx: write_circuit(tx, other, make_run("later")))
        with pytest.raises(SpecError, match=r"not empty: it holds \d+ nodes; .*--force"):
            client.restore(file)
        assert place.everything() != before
        client.restore(file, force=True)
        assert place.everything() == before
        assert read_circuit(place.store, own).circuit_id == own


def test_an_older_graph_is_brought_to_this_version(place: Place, tmp_path: Path) -> None:
    """A backup of version 6: what the last release with it had left."""
    kept = kept_graph(6)
    nodes = [dump.Node(*each) for each in kept["nodes"] if each[0] != "Schema"]
    links = [dump.Link(*each) for each in kept["relationships"]]
    assert {node.label for node in nodes} <= set(KEYS)
    file = packed(tmp_path / "six.zip", nodes, links, version=6)
    with place.client as client:
        client.restore(file)
    (said,) = place.store.rows("MATCH (s:Schema) RETURN s.version AS v, s.restoring AS r")
    assert said == {"v": migrations.VERSION, "r": None}
    owns = [p["circuit_id"] for label, p in kept["nodes"] if label == "Circuit"]
    assert [read_circuit(place.store, own).circuit_id for own in owns] == owns
    verdict = next(p["verdict_id"] for _, p in kept["nodes"] if "report" in p)
    assert find_report(place.store, verdict[:16])


LINK = dump.Link("Model", "a", "IN_FAMILY", "ModelFamily", "gpt2", {})
EVIL = "artifacts/../../evil"


@pytest.mark.parametrize(
    ("nodes", "links", "changes", "error", "message"),
    [
        ([], [], {"version": 99}, StoreVersionError, "schema version 99, this code knows"),
        ([], [], {"told": {"format": 2}}, SpecError, "is no backup, or was damaged"),
        ([], [], {"files": {EVIL: b"x"}}, SpecError, "is no name of an artifact"),
        ([FAMILY], [], {"told": {"nodes": 2}}, SpecError, "another number of nodes"),
        ([dump.Node("Evil) DETACH DELETE (n", {})], [], {}, SpecError, "label 'Evil.* not ours"),
        ([dump.Node("Schema", {"name": "atlas"})], [], {}, SpecError, "'Schema', which is not"),
        ([dump.Node("Model", {"name": "x"})], [], {}, SpecError, "Model without its fingerprint"),
        ([dump.Node("ModelFamily", {"name": "x", "a": {}})], [], {}, SpecError, "property 'a'"),
        ([], [LINK._replace(type="EVIL")], {}, SpecError, "'EVIL', 'ModelFamily'.*not ours"),
        ([FAMILY], [LINK], {}, StoreError, "rows written"),
    ],
)
def test_a_foreign_file_is_refused_and_the_graph_stays_empty(
    place: Place,
    tmp_path: Path,
    nodes: list[dump.Node],
    links: list[dump.Link],
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    file = packed(tmp_path / "foreign.zip", nodes, links, **changes)
    with place.client as client:
        with pytest.raises(error, match=message):
            client.restore(file)
        assert (place.everything(), client.circuits()) == ([], [])


def test_a_damaged_file_is_refused_before_anything_is_deleted(place: Place, tmp_path: Path) -> None:
    file, cut = tmp_path / "all.zip", tmp_path / "cut.zip"
    with place.client as client:
        filled(place)
        client.backup(file)
        before, data = place.everything(), bytearray(file.read_bytes())
        cut.write_bytes(data[: len(data) // 2])
        with pytest.raises(SpecError, match="is no whole backup"):
            client.restore(cut, force=True)
        data[len(data) // 4] ^= 0xFF
        cut.write_bytes(data)
        with pytest.raises(SpecError, match="damaged"):
            client.restore(cut, force=True)
        with pytest.raises(SpecError, match="No such file"):
            client.restore(tmp_path / "none.zip", force=True)
        packed(cut, [FAMILY, dump.Node("Evil", {})], [])
        with pytest.raises(SpecError, match="label 'Evil', which is not ours"):
            client.restore(cut, force=True)
        assert place.everything() == before


def test_others_are_refused_while_a_graph_is_not_whole(place: Place, tmp_path: Path) -> None:
    """As a restore that was killed leaves it; the same command with --force begins anew."""
    file = tmp_path / "all.zip"
    with place.client as client:
        own = filled(place)
        client.backup(file)
        dump.begin(place.store, "process 1 of here", force=True)
    with place.client as client:
        with pytest.raises(StoreUnavailable, match=r"being restored .* by process 1 of here"):
            client.circuits()
        with pytest.raises(SpecError, match=r"by process 1 of here; .*--force begins anew"):
            client.restore(file)
        client.restore(file, force=True)
        assert client.circuit(own).circuit_id == own


def test_a_graph_that_changes_under_a_backup_leaves_no_file(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links_of, n = dump.links_of, iter(range(9))

    def changed(store: GraphStore) -> Any:
        circuit = make_circuit(job=f"meanwhile {next(n)}")
        place.store.write(lambda tx: write_circuit(tx, circuit, make_run("meanwhile")))
        return links_of(store)

    monkeypatch.setattr(dump, "links_of", changed)
    with (
        place.client as client,
        pytest.raises(ResourceError, match="changed each time while it was read"),
    ):
        client.backup(tmp_path / "all.zip")
    assert [path.name for path in tmp_path.glob("*.zip*")] == []


def test_what_is_not_ours_is_not_left_out_in_silence(place: Place, tmp_path: Path) -> None:
    place.store.write(lambda tx: tx.run("CREATE (:Model {name: 'x'})").consume())
    with (
        place.client as client,
        pytest.raises(ResourceError, match="1 nodes and 0 relationships, of which 0 and 0 are of"),
    ):
        client.backup(tmp_path / "all.zip")
    place.empty()


def test_an_artifact_that_is_gone_is_named(place: Place, tmp_path: Path) -> None:
    with place.client as client:
        filled(place)
        for each in Path(cast("str", place.settings.artifacts)).iterdir():
            shutil.rmtree(each)
        made = client.backup(tmp_path / "all.zip")
    assert made.artifacts == 0
    assert len(made.missing) == 2


def test_no_backup_is_made_while_the_artifacts_are_away(place: Place, tmp_path: Path) -> None:
    with place.client as client:
        filled(place)
        shutil.rmtree(cast("str", place.settings.artifacts))  # as where a disk is not mounted
        with pytest.raises(ResourceError, match="see that its disk is mounted"):
            client.backup(tmp_path / "all.zip")
    assert not (tmp_path / "all.zip").exists()
