"""A model's identity and shape.

What is asked for is a `fingerprint` (the hub's 40-hex commit, or a SHA-256 over its files), never
the place it lies at. Whether two fingerprints are one model, only the weights say: the hub's commit
and a folder of the same weights are, and so is a commit that changed the README alone.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graph_schema.documents.base import Document, later

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fingerprint = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class ModelId(Document):
    """The part of a model that a job id depends on."""

    fingerprint: Fingerprint


class ModelSource(Document):
    """Where to load it from: outside the job id.

    `name` is a hub id `org/name`, an absolute path, or a path to a `.gguf` file.
    """

    name: str
    revision: str | None = None


class ModelDocument(Document):
    """A model as the graph knows it."""

    fingerprint: Fingerprint
    name: str
    family: str
    architecture: str
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    d_vocab: int
    n_edges: int
    weights: str = "safetensors"
    """Where the weights come from; de-quantised GGUF is said so here."""
    weights_sha256: Sha256 | None = later(None)
    """Of the tensors' names, shapes and values (`weights.py`); null until somebody loaded it."""

    @property
    def identity(self) -> str:
        """What tells models apart: their weights, or where nobody knows them the fingerprint."""
        return self.weights_sha256 or self.fingerprint

    def is_same(self, other: ModelDocument) -> bool:
        """Whether two documents are of one model: one fingerprint, or the same weights."""
        return self.fingerprint == other.fingerprint or self.identity == other.identity
