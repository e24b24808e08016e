"""A role graph as the client hands it out: its document, and ways to look at it."""

from __future__ import annotations

from dataclasses import dataclass

from graph_schema.documents import RoleGraph
from graph_schema.documents.jobs import RunRecord
from graph_schema.printable import printable
from graph_schema.reports import role_graph_text, words_html


@dataclass(frozen=True)
class EffectsFound:
    """What an `effects` job measured of a motif; `run` says where, how long, in which versions."""

    document: RoleGraph
    motif: str
    run: RunRecord | None = None

    def __repr__(self) -> str:
        found = self.document
        return printable(
            f"<EffectsFound {self.motif} in {found.model.name}: {len(found.edges)} super-edges>"
        )

    def __str__(self) -> str:
        return role_graph_text(self.document, self.motif)

    def _repr_html_(self) -> str:
        return words_html(str(self))
