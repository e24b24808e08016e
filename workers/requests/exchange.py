"""Circuits to and from files: what the client and the command line do with `graph_schema.exchange`.

Only the `.pt` format needs torch, which is loaded when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_schema.documents import (
    Ablation,
    AblationSpec,
    Annotation,
    AnyData,
    AnySelection,
    CircuitDocument,
    DatasetDocument,
    ExchangeFormat,
    GraphCheck,
    Limits,
    Metric,
    ModelDocument,
    ModelSource,
    Threshold,
    TopEdges,
)
from graph_schema.errors import MissingExtraError, SpecError
from graph_schema.exchange import (
    Exchanged,
    ExchangeError,
    check_graph,
    chosen,
    format_of,
    imported_circuit,
    read_circuit_file,
    write_circuit_file,
)
from graph_schema.models.config import read_model
from graph_schema.models.fingerprint import fingerprint
from graph_schema.private_files import expanded
from workers.files import read_bounded
from workers.requests.checking import choice, unknown, validated
from workers.requests.formats import FORMATS
from workers.requests.pairs import MeasureRequest, data_of, source_of
from workers.requests.zoo_names import place_of

if TYPE_CHECKING:
    from graph_schema.store import GraphStore

LONGEST = 400
"""Characters of a complaint about a file: what it quotes of the file has no bound."""
_DIGITS = re.compile(r"[0-9a-f]{6,64}")


def format_named(name: str) -> ExchangeFormat:
    """The format that a user named.

    Raises:
        SpecError: None has this name.
    """
    if name not in FORMATS:
        raise SpecError(unknown("format", name, FORMATS))
    return FORMATS[name]


def written(
    circuit: CircuitDocument,
    format: ExchangeFormat,
    scores: Mapping[str, float],
    remarks: Sequence[Annotation] = (),
) -> bytes:
    """The circuit as a file's bytes.

    With `scores` of all edges and what people wrote on its nodes (`remarks`), where the format has
    room for them.

    Raises:
        SpecError: The format cannot hold the circuit.
        MissingExtraError: It is `eap-ig-pt` and torch is not installed.
    """
    if format is not ExchangeFormat.EAP_IG_PT:
        return write_circuit_file(circuit, format, scores, remarks)
    return _torch_format().write_eap_ig_pt(circuit, scores)


def read(data: bytes, format: ExchangeFormat) -> Exchanged:
    """What a file holds.

    Raises:
        ExchangeError: The file is not what its format says.
        MissingExtraError: It is `eap-ig-pt` and torch is not installed.
    """
    if format is not ExchangeFormat.EAP_IG_PT:
        return read_circuit_file(data, format)
    return _torch_format().read_eap_ig_pt(data)


def _torch_format() -> Any:
    try:
        from discovery import eap_ig_pt
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"format eap-ig-pt is read and written by {error.name}, which is not installed; use "
            'eap-ig (JSON), or run: pip install "circuit-atlas[worker]"'
        ) from error
    return eap_ig_pt


@dataclass(frozen=True, kw_only=True)
class ImportRequest(MeasureRequest):
    """What a user says of a file; task or dataset, metric and ablation where they are known.

    `n_edges` or `threshold` chooses the circuit by the file's scores, ranked as `by` says.
    """

    file: str | Path
    model: str | None = None
    """None where the file names its own."""
    revision: str | None = None
    format: str | None = None
    metric: str | None = None
    ablation: str | None = None
    draws: int | None = None
    n_edges: int | None = None
    threshold: float | None = None
    by: str = "abs"


@dataclass(frozen=True)
class ReadFile:
    """A file that was read and checked, and what the user says of it."""

    found: Exchanged
    format: ExchangeFormat
    data: bytes
    pairs: AnyData | None
    dataset: DatasetDocument | None
    metric: Metric | None
    ablation: AblationSpec | None
    selection: AnySelection | None

    def circuit(
        self, model: ModelDocument, source: ModelSource | None, pairs: AnyData | None
    ) -> CircuitDocument:
        """The circuit that the file holds, for this model."""
        return imported_circuit(
            self.found,
            self.format,
            self.data,
            model,
            source=source,
            pairs=pairs,
            metric=self.metric,
            ablation=self.ablation,
            selection=self.selection,
        )

    def groups(self, circuit: CircuitDocument) -> tuple[Annotation, ...]:
        """The file's groups of nodes, as remarks on the circuit: of nodes that it has."""
        found: list[Annotation] = []
        for group in self.found.groups:
            members = [name for name in group.members if name in circuit.node_names]
            if members:
                found.append(
                    Annotation(
                        circuit_id=circuit.circuit_id,
                        component=members[0],
                        also=tuple(members[1:]),
                        author=f"{self.format} file",
                        text=group.label,
                        kind="group",
                    )
                )
        return tuple(found)


def read_request(request: ImportRequest, limits: Limits) -> ReadFile:
    """Read the file and check the request, before the graph is asked for anything.

    Raises:
        SpecError: The request is wrong, or the file cannot be read or is too large.
        ExchangeError: The file is not what its format says.
        DatasetError: The dataset is wrong.
    """
    metric = None if request.metric is None else choice("metric", Metric, request.metric)
    ablation = None
    if request.ablation is not None:
        kind = choice("ablation", Ablation, request.ablation)
        draws = 1 if request.draws is None else request.draws
        ablation = validated(AblationSpec, {"kind": kind, "draws": draws})
    elif request.draws is not None:
        raise SpecError(
            f"draws is {request.draws} and no ablation is given; give both (--ablation resample), "
            "or leave draws out"
        )
    if request.model is None and request.revision is not None:
        raise SpecError("revision is given and no model; give both (--model), or leave it out")
    selection = _selection(request)
    named = None if request.format is None else format_named(request.format)
    pairs = dataset = None
    if request.task is not None or request.dataset is not None:
        pairs, dataset = data_of(request, metric, limits)
    file = expanded(request.file)
    data = read_bounded(file, limits.import_bytes, "CIRCUITS_LIMITS__IMPORT_BYTES")
    format = named or format_of(file.name, data)
    try:
        found = read(data, format)
        if selection is not None:
            found = chosen(found, selection)
    except ExchangeError as error:
        words = str(error)
        if len(words) > LONGEST:
            words = f"{words[: LONGEST // 2]} … {words[-LONGEST // 2 :]}"
        raise ExchangeError(f"{file}: {words}") from error
    if request.model is None and found.model is None:
        raise SpecError(
            f"{file} does not name a model that we could go by: say whose circuit it is (--model)"
        )
    if len(found.edges) > limits.circuit_edges:
        raise SpecError(
            f"{file} keeps {len(found.edges):,} edges; the limit is {limits.circuit_edges:,} edges "
            "a circuit (CIRCUITS_LIMITS__CIRCUIT_EDGES)"
        )
    return ReadFile(found, format, data, pairs, dataset, metric, ablation, selection)


def checked_graph(file: str | Path, limits: Limits) -> GraphCheck:
    """Whether a file is a valid attribution graph in Neuronpedia's JSON.

    Raises:
        SpecError: It cannot be read, or is too large.
    """
    place = expanded(file)
    return check_graph(read_bounded(place, limits.import_bytes, "CIRCUITS_LIMITS__IMPORT_BYTES"))


def _selection(request: ImportRequest) -> AnySelection | None:
    """How to choose by the file's scores; None takes the circuit that the file has."""
    if request.n_edges is not None and request.threshold is not None:
        raise SpecError(
            "n_edges and threshold are both given; choose by one of them (--edges 500 or "
            "--threshold 0.01)"
        )
    if request.n_edges is not None:
        return validated(TopEdges, {"n_edges": request.n_edges, "by": request.by})
    if request.threshold is not None:
        return validated(Threshold, {"threshold": request.threshold, "by": request.by})
    if request.by != "abs":
        raise SpecError(
            f"by is {request.by!r} and nothing is chosen: give --edges or --threshold as well, or "
            "leave it out"
        )
    return None


def model_of(
    request: ImportRequest, found: Exchanged, store: GraphStore, cache_dir: Path
) -> tuple[ModelDocument, ModelSource | None]:
    """The model that a user named, and where it lies; else the one that the file names.

    The first digits of a stored model's fingerprint will do; else it is a hub id or a path. What a
    file names is a name alone, unless a model of that fingerprint is stored.

    Raises:
        ModelError: There is none, or its configuration cannot be read.
        NotFoundError: No stored model, or several, have these digits.
    """
    from graph_schema.store.records.models import find_model, stored_model

    if request.model is None:
        assert found.model is not None, "read_request has refused it"
        there = stored_model(store, found.model.fingerprint)
        return (there if there is not None and there.has_weights else found.model), None
    if _DIGITS.fullmatch(request.model) and request.revision is None:
        return find_model(store, request.model), None
    source = source_of(place_of(request.model, cache_dir), request.revision)
    known = fingerprint(source, cache_dir)
    return stored_model(store, known) or read_model(source, known), source
