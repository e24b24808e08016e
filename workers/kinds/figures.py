"""A circuit's figures and a run's cost as `--json` prints them; null where there is none."""

from __future__ import annotations

from typing import Any

from graph_schema.documents.jobs import RunRecord
from workers.results.circuit import Circuit
from workers.results.evaluation import Evaluated


def figures(circuit: Circuit | None, judged: Evaluated | None = None) -> dict[str, Any]:
    """Size, notes and figures: the circuit's own, or those of an `evaluate` job."""
    quality = circuit.evaluation if circuit else None
    notes = circuit.document.notes if circuit else ()
    selection = circuit.document.selection if circuit else None
    if judged is not None:
        quality, notes = judged.document.evaluation, judged.document.notes
    return {
        "circuit_id": circuit.circuit_id if circuit else None,
        "selection": selection.model_dump(mode="json") if selection else None,
        "n_edges_scored": circuit.document.n_edges_scored if circuit else None,
        "n_edges": circuit.n_edges if circuit else None,
        "notes": list(notes),
        "faithfulness": quality.faithfulness.value if quality else None,
        "heldout_faithfulness": quality.heldout_faithfulness.value if quality else None,
        "error_share": quality.error_share.value if quality and quality.error_share else None,
        "complement_faithfulness": quality.complement_faithfulness.value if quality else None,
        "cmd": quality.cmd.value if quality else None,
        "cpr": quality.cpr.value if quality else None,
    }


def cost(run: RunRecord | None) -> dict[str, Any]:
    """CPU seconds of the attempt that counted, in all and by stage."""
    return {
        "cpu_seconds": sum(run.cpu_seconds.values()) if run else None,
        "cpu_seconds_by_stage": run.cpu_seconds if run else None,
    }
