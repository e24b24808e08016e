"""Which patterns of roles and channels recur over models, and what was tested to say so."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from graph_schema.documents.base import Document
from graph_schema.documents.model import Fingerprint
from graph_schema.documents.motif import Motif
from graph_schema.documents.motif_tests import MotifState

Probability = Annotated[float, Field(ge=0, le=1)]


class PatternState(StrEnum):
    """What one model says of a pattern.

    `for`: the pattern is called, and occurs in this model more often than chance (Holm over the
    pattern's models). `against`: all its roles are played, and it occurs nowhere. `occurs`: it
    does, not more often than chance as far as was shown. `untestable`: a role that it names is
    played by no node, or its count is the same however roles are dealt.
    """

    FOR = "for"
    AGAINST = "against"
    OCCURS = "occurs"
    UNTESTABLE = "untestable"


class SearchedModel(Document):
    """A model whose circuits were searched; `reason` says why it could say nothing."""

    fingerprint: Fingerprint
    name: str
    family: str
    circuit_ids: tuple[str, ...]
    places: Annotated[int, Field(ge=0)]
    """Connected pieces of its circuits that a pattern could match were roles dealt otherwise."""
    draws: Annotated[int, Field(ge=0)]
    exact: bool
    """All deals of roles there are were listed."""
    reason: str = ""


class PatternInModel(Document):
    """Occurrences in all the model's circuits, beside those where its roles are dealt anew."""

    fingerprint: Fingerprint
    family: str
    state: PatternState
    observed: Annotated[int, Field(ge=0)]
    null_mean: float
    p: Probability | None
    """(1 + #{draw >= observed}) / (draws + 1); null where every draw has the same count."""
    reason: str = ""


class RecurringPattern(Document):
    """One pattern over all models.

    `p` is that of "more often than chance in fewer than two models" (partial conjunction, Benjamini
    and Heller 2008, by Fisher's method), `q` Benjamini and Hochberg's over the family of tests.
    `at_least`: in so many models, of a called pattern; at the level that selected patterns have
    (Benjamini and Bogomolov 2014).
    """

    motif: Motif
    pattern: str
    """Its edges in the arrow notation."""
    state: MotifState
    occurrences: Annotated[int, Field(ge=0)]
    p: Probability | None
    q: Probability | None
    at_least: Annotated[int, Field(ge=0)] = 0
    models: tuple[PatternInModel, ...]
    reason: str = ""

    def counted(self, state: PatternState) -> dict[str, int]:
        """How many models are in this state, by family."""
        families = [each.family for each in self.models if each.state is state]
        return {family: families.count(family) for family in dict.fromkeys(families)}


class MotifDiscovery(Document):
    """What came out of a search for recurring patterns; q means something within it only.

    `family` is the number of tests that q is adjusted over: patterns that occur in the circuits or
    in any of the draws, and that could be called by themselves. `patterns` are those that occur in
    the circuits (`n_patterns`), the least p first, at most as many as were asked for.
    """

    schema_version: Literal[1] = 1
    task: str
    draws: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    alpha: Annotated[float, Field(gt=0, lt=1)]
    max_nodes: Annotated[int, Field(ge=2, le=4)]
    models: tuple[SearchedModel, ...]
    left_out: dict[str, str] = Field(default_factory=dict)
    """Models by fingerprint, and why: another one has its weights or is its relative."""
    n_enumerated: Annotated[int, Field(ge=0)]
    """Patterns that occur in the circuits or in a draw."""
    family: Annotated[int, Field(ge=0)]
    n_patterns: Annotated[int, Field(ge=0)]
    patterns: tuple[RecurringPattern, ...]
    notes: tuple[str, ...] = ()
    """What was cut."""

    @property
    def called(self) -> tuple[RecurringPattern, ...]:
        return tuple(each for each in self.patterns if each.state is MotifState.CALLED)
