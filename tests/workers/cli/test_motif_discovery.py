"""`motifs discover`: patterns that recur, on the made world and where some are planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.store.connection import GraphStore
from tests.made_world import MadeWorld, fill
from tests.planted_models import PATTERN, TASK, write_planted
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode


@pytest.fixture(scope="module")
def made(world: World) -> MadeWorld:
    """The made world and three planted models, in the graph."""
    with GraphStore(world.settings.store_address()) as store:
        for seed, family in enumerate(("gpt2", "llama", "neox")):
            write_planted(store, f"{family}/planted", family, seed=seed)
        return fill(store)


def test_patterns_that_recur_are_listed_and_saved(
    circuits: Circuits, world: World, made: MadeWorld, tmp_path: Path
) -> None:
    words = ("motifs", "discover", "--task", TASK, "--draws", 300)
    ran = circuits(*words, "--save", tmp_path, "--limit", 3, world=world)
    head, _, *rows = ran.out.splitlines()
    assert head.split()[:2] == ["pattern", "for"]
    assert (len(rows), rows[0].split("  ")[0]) == (3, PATTERN)
    assert rows[0].endswith("called")
    assert "shown are 3 of them: --limit N shows more" in ran.err
    found = circuits(*words, "--json", world=world).json()
    called = [each for each in found["patterns"] if each["state"] == "called"]
    assert (found["task"], found["draws"], called[0]["pattern"]) == (TASK, 300, PATTERN)
    assert found["family"] <= found["n_enumerated"]
    saved = sorted(file.stem for file in tmp_path.iterdir())
    assert saved == sorted(each["motif"]["name"] for each in called)
    refused = circuits(*words, "--save", tmp_path, world=world)
    assert refused.code == ExitCode.REQUEST
    assert "is there already; --force replaces it" in refused.err

    name = called[0]["motif"]["name"]
    added = circuits("motifs", "add", tmp_path / f"{name}.yaml", "--json", world=world).json()
    assert added["name"] == name
    own = found["models"][0]["circuit_ids"][0]
    there = circuits("motifs", "find", name, own, "--json", world=world).json()
    assert there["total"] == called[0]["models"][0]["observed"]


def test_small_circuits_say_why_nothing_can_be_called(
    circuits: Circuits, world: World, made: MadeWorld
) -> None:
    found = circuits("motifs", "discover", "--task", "induction", "--json", world=world).json()
    rows = {each["pattern"]: each for each in found["patterns"]}
    states = {each["state"] for each in rows[PATTERN]["models"]}
    assert rows[PATTERN]["state"] == "untestable"
    assert "untestable" in states
    ran = circuits("motifs", "discover", "--task", "induction", world=world)
    assert "neox/one: no node of its circuits has a role" in ran.err
    assert ran.code == ExitCode.DONE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "none"), "no circuit does the task 'none'"),
        (("--task", "ioi"), "are of 1 model that counts"),
        (("--task", TASK, "--draws", 0), "draws is 0; expected 1 to 20,000"),
        (("--task", TASK, "--limit", 0), "--limit is 0; expected at least 1"),
        (("--task", TASK, "--save", "nowhere"), "--save 'nowhere' is no folder"),
    ],
)
def test_what_is_not_there_is_said(
    circuits: Circuits, world: World, made: MadeWorld, words: tuple[object, ...], said: str
) -> None:
    ran = circuits("motifs", "discover", *words, world=world)
    assert ran.code == ExitCode.REQUEST
    assert said in ran.err
    assert ran.out == ""
