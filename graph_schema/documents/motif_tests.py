"""What tests of motifs against chance came to, and the tests they were corrected together with."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document, later
from graph_schema.documents.component import ComponentKind
from graph_schema.documents.motif import MotifName


class MotifState(StrEnum):
    """What a test of a motif in a circuit came to."""

    CALLED = "called"
    NOT_CALLED = "not_called"
    UNTESTABLE = "untestable"


class NullModel(StrEnum):
    """What the number of occurrences is held against (docs/motifs.md)."""

    REWIRED = "rewired"
    ROLES_PERMUTED = "roles_permuted"


class MotifResult(Document):
    """Whether a motif occurs in a circuit more often than chance has it.

    `p` = (1 + #{null >= observed}) / (draws + 1), one-sided; where the whole null was enumerated
    (`exact`), the share of its members that reach the observed count. `p_max` is adjusted for the
    motifs tested in the circuit (maxT), `q` for all results of the test that can be called at all
    (Benjamini and Hochberg 1995); a motif is called where both are at most the test's alpha.
    """

    circuit_id: str
    motif_id: str
    motif: MotifName
    null: NullModel
    observed: int
    null_mean: float
    null_sd: float
    draws: int
    distinct: int
    exact: bool
    p: float
    p_max: float
    q: float | None = None
    state: MotifState
    reason: str = ""


class MotifTest(Document):
    """Motifs tested in circuits together: a result for every motif in every circuit.

    `p_max`, `q` and state of a result hold within its test only: what else was tested with it, at
    which `alpha`, with how many `draws` from each null model. The id is the hash of all of it, so
    the same test is stored once and another one never takes its place.
    """

    schema_version: Literal[1] = 1
    alpha: Annotated[float, Field(gt=0, lt=1)] | None
    """None where an older release stored the results and not what they were held to."""
    draws: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    without: tuple[ComponentKind, ...] = later(())
    """Nodes of these kinds were left out, with their edges, before anything was counted."""
    results: Annotated[tuple[MotifResult, ...], Field(min_length=1)]
    """By circuit, then by motif, in the order asked for."""

    @property
    def test_id(self) -> str:
        return self.content_id()

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(result.circuit_id for result in self.results))

    @property
    def motifs(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(dict.fromkeys(result.motif for result in self.results))

    @property
    def null(self) -> tuple[NullModel, ...]:
        """The null models that were drawn from."""
        return tuple(sorted({result.null for result in self.results}))

    @property
    def family(self) -> int:
        """How many results `q` is adjusted over."""
        return sum(result.state is not MotifState.UNTESTABLE for result in self.results)

    @model_validator(mode="after")
    def _once_each(self) -> MotifTest:
        pairs = [(result.circuit_id, result.motif_id) for result in self.results]
        if len(set(pairs)) < len(pairs):
            raise ValueError("a motif is tested in a circuit twice")
        return self


class MotifTestSummary(Document):
    """What a list of stored motif tests says of each."""

    test_id: str
    at: int
    """When it was stored, in milliseconds."""
    alpha: float | None
    draws: int
    seed: int
    without: tuple[ComponentKind, ...] = ()
    null: tuple[NullModel, ...]
    circuits: int
    motifs: int
    family: int
    """How many of the results `q` is adjusted over."""
    called: int
    stale: tuple[MotifName, ...] = ()
    """Motifs that read roles which have changed since, in one of the circuits at least."""
