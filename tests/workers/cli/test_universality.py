"""`universality`: what is printed before anything is found."""

from __future__ import annotations

from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode


def test_what_was_asked_is_said_before_anything_is_found(circuits: Circuits, world: World) -> None:
    words = ("universality", "induction", "--model", world.model, "--dataset", world.pairs)
    ran = circuits(*words, "--label", "mine", "--stress", "none", "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    told = ran.json()
    assert (told["state"], told["motif"], told["task"]) == ("queued", "induction", "mine")
    assert (told["models"], told["verdicts"], told["stress"]) == ([], [], None)
    assert told["error"] is None
