"""What `gc` removed, or would remove."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Heap:
    """So many things of a kind, and their bytes where they are files."""

    names: tuple[str, ...] = ()
    bytes: int = 0


@dataclass(frozen=True)
class Cleared:
    """What was removed, by kind; with `dry_run` what would have been.

    Attributes:
        jobs: Failed and cancelled jobs older than the setting: records alone.
        drafts: Circuits that a job had begun to store and never finished.
        checkpoints: Files of jobs that have ended, or are no more.
        artifacts: Files that no stored circuit or evaluation refers to.
        logs: Of the local service, put aside when they had grown.
        failed: Why some of it stays.
    """

    dry_run: bool
    jobs: Heap = Heap()
    drafts: Heap = Heap()
    checkpoints: Heap = Heap()
    artifacts: Heap = Heap()
    logs: Heap = Heap()
    failed: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Of the files together."""
        return self.checkpoints.bytes + self.artifacts.bytes + self.logs.bytes

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "bytes": self.bytes}

    def __str__(self) -> str:
        lines: list[str] = []
        for field in fields(self):
            heap = getattr(self, field.name)
            if isinstance(heap, Heap) and heap.names:
                size = f"  {heap.bytes:,} bytes" if heap.bytes else ""
                lines.append(f"{field.name:<12}{len(heap.names):>6,}{size}")
        verb = "would remove" if self.dry_run else "removed"
        total = f"{verb} {self.bytes:,} bytes of files" if lines else "nothing to remove"
        return "\n".join([*lines, total])
