"""What a task gives: pairs of token prompts, found on and held out, and the dataset they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import DatasetDocument, PairDocument, Split

TokenIds = tuple[int, ...]


@dataclass(frozen=True)
class TokenPair:
    """A clean and a corrupt prompt of equal length, and what is read off their logits.

    `answers`, `wrong_answers` and `weights` have one entry for each of `positions`; positions and
    spans count special tokens. A pair without a group of its own has its id as group: bootstraps
    resample groups.
    """

    clean: TokenIds
    corrupt: TokenIds
    answers: tuple[TokenIds, ...]
    wrong_answers: tuple[TokenIds, ...]
    positions: tuple[int, ...]
    id: str
    group: str
    weights: tuple[tuple[tuple[int, float], ...], ...] | None = None
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    @property
    def prompts(self) -> tuple[TokenIds, TokenIds]:
        """Clean and corrupt: splits that have either in common are not apart."""
        return self.clean, self.corrupt

    def document(self, split: Split) -> PairDocument:
        """This pair as a line of token ids, which reads back as the same pair."""
        return PairDocument(
            clean=self.clean,
            corrupt=self.corrupt,
            answers=self.answers if any(self.answers) else (),
            wrong_answers=self.wrong_answers if any(self.wrong_answers) else (),
            id=self.id,
            group=None if self.group == self.id else self.group,
            split=split,
            positions=self.positions,
            spans=dict(self.spans) or None,
            weights=self.weights,
        )


@dataclass(frozen=True)
class MadePairs:
    """Pairs by split; notes are what a reader of the circuit must know about them."""

    discovery: tuple[TokenPair, ...]
    heldout: tuple[TokenPair, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PairSet:
    """The data of one job, checked: every id lies in the vocabulary, every pair has one length.

    `document` is the same as token ids with the splits given: from it any job can be repeated.
    """

    discovery: tuple[TokenPair, ...]
    heldout: tuple[TokenPair, ...]
    document: DatasetDocument
    task: str
    task_id: str
    notes: tuple[str, ...] = ()


class Task(Protocol):
    """Makes `n_pairs` discovery pairs and as many held-out ones, the same for the same seed."""

    def __call__(self, task: Any, vocabulary: Vocabulary, n_pairs: int, seed: int) -> MadePairs: ...
