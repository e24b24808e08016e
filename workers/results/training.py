"""What was found along a training, as a client hands it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graph_schema.documents.rungs import Rung
from graph_schema.documents.training import CheckpointFinding, TrainingReport
from graph_schema.printable import printable
from graph_schema.reports.training import training_text
from graph_schema.reports.training_html import training_html, training_part


@dataclass(frozen=True)
class Training:
    """When behaviour, role and wiring come along one training; `document` is all of it."""

    document: TrainingReport

    def since(self, rung: Rung | str) -> int | None:
        """The step from which on a rung is present at every checkpoint; None: not at the last."""
        return next(each.step for each in self.document.since if each.rung == Rung(rung))

    def to_html(self) -> str:
        """One self-contained page with the loss above and the shares below."""
        return training_html(self.document)

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        found = self.document
        return {
            "state": "succeeded",
            "motif": found.motif,
            "task": found.task,
            "model": found.model,
            "since": {
                each.rung.value: {"step": each.step, "after": each.after} for each in found.since
            },
            "checkpoints": [_checkpoint(each) for each in found.checkpoints],
            "losses": [list(point) for point in found.losses],
            "protocol": found.protocol.model_dump(mode="json"),
        }

    def __repr__(self) -> str:
        found = self.document
        return printable(
            f"<Training of {found.model}: {found.motif} on {found.task}, "
            f"{len(found.checkpoints)} checkpoints>"
        )

    def __str__(self) -> str:
        return training_text(self.document)

    def _repr_html_(self) -> str:
        return training_part(self.document)


def _checkpoint(found: CheckpointFinding) -> dict[str, Any]:
    told = found.behaviour
    return {
        "step": found.step,
        "model": found.model,
        "revision": found.revision,
        "fingerprint": found.fingerprint,
        "loss": found.loss,
        "trained_accuracy": found.trained_accuracy,
        "accuracy": told.worst if told else None,
        "gap": told.gap if told else None,
        "rungs": {
            each.rung.value: {"state": each.state.value, "reason": each.reason}
            for each in found.rungs
        },
        "super_edges": [
            {
                "name": each.name,
                "state": each.state.value,
                "reason": each.reason,
                "share": each.edge.share,
                "ci_low": each.edge.ci_low,
                "ci_high": each.edge.ci_high,
                "is_bound": each.edge.is_bound,
            }
            for each in found.super_edges
            if each.edge
        ],
        "transduction": found.transduction.moved.share if found.transduction else None,
        "jobs": found.jobs,
        "failures": found.failures,
    }
