"""`universality`: what is printed before anything is found."""

from __future__ import annotations

from graph_schema.store.connection import GraphStore
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode

PUT_OFF = """
MATCH (j:Job {job_id: $id})
SET j.error_type = 'ResourceError', j.error_message = 'no room', j.put_off = 1
"""


def test_what_was_asked_is_said_before_anything_is_found(circuits: Circuits, world: World) -> None:
    words = ("universality", "induction", "--model", world.model, "--dataset", world.pairs)
    ran = circuits(*words, "--label", "mine", "--stress", "none", "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    told = ran.json()
    assert (told["state"], told["motif"], told["task"]) == ("queued", "induction", "mine")
    assert (told["models"], told["verdicts"], told["stress"]) == ([], [], None)
    assert told["error"] is None
    with GraphStore(world.settings.store_address()) as store:
        store.write(lambda tx: tx.run(PUT_OFF, id=told["job_id"]).consume())
    again = circuits(*words, "--label", "mine", "--stress", "none", "--json", world=world).json()
    assert (again["state"], again["error"]) == ("queued", None), "it has not failed"
