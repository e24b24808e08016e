"""Whose a store of artifacts is: a file in it for each graph that writes there, `graphs/ID`.

`gc` takes a file for nobody's that its own graph does not refer to, so it must know that no other
graph's are there. The mark of a graph that found the store empty says `first`.
"""

from __future__ import annotations

from collections.abc import Iterable

from graph_schema.artifacts import ArtifactStore
from graph_schema.errors import NotFoundError, ResourceError, SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.identity import graph_id
from workers.settings import Settings

MARKS = "graphs/"
FIRST, LATER = b"first", b"later"


def marked_store(settings: Settings, store: GraphStore) -> ArtifactStore:
    """The artifact store of these settings, which is marked before anything is written there."""
    return ArtifactStore(settings.artifacts_url, lambda artifacts: mark(artifacts, store))


def mark(artifacts: ArtifactStore, store: GraphStore) -> None:
    """Leave word in the store that this graph's artifacts are there.

    Raises:
        ResourceError: The store cannot be written.
    """
    key = MARKS + graph_id(store)
    # In this order: what another process of this graph has written, its mark is there before.
    try:
        word = FIRST if artifacts.is_empty() else LATER
        there = artifacts.exists(key)
    except ResourceError:  # who may write there need not be who may list, or hears what is missing
        word, there = LATER, _can_be_read(artifacts, key)
    if not there:
        artifacts.save_bytes(key, word)


def _can_be_read(artifacts: ArtifactStore, key: str) -> bool:
    try:
        return bool(artifacts.load_bytes(key))
    except (NotFoundError, ResourceError):
        return False


def require_own(
    artifacts: ArtifactStore, keys: Iterable[str], store: GraphStore, settings: Settings
) -> None:
    """Refuse a store in which another graph's artifacts may be.

    Args:
        artifacts: The store.
        keys: All that it holds.
        store: The graph whose it is to be.
        settings: Where both are said to be.

    Raises:
        SpecError: Another graph has marked it; or the settings name one of the two alone, and this
            graph was not the first there.
    """
    held, own = list(keys), MARKS + graph_id(store)
    if others := sorted(key for key in held if key.startswith(MARKS) and key != own):
        raise SpecError(
            f"artifacts of other graphs are in {artifacts.url} ({', '.join(others)}), and would be "
            "taken for nobody's; give each graph a place of its own (CIRCUITS_ARTIFACTS), or "
            "remove the mark of a graph that is no more"
        )
    if settings.local == (settings.artifacts is None) or not held:
        return
    if own in held and artifacts.load_bytes(own).strip() == FIRST:
        return
    given, missing = ("ARTIFACTS", "GRAPH") if settings.local else ("GRAPH", "ARTIFACTS")
    raise SpecError(
        f"CIRCUITS_{given} is set and CIRCUITS_{missing} is not, and {artifacts.url} was in use "
        "before this graph marked it: one service's files may be judged by another's graph; set "
        f"CIRCUITS_{missing} as the workers have it; or, where all that is there is this graph's, "
        f"say so once: write the word first into {artifacts.url}/{own}"
    )
