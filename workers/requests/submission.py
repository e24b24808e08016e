"""A checked request, as it is submitted."""

from __future__ import annotations

from dataclasses import dataclass

from graph_schema.documents import DatasetDocument
from graph_schema.documents.jobs import JobSpec, Need, Placement


@dataclass(frozen=True)
class Submission:
    """A checked request: the spec, where to run it, and the pairs that travel with it.

    `needs` must have ended before it is claimed; those of them that may be missing are asked for
    with it, and come in `before`, in an order in which each finds what it needs.
    """

    spec: JobSpec
    placement: Placement
    dataset: DatasetDocument | None
    needs: tuple[Need, ...] = ()
    before: tuple[Submission, ...] = ()
