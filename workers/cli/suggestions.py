"""What a shell may complete an argument to: ids, names, tags, each with a few words about it.

Asked for at each press of a key, so nothing here starts a service, makes a folder or waits longer
than `SECONDS` for a graph; and nothing is loaded before it is asked for. What others named goes
into a shell that evaluates it: a name that is not plain is left out, and what is not plain of a
description too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from graph_schema.on_demand import hidden

if TYPE_CHECKING:
    from graph_schema.store.connection import StoreAddress
    from workers.settings import Settings

Suggestions = list[tuple[str, str]]
"""Each with its description, which may be empty."""

MOST = 40
"""At most so many are told."""
SECONDS = 0.5
"""For which a graph is waited for; then nothing is told."""
SHORT = 12
"""Digits of an id, as tables show it, unless more are typed already."""
LAST = ("last", "the latest")

_NAME = re.compile(r"[A-Za-z0-9_./][\w.:/@+-]*", re.ASCII)
_STEERS = re.compile(r"[^\w.,/@+=%#-]+")


def job_ids(incomplete: str) -> Suggestions:
    return _with_last(incomplete, _jobs(incomplete))


def roles_job_ids(incomplete: str) -> Suggestions:
    return _jobs(incomplete, kind="roles")


def last_roles_job_ids(incomplete: str) -> Suggestions:
    return _with_last(incomplete, _jobs(incomplete, kind="roles"))


def circuit_ids(incomplete: str) -> Suggestions:
    return _with_last(incomplete, _circuits(incomplete))


def ids(incomplete: str) -> Suggestions:
    """Circuits, and then jobs; not `last`, which some commands do not take."""
    return (_circuits(incomplete) + _jobs(incomplete))[:MOST]


def verdict_ids(incomplete: str) -> Suggestions:
    return _ids("newest_verdicts", incomplete, "motif", "task", "outcome")


def motif_test_ids(incomplete: str) -> Suggestions:
    return _ids("newest_motif_tests", incomplete, "motifs")


def tags(incomplete: str) -> Suggestions:
    found = _stored("newest_tags", incomplete)
    return _plain((row["id"], f"on {row['n']}") for row in found)


def tasks(incomplete: str) -> Suggestions:
    """The built-in tasks."""
    from workers.requests.names import TASKS

    return _beginning(incomplete, TASKS)


def known_tasks(incomplete: str) -> Suggestions:
    """The tasks that something is stored of."""
    return _plain((row["id"], "") for row in _stored("stored_tasks", incomplete))


def methods(incomplete: str) -> Suggestions:
    from workers.requests.names import METHODS

    return _beginning(incomplete, METHODS)


def states(incomplete: str) -> Suggestions:
    from graph_schema.documents.jobs import JobState

    return _beginning(incomplete, JobState)


def models(incomplete: str) -> Suggestions:
    """The models of the zoo that are trained here, and then those that something is stored of."""
    from workers.requests.zoo_names import PREFIX, trained_names
    from workers.settings import read_settings

    zoo = [f"{PREFIX}{name}" for name in trained_names(read_settings().cache_dir)]
    return [*_beginning(incomplete, zoo, "trained here"), *known_models(incomplete)][:MOST]


def known_models(incomplete: str) -> Suggestions:
    """The models that something is stored of."""
    return _plain((row["id"], row["family"]) for row in _stored("stored_models", incomplete))


def zoo_names(incomplete: str) -> Suggestions:
    """The models of the zoo that are trained here, as the zoo itself calls them."""
    from workers.requests.zoo_names import trained_names
    from workers.settings import read_settings

    return _beginning(incomplete, trained_names(read_settings().cache_dir), "trained here")


def motifs(incomplete: str) -> Suggestions:
    """The motifs of the catalogue, and then those that were added."""
    import graph_schema

    text = (Path(graph_schema.__file__).parent / "motifs" / "catalogue.yaml").read_text("utf-8")
    shipped = re.findall(r"^name: *(\S+)", text, re.MULTILINE)
    added = _plain((row["id"], "stored") for row in _stored("stored_motifs", incomplete))
    found = dict(_beginning(incomplete, shipped, "catalogue"))
    return [*found.items(), *((name, said) for name, said in added if name not in found)][:MOST]


def questions(incomplete: str) -> Suggestions:
    from graph_schema.store.questions.catalogue import QUESTIONS

    found = ((name, each.answers) for name, each in QUESTIONS.items())
    return _plain((name, said) for name, said in found if name.startswith(incomplete))


def _jobs(incomplete: str, kind: str | None = None) -> Suggestions:
    from workers.results.model_and_task import model_and_task

    rows = _stored("newest_jobs", incomplete, kind=kind)
    for row in rows:
        model, row["task"] = model_and_task(json.loads(row["spec"]), json.loads(row["placement"]))
        row["model"] = model.rstrip("/").rpartition("/")[2]
    return _told(rows, incomplete, "kind", "model", "task", "state")


def _circuits(incomplete: str) -> Suggestions:
    return _ids("newest_circuits", incomplete, "model", "task", "method")


def _ids(question: str, incomplete: str, *said: str) -> Suggestions:
    return _told(_stored(question, incomplete), incomplete, *said)


def _told(rows: Iterable[dict[str, Any]], incomplete: str, *said: str) -> Suggestions:
    digits = SHORT if len(incomplete) <= SHORT else None
    return _plain(
        (row["id"][:digits], ", ".join(str(row[name]) for name in said if row[name]))
        for row in rows
    )


def _with_last(incomplete: str, found: Suggestions) -> Suggestions:
    return [LAST, *found] if found and LAST[0].startswith(incomplete) else found


def _beginning(incomplete: str, names: Iterable[str], said: str = "") -> Suggestions:
    return _plain((str(name), said) for name in names if str(name).startswith(incomplete))


def _plain(found: Iterable[tuple[str, str]]) -> Suggestions:
    told = [(name, said) for name, said in found if _NAME.fullmatch(name)]
    return [(name, _STEERS.sub(" ", said or "").strip()[:80]) for name, said in told[:MOST]]


def _stored(question: str, incomplete: str, **asked: Any) -> list[dict[str, Any]]:
    """What the graph answers to a question of `newest.py`, nothing where none answers in time."""
    with hidden("numpy"):  # the driver would load it, to take its types as parameters
        from graph_schema.store.connection import GraphStore
        from graph_schema.store.records import newest
    from workers.settings import read_settings

    address = _graph(read_settings())
    if address is None or not (_NAME.fullmatch(incomplete) or not incomplete):
        return []

    def ask() -> list[dict[str, Any]]:
        with GraphStore(address, patience=0, answer=SECONDS) as store:
            return getattr(newest, question)(store, incomplete, MOST, **asked)

    return _in_time(ask)


def _graph(settings: Settings) -> StoreAddress | None:
    if not settings.local:
        return settings.store_address()
    from workers.local.service import running_graph

    return running_graph(settings)


def _in_time(ask: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A name server or a host that is silent holds up a thread that nobody waits for."""
    found: list[list[dict[str, Any]]] = [[]]

    def work() -> None:
        try:
            found.append(ask())
        except Exception:
            return

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return found[-1]
