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


UNKNOWN = "unknown"
NO_WEIGHTS = "none"
"""What `ModelDocument.weights` says of a model that is known by its name alone."""


class ModelDocument(Document):
    """A model as the graph knows it.

    One that a file names and nobody here has weights of is known by that name: `weights` is
    `NO_WEIGHTS`, `n_layers` is as many as the file's nodes need, and all other sizes are 0, which
    is to say unknown.
    """

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

    @classmethod
    def named(cls, name: str, fingerprint: str, n_layers: int) -> ModelDocument:
        """A model that is known by its name alone."""
        return cls(
            fingerprint=fingerprint,
            name=name,
            family=UNKNOWN,
            architecture=UNKNOWN,
            n_layers=n_layers,
            n_heads=0,
            n_kv_heads=0,
            d_model=0,
            d_head=0,
            d_mlp=0,
            d_vocab=0,
            n_edges=0,
            weights=NO_WEIGHTS,
        )

    @property
    def has_weights(self) -> bool:
        """Whether somebody here can load it; else it is a name, and its sizes are unknown."""
        return self.weights != NO_WEIGHTS

    @property
    def identity(self) -> str:
        """What tells models apart: their weights, or where nobody knows them the fingerprint."""
        return self.weights_sha256 or self.fingerprint

    def is_same(self, other: ModelDocument) -> bool:
        """Whether two documents are of one model: one fingerprint, or the same weights."""
        return self.fingerprint == other.fingerprint or self.identity == other.identity
