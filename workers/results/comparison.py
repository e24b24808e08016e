"""A comparison as the client hands it out: its document, and ways to look at it."""

from __future__ import annotations

from dataclasses import dataclass

from graph_schema.documents import CircuitDocument, Comparisons
from graph_schema.printable import printable
from graph_schema.reports import comparison_html, comparison_svg, comparison_text


@dataclass(frozen=True)
class Compared:
    """Circuits side by side; `document` says everything, as far as their models allow."""

    document: Comparisons
    circuits: tuple[CircuitDocument, ...]

    def to_svg(self) -> str:
        """The picture that fits: whose edges are whose, a square, training, or bars of figures."""
        return comparison_svg(self.document, self.circuits)

    def __repr__(self) -> str:
        ids = ", ".join(circuit.circuit_id[:12] for circuit in self.circuits)
        return printable(f"<Compared {self.document.scope.value.replace('_', ' ')}: {ids}>")

    def __str__(self) -> str:
        return comparison_text(self.document)

    def _repr_html_(self) -> str:
        return comparison_html(self.document, self.circuits)
