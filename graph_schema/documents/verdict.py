"""Verdicts: what is said of a motif over many models, and what would make it untrue (DESIGN §9)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document, later, sha256_hex
from graph_schema.documents.model import Fingerprint, Sha256
from graph_schema.documents.motif import MotifName

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Rung(StrEnum):
    """How much of the motif was tested: the task is done; its output role is causal; its wiring."""

    BEHAVIOUR = "behaviour"
    ROLE = "role"
    WIRING = "wiring"


class RungState(StrEnum):
    """What a test of one rung in one model came to."""

    PRESENT = "present"
    ABSENT = "absent"
    INCONCLUSIVE = "inconclusive"
    UNTESTABLE = "untestable"


class Outcome(StrEnum):
    """`strong` is said of the wiring, `weak` of the role; the other two of either."""

    STRONG = "strong"
    WEAK = "weak"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class RungFinding(Document):
    """One rung in one model, and why."""

    rung: Rung
    state: RungState
    reason: str = ""


class ModelFinding(Document):
    """What one model says of the motif, from the bottom rung up.

    `role_graph_id` and `circuit_ids` are the evidence, where it is stored.
    """

    fingerprint: Fingerprint
    weights_sha256: Sha256 | None = later(None)
    family: str
    rungs: Annotated[tuple[RungFinding, ...], Field(min_length=1)]
    role_graph_id: str | None = None
    circuit_ids: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """What tells models apart: their weights, or where nobody knows them the fingerprint."""
        return self.weights_sha256 or self.fingerprint

    def at(self, rung: Rung) -> RungFinding | None:
        """The finding of this rung."""
        return next((found for found in self.rungs if found.rung is rung), None)


class Tally(Document):
    """How many models; k of n is `present` of all but the untestable.

    `low` and `high`: two-sided 95 % Clopper-Pearson bounds, the lower counting inconclusive models
    as not present, the upper as present; null where no model could be tested.
    """

    present: Count
    absent: Count
    inconclusive: Count
    untestable: Count
    low: Share | None
    high: Share | None

    @property
    def n(self) -> int:
        return self.present + self.absent + self.inconclusive

    @model_validator(mode="after")
    def _bounds_where_tested(self) -> Tally:
        given = (self.low is not None, self.high is not None)
        if given != (self.n > 0, self.n > 0):
            raise ValueError(f"bounds of {self.n} testable models: {self.low}, {self.high}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"lower bound {self.low} is above the upper bound {self.high}")
        return self


class FamilyTally(Tally):
    """The same of one family."""

    family: str


class Verdict(Document):
    """A statement on a motif over models: on its output role (weak form) or wiring (strong form).

    `falsifiers` say what would overturn it, `scope` of which models it is said.
    """

    schema_version: Literal[1] = 1
    motif_id: str
    motif: MotifName
    task: str
    task_id: str
    rung: Rung
    outcome: Outcome
    models: Annotated[tuple[ModelFinding, ...], Field(min_length=1)]
    pooled: Tally
    families: tuple[FamilyTally, ...]
    scope: str
    falsifiers: tuple[str, ...] = ()

    @property
    def verdict_id(self) -> str:
        """Of what was asked of which models, not of the answer: judging again is the same one."""
        asked = sorted(found.identity for found in self.models)
        return sha256_hex("\n".join([self.motif_id, self.task_id, self.rung.value, *asked]))

    @model_validator(mode="after")
    def _is_sound(self) -> Verdict:
        said_of = {Outcome.STRONG: Rung.WIRING, Outcome.WEAK: Rung.ROLE}
        if said_of.get(self.outcome, self.rung) is not self.rung:
            raise ValueError(f"a {self.outcome.value} verdict is not said of {self.rung.value}")
        for named in ("fingerprint", "identity"):
            if len({getattr(found, named) for found in self.models}) < len(self.models):
                raise ValueError("a model is given twice")
        states: list[RungState] = []
        for found in self.models:
            here = found.at(self.rung)
            if here is None:
                raise ValueError(f"model {found.fingerprint} says nothing of {self.rung.value}")
            states.append(here.state)
        # Relatives of a model count once, so a tally may be less than its models, never more.
        for state in RungState:
            if getattr(self.pooled, state.value) > states.count(state):
                raise ValueError(f"more models are counted {state.value} than were found so")
        if len({family.family for family in self.families}) < len(self.families):
            raise ValueError("a family is given twice")
        return self
