"""What one model says of a motif, rung by rung, each with its reason."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from graph_schema.documents.base import Document, later
from graph_schema.documents.model import Fingerprint, Sha256


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


class RungFinding(Document):
    """One rung in one model, and why."""

    rung: Rung
    state: RungState
    reason: str = ""


class ModelFinding(Document):
    """What one model says of the motif, from the bottom rung up.

    `role_graph_id` and `circuit_ids` are the evidence, where it is stored. Fine-tunes and
    distillations of a model count once: `counted_with` names the one that stands for them.
    """

    fingerprint: Fingerprint
    weights_sha256: Sha256 | None = later(None)
    family: str
    rungs: Annotated[tuple[RungFinding, ...], Field(min_length=1)]
    role_graph_id: str | None = None
    circuit_ids: tuple[str, ...] = ()
    counted_with: Fingerprint | None = None

    @model_validator(mode="after")
    def _says_each_rung_once(self) -> ModelFinding:
        rungs = [found.rung for found in self.rungs]
        if twice := [rung.value for rung in Rung if rungs.count(rung) > 1]:
            raise ValueError(f"model {self.fingerprint} has several states of {twice[0]}")
        return self

    @model_validator(mode="after")
    def _stands_on_the_rungs_below(self) -> ModelFinding:
        found = [each for rung in Rung if (each := self.at(rung)) is not None]
        for below, above in pairwise(found):
            if above.state is RungState.PRESENT and below.state is not RungState.PRESENT:
                raise ValueError(
                    f"model {self.fingerprint} has {above.rung.value} present above "
                    f"{below.rung.value} {below.state.value}; expected {below.rung.value} present, "
                    f"or {above.rung.value} not present"
                )
        return self

    @property
    def identity(self) -> str:
        """What tells models apart: their weights, or where nobody knows them the fingerprint."""
        return self.weights_sha256 or self.fingerprint

    def at(self, rung: Rung) -> RungFinding | None:
        """The finding of this rung."""
        return next((found for found in self.rungs if found.rung is rung), None)
