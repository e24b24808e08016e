"""`motifs`: listed, added, found and tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.motifs import catalogue
from graph_schema.store.connection import GraphStore
from tests.made_world import MadeWorld, fill
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode

MINE = "name: read_by_keys\nnodes: {one: {kind: head}, two: {kind: head}}\nedges: [one -k-> two]\n"


@pytest.fixture(scope="module")
def made(world: World) -> MadeWorld:
    """The made world, in the graph."""
    with GraphStore(world.settings.store_address()) as store:
        return fill(store)


def test_a_motif_of_ones_own_is_listed_and_found(
    circuits: Circuits, world: World, made: MadeWorld, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    added = circuits("motifs", "add", file, "--json", world=world).json()
    assert added["name"] == "read_by_keys"
    listed = circuits("motifs", "--json", world=world).json()
    assert [each["name"] for each in listed] == [*catalogue(), "read_by_keys"]
    rows = [line.split() for line in circuits("motifs", world=world).out.splitlines()]
    assert rows[2][:2] == ["induction", "catalogue"]
    assert rows[-1] == ["read_by_keys", "stored"]

    own = made.id("l1")[:12]
    ran = circuits("motifs", "find", "read_by_keys", own, world=world)
    assert [line.split() for line in ran.out.splitlines()] == [
        ["one", "two"],
        ["-----", "-----"],
        ["a0.h0", "a1.h1"],
        ["a0.h0", "a1.h3"],
    ]
    assert f"2 occurrences of read_by_keys in {own}\n" in ran.err
    assert _count(circuits, world, "read_by_keys") == 0
    found = circuits("motifs", "find", "read_by_keys", own, "--store", "--json", world=world)
    assert found.json()["circuit_id"] == made.id("l1")
    assert found.json()["occurrences"][0] == {"one": "a0.h0", "two": "a1.h1"}
    assert _count(circuits, world, "read_by_keys") == 2


def _count(circuits: Circuits, world: World, motif: str) -> int:
    text = "MATCH (o:Occurrence {motif: $motif}) RETURN count(o) AS n"
    rows = circuits("cypher", text, "--param", f"motif={motif}", "--json", world=world).json()
    return int(rows[0]["n"])


def test_a_circuit_without_roles_is_said_to_have_none(
    circuits: Circuits, world: World, made: MadeWorld
) -> None:
    ran = circuits("motifs", "find", "induction", made.id("n1"), world=world)
    assert ran.out == "(no occurrences)\n"
    assert "no node of this circuit has a role" in ran.err


def test_motifs_are_tested_and_the_results_kept(
    circuits: Circuits, world: World, made: MadeWorld
) -> None:
    ids = (made.id("l1"), made.id("g2"))
    words = ("test", *(each[:12] for each in ids), "--motif", "bi_fan", "--motif", "induction")
    dry = circuits("motifs", *words, "--draws", 20, "--no-store", "--json", world=world).json()
    assert [(each["circuit_id"], each["motif"]) for each in dry] == [
        (circuit_id, motif) for circuit_id in ids for motif in ("bi_fan", "induction")
    ]
    tested = "MATCH (:Circuit {circuit_id: $id})-[t:TESTED]->(m) RETURN m.name AS motif, t.p AS p"
    ask = ("cypher", tested, "--param", f"id={ids[0]}", "--json")
    assert circuits(*ask, world=world).json() == []
    ran = circuits("motifs", *words, "--draws", 20, world=world)
    assert ran.out.splitlines()[0].split()[:3] == ["circuit", "motif", "observed"]
    assert ran.err.endswith("; stored\n")
    kept = {row["motif"]: row["p"] for row in circuits(*ask, world=world).json()}
    assert kept == {each["motif"]: each["p"] for each in dry if each["circuit_id"] == ids[0]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("find", "inductoin", "ab"), "near ones are induction"),
        (("find", "induction", "zz"), "no circuit has id 'zz'"),
        (("test", "zz", "--motif", "bi_fan"), "no circuit has id 'zz'"),
        (("add", "none.yaml"), "cannot read 'none.yaml'"),
        (("--json", "find", "induction", "ab"), "--json goes after find"),
    ],
)
def test_what_is_not_there_is_said(
    circuits: Circuits, world: World, made: MadeWorld, words: tuple[str, ...], said: str
) -> None:
    ran = circuits("motifs", *words, world=world)
    assert ran.code == ExitCode.REQUEST
    assert said in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"name: [", "not YAML"),
        (MINE.replace("head", "haed").encode(), "'haed'"),
        (MINE.replace("read_by_keys", "induction").encode(), "already a motif of the catalogue"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * 100_000, "100,000 bytes"),
    ],
)
def test_a_file_that_is_no_motif_is_refused(
    circuits: Circuits, world: World, tmp_path: Path, data: bytes, said: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(data)
    ran = circuits("motifs", "add", file, world=world)
    assert ran.code == ExitCode.REQUEST
    assert said in ran.err
