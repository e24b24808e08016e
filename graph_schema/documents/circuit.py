"""A circuit: kept edges with the evidence for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from graph_schema.documents.base import Document, sha256_hex
from graph_schema.documents.component import Channel
from graph_schema.documents.evaluation import Evaluation
from graph_schema.documents.method import (
    AblationSpec,
    AnyMethod,
    AnySelection,
    Metric,
    ScoreKind,
)
from graph_schema.documents.model import ModelDocument


class CircuitEdge(Document):
    """A kept edge. Score = loss(patched) - loss(clean), mean over pairs, in metric units."""

    sender: str
    receiver: str
    channel: Channel
    score: float
    score_kind: ScoreKind
    stability: float | None = None
    """Share of bootstrap draws over groups of pairs that keep the edge."""

    @property
    def name(self) -> str:
        suffix = "" if self.channel is Channel.R else f"<{self.channel.value}>"
        return f"{self.sender}->{self.receiver}{suffix}"


class ArtifactRef(Document):
    """A file in the artifact store: its key there and the SHA-256 of its bytes."""

    key: str
    sha256: str


class CircuitDocument(Document):
    """A circuit as one job found it. Write "a circuit": none is identifiable as the one."""

    schema_version: Literal[1] = 1
    circuit_id: str
    job_id: str
    model: ModelDocument
    task: str
    task_id: str
    dataset_sha256: str
    method: AnyMethod
    selection: AnySelection
    metric: Metric
    ablation: AblationSpec
    dtype: str
    seed: int
    n_edges_scored: int
    edges: tuple[CircuitEdge, ...]
    evaluation: Evaluation
    notes: tuple[str, ...] = ()
    """What a reader must know: "threshold keeps nothing", "held-out split too small", ..."""
    artifacts: dict[str, ArtifactRef] = Field(default_factory=dict)

    @property
    def n_edges(self) -> int:
        return len(self.edges)


def circuit_id(job_id: str, selection_value: float, edge_names: Iterable[str]) -> str:
    """SHA-256 of job id, selection value and sorted edge names: no measured floats."""
    return sha256_hex("\n".join([job_id, f"{selection_value:g}", *sorted(edge_names)]))
