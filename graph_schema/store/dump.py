"""A whole graph as rows of plain values, read from one server and written to another of any kind.

A node is its label and properties, a relationship both ends' labels and keys, its type and
properties. Workers are left out: each says of itself that it is live. While a graph is being
written here it says so of itself, and whoever connects is refused: nobody meets half of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, LiteralString, NamedTuple, cast

from graph_schema.errors import ResourceError, SpecError, StoreError
from graph_schema.store import migrations
from graph_schema.store.batches import fetch, lots, write_batches
from graph_schema.store.connection import GraphStore
from graph_schema.store.vocabulary.data_model import KEYS, RELATIONSHIP_KINDS

LONG = {"CircuitDocument", "Report", "Dataset", "RoleTest", "Evaluation", "Dictionary", "Job"}
"""Labels whose nodes may take megabytes each."""
AT_A_TIME = {label: 10 if label in LONG else 1000 for label in KEYS}
SENDERS_AT_A_TIME = 100
REMOVED_AT_A_TIME = 2_000

OF_THE_SERVICE = {"Schema", "Worker"}
"""Labels that say how a graph is served, not what is stored: neither read nor written here."""

_NAME = re.compile(r"\w+", re.ASCII)

COUNT: LiteralString = "MATCH (n) WHERE NOT n:Schema AND NOT n:Worker RETURN count(n) AS n"
COUNT_LINKS: LiteralString = "MATCH ()-[e]->() RETURN count(e) AS n"
MARK: LiteralString = """
MATCH (s:Schema {name: 'atlas'}) SET s.asked = $restoring
WITH s WHERE s.restoring IS NULL OR $force
SET s.restoring = $restoring RETURN count(s) AS n
"""
UNMARK: LiteralString = (
    "MATCH (s:Schema {name: 'atlas'}) SET s.version = $version REMOVE s.restoring"
)


class Node(NamedTuple):
    """A node: one label, all properties."""

    label: str
    properties: dict[str, Any]


class Link(NamedTuple):
    """A relationship between two nodes, each named by its label and key."""

    sender: str
    sender_key: str
    type: str
    receiver: str
    receiver_key: str
    properties: dict[str, Any]


class Counts(NamedTuple):
    """How much a graph holds, its schema node and workers apart."""

    nodes: int
    links: int


TRIPLES = tuple(
    dict.fromkeys(
        (sender, kind.type, receiver)
        for kind in RELATIONSHIP_KINDS
        for sender in kind.senders
        for receiver in kind.receivers
    )
)


def _made(text: str) -> LiteralString:
    """A statement put together from the data model's own words alone."""
    return cast("LiteralString", text)


def counted(store: GraphStore) -> Counts:
    """How much the graph holds now."""
    return Counts(store.rows(COUNT)[0]["n"], store.rows(COUNT_LINKS)[0]["n"])


def nodes_of(store: GraphStore) -> Iterator[Node]:
    """All nodes that are stored, jobs first: what a job then says it has done is stored."""
    for label in sorted(set(KEYS) - OF_THE_SERVICE, key=lambda label: (label != "Job", label)):
        key = KEYS[label]
        find = _made(
            f"MATCH (n:{label}) WHERE n.{key} > $after "
            f"RETURN n.{key} AS key, properties(n) AS p ORDER BY key LIMIT $limit"
        )
        after = ""
        while rows := store.rows(find, after=after, limit=AT_A_TIME[label]):
            yield from (Node(label, row["p"]) for row in rows)
            after = rows[-1]["key"]


def links_of(store: GraphStore) -> Iterator[Link]:
    """All relationships, those of so many senders at a time."""
    for sender, kind, receiver in TRIPLES:
        key, other = KEYS[sender], KEYS[receiver]
        ends = _made(
            f"MATCH (a:{sender}) WHERE a.{key} > $after RETURN a.{key} AS key ORDER BY key LIMIT "
            "$limit"
        )
        find = _made(
            f"UNWIND $keys AS key MATCH (a:{sender} {{{key}: key}})-[e:{kind}]->(b:{receiver}) "
            f"RETURN key, b.{other} AS other, properties(e) AS p"
        )
        after = ""
        while rows := store.rows(ends, after=after, limit=SENDERS_AT_A_TIME):
            keys = [row["key"] for row in rows]
            for row in store.rows(find, keys=keys):
                yield Link(sender, row["key"], kind, receiver, row["other"], row["p"])
            after = keys[-1]


def begin(store: GraphStore, who: str, *, force: bool) -> None:
    """Have an empty graph of this code's schema that says that it is being written.

    Args:
        store: Where to.
        who: What it says of who writes it.
        force: Also over a graph that holds something, which goes, or over another's beginning.

    Raises:
        SpecError: It holds something, or another has begun, and `force` is off.
        StoreVersionError: It is newer than this code.
    """
    began = migrations.being_restored(store.rows)
    if began is None:
        store.migrate()
    if not force:
        if began is not None:
            raise SpecError(
                f"a backup is being restored into this graph, by {began}; where that runs no more, "
                "--force begins anew"
            )
        if held := counted(store).nodes:
            raise SpecError(
                f"the graph is not empty: it holds {held:,} nodes; restore into an empty one, or "
                "give --force, which deletes what is there"
            )
    marked = store.write(lambda tx: fetch(tx, MARK, restoring=who, force=force))
    if not marked[0]["n"]:
        raise SpecError("another has just begun to restore a backup into this graph")
    remove_all(store)


def write_graph(store: GraphStore, nodes: Iterable[Node], links: Iterable[Link]) -> Counts:
    """Write a graph where one has begun, but for workers; returns how much was given.

    Of parts that are ours (`require_ours`): statements are made of their labels and types.

    Raises:
        StoreError: A relationship has an end that is not there, or not all was kept.
    """
    n_nodes = n_links = left_out = 0
    for label, of_label in groupby(nodes, key=lambda node: node.label):
        if label == "Worker":  # of a backup that was made before they were left out
            left_out += sum(1 for _ in of_label)
            continue
        key = KEYS[label]
        write = _made(
            f"UNWIND $rows AS row MERGE (n:{label} {{{key}: row.{key}}}) SET n = row "
            "RETURN count(n) AS written"
        )
        for lot in lots(of_label, AT_A_TIME[label]):
            rows = [node.properties for node in lot]
            store.write(lambda tx, rows=rows, write=write: write_batches(tx, write, rows))
            n_nodes += len(rows)
    for triple, of_kind in groupby(links, key=lambda each: (each.sender, each.type, each.receiver)):
        sender, kind, receiver = triple
        write = _made(
            f"UNWIND $rows AS row MATCH (a:{sender} {{{KEYS[sender]}: row.a}}) "
            f"MATCH (b:{receiver} {{{KEYS[receiver]}: row.b}}) "
            f"CREATE (a)-[e:{kind}]->(b) SET e = row.p RETURN count(e) AS written"
        )
        for lot in lots(of_kind, AT_A_TIME["CircuitNode"]):
            rows = [
                {"a": each.sender_key, "b": each.receiver_key, "p": each.properties} for each in lot
            ]
            store.write(lambda tx, rows=rows, write=write: write_batches(tx, write, rows))
            n_links += len(rows)
    written, found = Counts(n_nodes, n_links), counted(store)
    if found != written:
        raise StoreError(
            f"{written.nodes:,} nodes and {written.links:,} relationships were written, and "
            f"{found.nodes:,} and {found.links:,} are there: is a worker writing too? Stop it and "
            "try again"
        )
    return Counts(n_nodes + left_out, n_links)


def end(store: GraphStore, version: int) -> None:
    """Let others see what was written, and bring it from its version to this code's."""
    store.write(lambda tx: tx.run(UNMARK, version=version).consume())
    store.migrate()


def give_up(store: GraphStore) -> None:
    """Have an empty graph again, for everybody."""
    remove_all(store)
    store.write(lambda tx: tx.run(UNMARK, version=migrations.VERSION).consume())


def remove_all(store: GraphStore) -> None:
    """Delete everything but the schema node, in short transactions.

    Raises:
        ResourceError: Something stays that is not of the data model.
    """
    if not counted(store).nodes:
        return
    for kind in dict.fromkeys(kind for _, kind, _ in TRIPLES):
        _remove(
            store,
            _made(f"MATCH ()-[e:{kind}]->() WITH e LIMIT $limit DELETE e RETURN count(*) AS n"),
        )
    for label in sorted(set(KEYS) - {"Schema"}):
        _remove(
            store,
            _made(f"MATCH (n:{label}) WITH n LIMIT $limit DETACH DELETE n RETURN count(*) AS n"),
        )
    if left := counted(store).nodes:
        raise ResourceError(
            f"{left:,} nodes that are not ours stay in the graph; use a database of its own"
        )


def _remove(store: GraphStore, statement: LiteralString) -> None:
    while store.write(lambda tx: fetch(tx, statement, limit=REMOVED_AT_A_TIME))[0]["n"]:
        pass


def require_ours(part: Node | Link) -> None:
    """Refuse a part that no graph of ours holds.

    Raises:
        SpecError: A label, a type or a key is not of the data model, or a property is no value.
    """
    if isinstance(part, Link):
        triple = (part.sender, part.type, part.receiver)
        if triple not in TRIPLES:
            raise SpecError(f"the backup has a relationship {triple!r}, which is not ours")
    elif part.label not in KEYS or part.label == "Schema":
        raise SpecError(f"the backup has a node with the label {part.label!r}, which is not ours")
    elif not isinstance(part.properties.get(KEYS[part.label]), str):
        raise SpecError(f"the backup has a {part.label} without its {KEYS[part.label]}")
    for name, value in part.properties.items():
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        if not _NAME.fullmatch(name) or not all(map(_is_value, values)):
            raise SpecError(f"the backup has a property {name!r} that is no value of a graph")


def _is_value(value: object) -> bool:
    """Whether a server of either kind takes it: a number of 64 bits, or text in UTF-8."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float)
