"""What every document shares: frozen, closed, with one canonical spelling to hash for its id."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

LAST = "last"
"""Stands for the latest one wherever an id is taken; no id starts so."""


def sha256_hex(data: str | bytes) -> str:
    """The SHA-256 of `data` (UTF-8 where it is text), as 64 hex digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


class Document(BaseModel):
    """A value that crosses a process, a file or a database."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def canonical_json(self) -> str:
        """Sorted keys, no spaces, every field but `later` ones at their default written out.

        Equal documents spell equally.
        """
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )

    def content_id(self) -> str:
        """The SHA-256 of the canonical JSON."""
        return sha256_hex(self.canonical_json())


def later(default: Any) -> Any:
    """A field that came after ids were pinned: not spelled where it has its default.

    So a document that does not use it keeps its id.
    """
    return Field(default=default, exclude_if=lambda value: value == default)
