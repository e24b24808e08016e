"""What a user says that nodes stand for becomes labels, checked before any is written."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from graph_schema.documents import Annotation, CircuitDocument, Component, Features
from graph_schema.documents.label_rule import rule_score
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.exchange.labels import (
    LabelRow,
    checked_score,
    checked_text,
    newest_labels,
    refuse,
)
from graph_schema.printable import escaped, quoted
from workers.requests.asked import as_text, plain

LONGEST_AUTHOR = 200
MOST_BYTES = 2**24
"""Of a table of labels."""


@dataclass(frozen=True)
class Labelled:
    """What came of labels: those that are new, and how many were there already."""

    written: tuple[Annotation, ...]
    unchanged: int


def author_or_user(author: str | None) -> str:
    """Who says it; by default whoever runs this.

    Raises:
        SpecError: The name is empty, too long, or has a character that steers.
    """
    if author is None:
        try:
            author = getpass.getuser()
        except (OSError, KeyError):  # an account without a name
            author = "unknown"
    author = as_text("the author", author).strip()
    if not 0 < len(author) <= LONGEST_AUTHOR or escaped(author) != author:
        raise SpecError(
            f"author {quoted(author)} is no name; expected 1 to {LONGEST_AUTHOR} characters on one "
            "line"
        )
    return author


def one_row(node: str, text: str, score: float | None) -> LabelRow:
    """A label that somebody types, as a line of a table.

    Raises:
        SpecError: The text or the score is none.
    """
    place = f"node {quoted(node)}"
    node, text = as_text("the node", node), as_text("the label", text)
    given = plain(score)
    if not isinstance(given, int | float | None):
        raise SpecError(f"the score is {quoted(given)}; expected a number")
    score = None if given is None else checked_score(given, place)
    return LabelRow(0, node.strip(), checked_text(text, place), score)


def labels_of(
    circuit: CircuitDocument, rows: Sequence[LabelRow], author: str, features: Features
) -> list[Annotation]:
    """One label a node, in the rows' order; of a label that is a rule the score is computed.

    Raises:
        NotFoundError: A node typed is none of the circuit's; the message has the near ones.
        SpecError: A line names such a node.
    """
    bad = [_missing(circuit, row) for row in rows if row.node not in circuit.node_names]
    if bad and not rows[0].line:
        raise NotFoundError(bad[0])
    refuse(bad)
    found: dict[str, Annotation] = {}
    for row in rows:
        computed = rule_score(row.text, Component.parse(row.node).unit, features)
        known = computed is not None and computed.value is not None
        found[row.node] = Annotation(
            circuit_id=circuit.circuit_id,
            component=row.node,
            author=author,
            text=row.text,
            kind="label",
            score=computed.value if computed is not None and known else row.score,
        )
    return list(found.values())


def news(
    circuit: CircuitDocument, labels: Sequence[Annotation], said: Sequence[Annotation]
) -> Labelled:
    """What of some labels is new: a node is not called so, or not by this author and score."""
    known = newest_labels(circuit, said)
    ids = {each.annotation_id for each in said}
    written = tuple(
        each
        for each in labels
        if each.annotation_id not in ids
        or each.component not in known
        or known[each.component].text != each.text
    )
    return Labelled(written, len(labels) - len(written))


def _missing(circuit: CircuitDocument, row: LabelRow) -> str:
    place = f"line {row.line}: " if row.line else ""
    near = get_close_matches(row.node, circuit.node_names, n=3, cutoff=0.6)
    hint = f"near ones are {', '.join(near)}" if near else f"it has {len(circuit.node_names)} nodes"
    return f"{place}circuit {circuit.circuit_id[:12]} has no node {quoted(row.node)}; {hint}"
