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
    assert [(each["circuit_id"], each["motif"]) for each in dry["results"]] == [
        (circuit_id, motif) for circuit_id in ids for motif in ("bi_fan", "induction")
    ]
    assert (dry["alpha"], dry["draws"], dry["seed"]) == (0.05, 20, 0)
    of_l1 = ("motifs", "tests", "--circuit", ids[0][:12], "--json")
    assert circuits(*of_l1, world=world).json() == []
    ran = circuits("motifs", *words, "--draws", 20, world=world)
    assert ran.out.splitlines()[0].split()[:3] == ["circuit", "motif", "observed"]
    own = dry["test_id"][:12]
    assert f"stored as {own}: alpha 0.05, 20 draws, seed 0; q over " in ran.err
    (listed,) = circuits(*of_l1, world=world).json()
    assert (listed["test_id"], listed["circuits"], listed["motifs"]) == (dry["test_id"], 2, 2)
    rows = [line.split() for line in circuits("motifs", "tests", world=world).out.splitlines()]
    assert own in [row[0] for row in rows]
    shown = circuits("motifs", "show", own, world=world)
    assert shown.out == ran.out
    assert circuits("motifs", "show", own, "--json", world=world).json() == dry
    none = circuits("motifs", "show", "zz", world=world)
    assert none.code == ExitCode.REQUEST
    assert "no motif test has id 'zz'" in none.err


def test_a_search_is_printed_as_cypher_that_runs(
    circuits: Circuits, world: World, made: MadeWorld
) -> None:
    own = made.id("l1")
    found = circuits("motifs", "find", "k_composition", own, "--json", world=world).json()
    printed = circuits("motifs", "cypher", "k_composition", own[:12], world=world).out
    rows = circuits("cypher", printed, "--json", world=world).json()
    assert [list(row.values()) for row in rows] == [
        list(each.values()) for each in found["occurrences"]
    ]
    assert rows


def test_a_search_that_is_cut_says_so(circuits: Circuits, world: World, made: MadeWorld) -> None:
    own = made.id("l1")
    ran = circuits("motifs", "find", "k_composition", own, "--limit", 1, world=world)
    assert len(ran.out.splitlines()) == 3
    assert "shown are 1 of them: --limit N shows more or fewer" in ran.err
    refused = circuits("motifs", "find", "bi_fan", own, "--limit", 1, "--store", world=world)
    assert refused.code == ExitCode.REQUEST
    assert "give limit or store, not both" in refused.err


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
