"""Circuits that come from a file instead of a job."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from graph_schema.documents.base import Document, later
from graph_schema.documents.method import AnyMethod, Trace
from graph_schema.documents.model import ModelSource
from graph_schema.documents.task import AnyData


class ExchangeFormat(StrEnum):
    """The file formats; `eap-ig-pt` needs torch and is read and written in `discovery`."""

    EAP_IG = "eap-ig"
    EAP_IG_PT = "eap-ig-pt"
    GRAPHML = "graphml"
    NODE_LINK = "node-link"
    CSV = "csv"
    NEURONPEDIA = "neuronpedia"

    @property
    def whole(self) -> bool:
        """Whether a file holds every edge of the model, in the circuit or not."""
        return self in (ExchangeFormat.EAP_IG, ExchangeFormat.EAP_IG_PT)


MAX_FOREIGN = 4 * 2**20
"""Characters kept of what a file says beyond a circuit."""


class Imported(Document):
    """A circuit read from a file; how it was found is not known here.

    `sha256` is of the file's bytes. `data` is what the importer says the circuit is for, `source`
    where its model lay then: `evaluate` takes both where it is not told otherwise. `foreign` is
    what the file says that a circuit has no field for, as JSON that only the reader and writer of
    its format look into: so that it goes out again as it came in.
    """

    name: Literal["imported"] = "imported"
    version: Literal[1] = 1
    format: ExchangeFormat
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    data: AnyData | None = None
    source: ModelSource | None = None
    foreign: Annotated[str, Field(max_length=MAX_FOREIGN)] | None = later(None)


CircuitMethod = Annotated[AnyMethod | Trace | Imported, Field(discriminator="name")]
"""Where a stored circuit comes from: a job's method, or a file."""
