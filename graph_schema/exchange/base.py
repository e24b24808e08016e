"""What every exchange format reads into and writes from.

Scores have the project's sign everywhere, loss(patched) - loss(clean); a format with another sign
turns it at its own reader and writer (EAP-IG and MIB files have ours).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from pydantic import ValidationError

from graph_schema.documents.base import sha256_hex
from graph_schema.documents.circuit import (
    CircuitDocument,
    CircuitEdge,
    GraphScores,
    NodeFigures,
    TracedPrompt,
)
from graph_schema.documents.component import Component, Edge
from graph_schema.documents.imported import ExchangeFormat
from graph_schema.documents.method import AnySelection, ScoreKind
from graph_schema.documents.model import ModelDocument
from graph_schema.documents.wiring import check_edge
from graph_schema.errors import SpecError
from graph_schema.exchange.fitting import check_sizes, exact_layout
from graph_schema.models.layout import Layout
from graph_schema.printable import clipped, printable, quoted

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
MAX_BYTES = 512 * 2**20
MAX_OBJECTS = 5_000_000
"""Objects and lists of a JSON file: every edge of a large model is one."""
MAX_VALUES = 4 * MAX_OBJECTS
MAX_DIGITS = 400
"""Digits of a whole number; a float has 309 at most."""
MAX_LABEL = 2_000
"""Characters kept of what a node is called."""
MAX_SAID = 200
"""Characters kept of each value that a file says about its circuit."""


class ExchangeError(SpecError):
    """A file is not what its format says; the message names the place."""


@dataclass(frozen=True)
class Group:
    """Several nodes that a file has under one name: a supernode."""

    label: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Exchanged:
    """A circuit as a file holds it.

    `scores` are those of every edge the file scores, by name, kept or not. `layout` is None where
    the file does not say the model's sizes, `sizes` are those that it says, by their names in
    EAP-IG's `cfg`; `metadata` is what it says about the circuit, printable and in at most
    `MAX_SAID` characters each. `notes` are what a reader of the circuit must know of the file.
    `unread` says why the circuit in the file is none of whole edges, where it is not; its scores
    may still choose one.

    `nodes` are figures of nodes, `prompt` and `graph_scores` an attribution graph's, `groups` nodes
    under one name, `model` is what the file names, `foreign` what its own writer needs again.
    """

    edges: tuple[CircuitEdge, ...]
    scores: Mapping[str, float]
    layout: Layout | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    sizes: Mapping[str, int | bool] = field(default_factory=dict[str, int | bool])
    notes: tuple[str, ...] = ()
    unread: str = ""
    nodes: tuple[NodeFigures, ...] = ()
    prompt: TracedPrompt | None = None
    graph_scores: GraphScores | None = None
    groups: tuple[Group, ...] = ()
    model: ModelDocument | None = None
    foreign: str | None = None

    def kept(self) -> tuple[CircuitEdge, ...]:
        """The edges of the file's circuit.

        Raises:
            ExchangeError: It keeps parts of components, or no edge.
        """
        if self.unread:
            raise ExchangeError(self.unread)
        if not self.edges:
            scored = (
                f" and scores {len(self.scores):,}: choose with --edges N or --threshold X"
                if self.scores
                else "; expected one or more: see that the tool which wrote it had chosen a circuit"
            )
            raise ExchangeError(f"the file has no edge in its circuit{scored}")
        return self.edges

    def check_fits(self, model: ModelDocument) -> None:
        """Refuse a circuit with edges that the model does not have.

        Raises:
            SpecError: Other sizes, a component beyond them, or an edge that runs backwards.
        """
        sizes = dict(self.sizes)
        if (layout := self.layout) is not None:
            Layout.of(model)  # embeddings apart have no place in it
            sizes |= {"n_layers": layout.n_layers, "n_heads": layout.n_heads}
            sizes["parallel_attn_mlp"] = layout.parallel
        check_sizes(sizes, model)
        exact = exact_layout(model)
        for edge in self.edges:
            check_edge(edge.sender, edge.receiver, edge.channel, model)
            ends = [Component.parse(end) for end in (edge.sender, edge.receiver)]
            if exact is not None and not any(p.fine or p.position is not None for p in ends):
                exact.check(Edge(edge.sender, edge.receiver, edge.channel))


def imported_id(
    format: ExchangeFormat,
    data: bytes,
    fingerprint: str,
    selection: AnySelection | None = None,
) -> str:
    """The circuit id of an imported file: the SHA-256 of format, content and model.

    And of the selection, where the circuit was chosen from the file's scores.
    """
    chosen = "" if selection is None else f"\n{selection.canonical_json()}"
    return sha256_hex(f"{format.value}\n{sha256_hex(data)}\n{fingerprint}{chosen}")


def text_of(data: bytes, *, max_bytes: int = MAX_BYTES) -> str:
    """The file as text.

    Raises:
        ExchangeError: Too large, or not UTF-8.
    """
    if len(data) > max_bytes:
        raise ExchangeError(f"the file has {len(data)} bytes; expected at most {max_bytes}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExchangeError(f"the file is not UTF-8 text: byte {error.start}") from error


def json_of(
    data: bytes, *, max_objects: int = MAX_OBJECTS, max_values: int = MAX_VALUES, hint: str = ""
) -> object:
    """The JSON value that a file holds, bounded before it is any.

    30 MB can hold ten million objects, gigabytes once read: brackets and commas are counted first.

    Raises:
        ExchangeError: It is not JSON, holds more objects and lists or values than it may (`hint`
            says what to do then), an object has a key twice, or a number has no end.
    """
    for what, found, most in (
        ("objects and lists", data.count(b"{") + data.count(b"["), max_objects),
        ("values", data.count(b","), max_values),
    ):
        if found > most:
            raise ExchangeError(
                f"the file is not JSON that we read: it holds some {found:,} {what}; expected at "
                f"most {most:,}{hint}"
            )
    text = text_of(data)
    try:
        return cast(object, json.loads(text, object_pairs_hook=_object, parse_int=_whole))
    except _LongNumberError as error:
        digits = str(error)
        raise ExchangeError(
            f"character {text.find(digits) + 1:,}: {clipped(digits, 12)} is a whole number of "
            f"{len(digits):,} digits; expected at most {MAX_DIGITS}"
        ) from error
    except RecursionError as error:
        raise ExchangeError("the file is not JSON that we read: it is nested too deep") from error
    except ValueError as error:
        raise ExchangeError(f"the file is not JSON: {error}") from error


class _LongNumberError(Exception):
    """A whole number of more than `MAX_DIGITS`, which takes long to read and says nothing."""


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise _LongNumberError(digits)
    return int(digits)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ExchangeError(f"the key {quoted(key)} comes twice in one object")
    return found


def make_edge(
    sender: str,
    receiver: str,
    channel: str,
    score: object,
    where: str,
    *,
    score_kind: str = ScoreKind.ESTIMATE,
    stability: object = None,
    exact: object = None,
) -> CircuitEdge:
    """An edge from a file's words, checked; a score of None is none, and has no kind.

    Raises:
        ExchangeError: A name, channel or number that is none; the message says `where`.
    """
    try:
        edge = CircuitEdge.model_validate(
            {
                "sender": sender,
                "receiver": receiver,
                "channel": channel,
                "score": None if score is None else number(score, "score"),
                "score_kind": None if score is None else score_kind,
                "stability": None if stability is None else number(stability, "stability"),
                "exact": None if exact is None else number(exact, "exact"),
            }
        )
        if edge.stability is not None and not 0 <= edge.stability <= 1:
            raise SpecError(f"stability is {edge.stability!r}; expected a share, from 0 to 1")
        if Edge.parse(edge.name) != Edge(sender, receiver, edge.channel):
            raise SpecError(
                f"edge {edge.name!r}: channel {quoted(channel)} does not fit {receiver!r}"
            )
    except (ValidationError, SpecError) as error:
        told = error.errors()[0] if isinstance(error, ValidationError) else None
        message = str(error)
        if told is not None:
            said = told["msg"].removeprefix("Value error, ")
            message = f"{told['loc'][0]}: {said}" if told["loc"] else said
        raise ExchangeError(f"{where}: {message}") from error
    return edge


def number(value: object, where: str) -> float:
    """A finite number, given as one or as its text."""
    try:
        plain = isinstance(value, int | float) or (
            isinstance(value, str) and _NUMBER.fullmatch(value.strip())
        )
        found = float(cast("str | float", value)) if plain else None
    except (ValueError, OverflowError):
        found = None
    if found is None or isinstance(value, bool) or not math.isfinite(found):
        raise ExchangeError(f"{where}: {quoted(value)} is not a finite number")
    return found


def scores_of(edges: Iterable[CircuitEdge]) -> dict[str, float]:
    """The scores of those edges that have one, by name."""
    return {edge.name: edge.score for edge in edges if edge.score is not None}


def without_repeats(edges: Iterable[CircuitEdge]) -> tuple[CircuitEdge, ...]:
    """The edges as given.

    Raises:
        ExchangeError: One of them comes twice.
    """
    found: dict[str, CircuitEdge] = {}
    for edge in edges:
        if edge.name in found:
            raise ExchangeError(f"edge {edge.name!r} comes twice")
        found[edge.name] = edge
    return tuple(found.values())


def metadata_of(circuit: CircuitDocument) -> dict[str, str]:
    """What a file says about the circuit it holds, as text."""
    known = {
        "circuit_id": circuit.circuit_id,
        "job_id": circuit.job_id,
        "model": circuit.model.name,
        "fingerprint": circuit.model.fingerprint,
        "task": circuit.task,
        "dataset_sha256": circuit.dataset_sha256,
        "method": circuit.method.name,
        "metric": circuit.metric and circuit.metric.value,
        "ablation": circuit.ablation and circuit.ablation.kind.value,
        "score_sign": "loss(patched) - loss(clean)",
    }
    return {name: printable(value) for name, value in known.items() if value is not None}
