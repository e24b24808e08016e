"""Notes and tags: written, shown, picked by, searched for, and gone with what they are on."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient

PAGE = Path(__file__).parents[3] / "docs" / "housekeeping.md"
BLOCKS = re.findall(r"```cypher\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def client(world: World) -> Generator[CircuitClient]:
    with CircuitClient(settings=world.settings) as connected:
        yield connected


@pytest.fixture
def circuit(circuits: Circuits, world: World) -> str:
    ran = circuits("run", *world.ask, "--edges", 12, "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    return str(ran.json()["circuit_id"])


@pytest.fixture
def job(circuits: Circuits, world: World) -> str:
    """One that waits."""
    asked = circuits("submit", *world.ask, "--edges", 3, "--json", world=world)
    return str(asked.json()["job_id"])


def test_they_show_where_what_they_are_on_is_shown_and_stay_when_it_is_done_again(
    circuits: Circuits, world: World, circuit: str, job: str
) -> None:
    for target in (circuit, job):
        told = circuits("tag", target[:12], "paper", "draft", "--author", "ada", world=world)
        assert (told.code, told.out) == (ExitCode.DONE, "tags: draft, paper\n")
        circuits("note", target[:12], "see fig. 3", "--author", "ada", world=world)
        again = circuits(
            "note", target[:12], "see fig. 3", "--author", "ada", "--json", world=world
        )
        assert [(each["text"], each["author"]) for each in again.json()] == [("see fig. 3", "ada")]
    assert circuits("tag", circuit, "paper", "--author", "bob", world=world).out == (
        "tags: draft, paper\n"
    )
    circuits("run", *world.ask, "--edges", 12, "--force", world=world)
    shown = circuits("show", circuit, world=world).out
    assert "tags: draft, paper\nnote: see fig. 3 (ada, " in shown
    (listed,) = circuits("list", "--tag", "paper", "--json", world=world).json()
    assert (listed["circuit_id"], listed["tags"]) == (circuit, ["draft", "paper"])
    assert "draft, paper" in circuits("list", world=world).out
    (found,) = circuits("jobs", "--tag", "draft", "--json", world=world).json()
    assert (found["job_id"], found["tags"]) == (job, ["draft", "paper"])
    assert "draft, paper" in circuits("jobs", world=world).out
    told = circuits("job", job, "--json", world=world).json()
    assert (told["tags"], [each["text"] for each in told["notes"]]) == (
        ["draft", "paper"],
        ["see fig. 3"],
    )
    assert "note: see fig. 3 (ada, " in circuits("job", job, world=world).out

    left = circuits("tag", circuit, "draft", "--remove", "--json", world=world).json()
    assert [each["text"] for each in left] == ["paper"]
    assert circuits("note", job, "see fig. 3", "--remove", world=world).err == "no note\n"
    for words in (("tag", circuit, "draft", "--remove"), ("note", job, "no such", "--remove")):
        assert circuits(*words, world=world).code == ExitCode.REQUEST
    assert circuits("list", "--tag", "draft", "--json", world=world).json() == []


def test_cypher_finds_them_as_the_page_says_and_nothing_hangs_on_a_job(
    client: CircuitClient, circuit: str, job: str
) -> None:
    client.tag(circuit, "paper")
    client.tag(job, "paper")
    client.note(job, "the Name Mover is missing")
    on_circuits, on_jobs, notes = (client.cypher(text).records() for text in BLOCKS)
    assert [row["c.circuit_id"] for row in on_circuits] == [circuit]
    assert [(row["j.job_id"], row["j.state"]) for row in on_jobs] == [(job, "queued")]
    assert [(row["a.job_id"], row["a.circuit_id"]) for row in notes] == [(job, None)]
    assert client.cypher("MATCH (j:Job)--(x) RETURN count(x) AS n").records() == [{"n": 0}]
    assert not client.circuit(circuit).annotations, "those are of nodes"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tag", "two words"), "is no tag"),
        (("tag", "a,b"), "is no tag"),
        (("tag", "red\x1b[31m"), "is no tag"),
        (("tag", "\u202eevil"), "is no tag"),
        (("tag", "x" * 51), "is no tag"),
        (("tag", ""), "is no tag"),
        (("tag", "--remove"), "--remove wants to know which"),
        (("note", "x" * 2_001), "2,001 characters"),
        (("note", "one\nnote: forged (root, now)"), "control"),
        (("note", " "), "0 characters"),
        (("note", "fine", "--author", "a\nb"), "is no name"),
    ],
)
def test_what_is_no_remark_is_refused(
    circuits: Circuits, world: World, words: tuple[str, ...], said: str
) -> None:
    name, *rest = words
    ran = circuits(name, "beef", *rest, world=world)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert said in ran.err
    assert "\x1b" not in ran.err


def test_what_is_not_there_and_too_many_are_refused(
    circuits: Circuits, world: World, client: CircuitClient, job: str
) -> None:
    for target in ("beef", "last"):
        ran = circuits("tag", target, "paper", world=world)
        assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    there = {each.text for each in client.remarks(job) if each.kind == "tag"}
    more = [f"t{i}" for i in range(100 - len(there))]
    client.tag(job, *more)
    ran = circuits("tag", job, "one-more", world=world)
    assert (ran.code, "at most 100" in ran.err) == (ExitCode.REQUEST, True)
    client.remove_remarks(job, "tag", *more)


def test_gc_keeps_a_tagged_job_and_delete_names_and_removes_the_tags(
    circuits: Circuits, world: World, client: CircuitClient, circuit: str, job: str
) -> None:
    client.tag(job, "paper")
    client.job(job).cancel()
    keep = world.settings.model_copy(
        update={"keep_failed_days": 0.0, "artifacts": str(world.settings.home / "artifacts")}
    )
    with CircuitClient(settings=keep) as clearing:
        assert job not in clearing.gc(dry_run=True).jobs.names
        clearing.remove_remarks(job, "tag", "paper")
        for each in clearing.remarks(job):
            clearing.remove_remarks(job, each.kind, each.text)
        assert job in clearing.gc(dry_run=True).jobs.names
    client.tag(job, "paper")
    client.tag(circuit, "paper")
    for target in (circuit, job):
        told = circuits("delete", target, "--yes", world=world)
        assert told.code == ExitCode.DONE, told.err
        assert re.search(r"[1-9] (label, note or tag|labels, notes and tags)", told.out)
    assert client.cypher("MATCH (a:Annotation) RETURN count(a) AS n").records() == [{"n": 0}]
