"""The units of circuits that a job found, described together."""

from __future__ import annotations

from collections.abc import Sequence

from discovery.engine.splice import Splice
from discovery.features.describing import describe, kept_units
from discovery.features.token_texts import TokenTexts
from discovery.models import LoadedModel
from discovery.progress import Report
from discovery.tasks.base import PairSet
from graph_schema.documents import CircuitDocument, Features


def describe_units(
    circuits: Sequence[CircuitDocument],
    splices: Sequence[Splice],
    model: LoadedModel,
    pairs: PairSet,
    report: Report | None = None,
) -> Features | None:
    """What every unit of any of the circuits is, on the job's pairs; None where they have none.

    Raises:
        NonFiniteError: A unit's activation is NaN or infinite.
    """
    asked = kept_units(splices, {name for each in circuits for name in each.unit_names})
    if not asked:
        return None
    return describe(
        model.adapter,
        asked,
        pairs.discovery,
        pairs.heldout,
        TokenTexts(model.tokenizer, model.names),
        dataset_sha256=pairs.document.sha256,
        report=report,
    )
