"""A circuit as a file of another tool: the whole of it, or what its drawing shows."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from graph_schema.circuit_arrays import stored_scores
from graph_schema.documents import Annotation, ExchangeFormat
from graph_schema.errors import SpecError
from workers.client import Circuit
from workers.requests.exchange import FORMATS, format_named, written
from workers.results.part import part_of, remarks_on
from workers.web.commands import run_command
from workers.web.site import Site

JSON, BINARY = "application/json", "application/octet-stream"
ENDINGS = MappingProxyType(
    {
        ExchangeFormat.EAP_IG: ("eap-ig.json", JSON),
        ExchangeFormat.EAP_IG_PT: ("pt", BINARY),
        ExchangeFormat.GRAPHML: ("graphml", BINARY),
        ExchangeFormat.NODE_LINK: ("node-link.json", JSON),
        ExchangeFormat.NEURONPEDIA: ("neuronpedia.json", JSON),
        ExchangeFormat.CSV: ("csv", "text/csv; charset=utf-8"),
    }
)
NAMES = tuple(FORMATS)


@dataclass(frozen=True)
class Download:
    """A file to be kept."""

    name: str
    media_type: str
    data: bytes


def download(
    site: Site,
    circuit_id: str,
    form: str,
    edges: Collection[str] | None,
    groups: tuple[Annotation, ...] = (),
) -> Download:
    """The circuit as a file of this format; of all its edges, or of these, by name.

    Args:
        site: Where it is stored.
        circuit_id: Whole.
        form: The format's name.
        edges: None is all of them.
        groups: Supernodes beside those that are stored, for formats with room for them.

    Raises:
        SpecError: There is no such format, or it cannot hold this circuit.
    """
    wanted = format_named(form)
    found = site.service.circuit(circuit_id)
    ending, media_type = ENDINGS[wanted]
    words = [found.document.task or "circuit", circuit_id[:12]]
    if edges is not None:
        words.append(f"{len(edges)}-edges")
    stem = re.sub(r"[^\w.-]+", "-", "-".join(words), flags=re.ASCII).strip("-.")[:100]
    data = _data(site, found, wanted, edges, groups)
    return Download(f"{stem}.{ending}", media_type, data)


def _data(
    site: Site,
    found: Circuit,
    wanted: ExchangeFormat,
    edges: Collection[str] | None,
    groups: tuple[Annotation, ...],
) -> bytes:
    if wanted is ExchangeFormat.EAP_IG_PT:
        if edges is not None:
            raise SpecError(f"{wanted} is written of whole circuits; take eap-ig for a part")
        return _by_command(site, found.circuit_id, wanted)
    document = found.document if edges is None else part_of(found.document, edges)
    scores = stored_scores(found.document, site.service.artifacts) if wanted.whole else {}
    if wanted.whole:  # of edges outside of the part as well
        scores = {e.name: e.score for e in found.edges if e.score is not None} | dict(scores)
    remarks = remarks_on((*found.annotations, *groups), document.node_names)
    return written(document, wanted, scores, remarks)


def _by_command(site: Site, circuit_id: str, wanted: ExchangeFormat) -> bytes:
    """As `circuits export` writes it, which loads torch."""
    with tempfile.TemporaryDirectory(prefix="circuits-web-") as folder:
        file = Path(folder) / "circuit.pt"
        words = ["export", circuit_id, "--format", wanted.value, "--out", str(file)]
        run_command(site.client.settings, words, "file")
        return file.read_bytes()
