"""What a kind of job is: its spec, its work, and what a user gets of it.

One file a kind; the table is in `workers.kinds`. A kind is imported by clients, so whatever is
heavy (torch, the driver) is imported inside its functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from graph_schema.documents.jobs import JobRecord, JobSpec

if TYPE_CHECKING:
    from neo4j import Transaction

    from graph_schema.artifacts import ArtifactStore
    from graph_schema.store.connection import GraphStore
    from graph_schema.store.records.circuit_drafts import Part
    from workers.job.workbench import Workbench

SpecT = TypeVar("SpecT", bound=JobSpec)
OutcomeT = TypeVar("OutcomeT")


class Product(Protocol):
    """What a job's work gives back: the circuits' ids, and how to write everything.

    `parts` are written before `write`, each in a transaction of its own, and seen by nobody until
    `write` ends the job; a result that fits one transaction has none.
    """

    @property
    def circuit_ids(self) -> Sequence[str]: ...

    def parts(self) -> Iterable[Part]: ...

    def write(self, tx: Transaction) -> None: ...


@dataclass(frozen=True)
class Stored:
    """Where a client reads what jobs wrote."""

    graph: GraphStore
    artifacts: ArtifactStore


@dataclass(frozen=True)
class JobKind(Generic[SpecT, OutcomeT]):
    """One kind of job.

    Args:
        spec: What is asked, a document whose `kind` is the kind's name.
        work: Does it in a worker and saves its arrays; writes nothing into the graph yet.
        outcome: Reads back what a job of this kind that succeeded has found.
        text: The outcome as a terminal shows it.
        json: The outcome as `--json` prints it beside the job; of None (the job failed), the same
            keys with nothing in them.
        look: The command that shows what a job found, for whoever submits it again.
    """

    spec: type[SpecT]
    work: Callable[[SpecT, Workbench], Product]
    outcome: Callable[[Stored, JobRecord], OutcomeT]
    text: Callable[[OutcomeT], str]
    json: Callable[[OutcomeT | None], dict[str, Any]]
    look: Callable[[JobRecord], str]

    @property
    def name(self) -> str:
        return self.spec.kind_name()
