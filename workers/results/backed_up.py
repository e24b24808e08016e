"""What a backup holds: said when one is made, and when one is restored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BackedUp:
    """A backup of a graph and of the artifacts that it refers to.

    Attributes:
        file: Where it lies.
        schema_version: Of the graph when it was backed up.
        nodes: How many.
        relationships: How many.
        artifacts: How many files.
        bytes: Of the backup.
        missing: Keys of artifacts that the graph refers to and that were gone already.
    """

    file: Path
    schema_version: int
    nodes: int
    relationships: int
    artifacts: int
    bytes: int
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "file": str(self.file)}

    def __str__(self) -> str:
        return (
            f"{self.nodes:,} nodes, {self.relationships:,} relationships and {self.artifacts:,} "
            f"artifacts, {self.bytes:,} bytes"
        )
