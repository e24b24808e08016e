"""Prompt pairs as submitted and stored: JSON lines of text or token ids."""

from __future__ import annotations

from enum import StrEnum

from pydantic import JsonValue

from graph_schema.documents.base import Document


class Split(StrEnum):
    """Circuits are found on `discovery` pairs and judged on `heldout` ones."""

    DISCOVERY = "discovery"
    HELDOUT = "heldout"


Prompt = str | tuple[int, ...]
Token = str | int


class PairDocument(Document):
    """One line of a dataset.

    `answers` and `wrong_answers` are one list for all positions, or one list a position; answers
    may be missing only where `weights` are given. `positions` are those whose logits the metric
    reads (default: the last), counted in tokens, special ones included; negative ones count from
    the end. `weights` are, for the `linear` metric, (token, weight) lists, one a position. Spans
    are [from, to) in tokens.
    """

    clean: Prompt
    corrupt: Prompt
    answers: tuple[Token, ...] | tuple[tuple[Token, ...], ...] = ()
    wrong_answers: tuple[Token, ...] | tuple[tuple[Token, ...], ...] = ()
    id: str | None = None
    group: str | None = None
    split: Split | None = None
    positions: tuple[int, ...] | None = None
    spans: dict[str, tuple[int, int]] | None = None
    weights: tuple[tuple[tuple[Token, float], ...], ...] | None = None
    metadata: dict[str, JsonValue] | None = None


class DatasetDocument(Document):
    """A dataset as the graph stores it; `sha256` is the hash of `jsonl`."""

    sha256: str
    task: str
    n_pairs: int
    jsonl: str
