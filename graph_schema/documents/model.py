"""A model's identity and shape.

A model is its `fingerprint` (the hub's 40-hex commit, or a SHA-256 over its files), never the
place it lies at.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graph_schema.documents.base import Document

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
