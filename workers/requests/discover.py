"""From what a user types to a job spec; every check that needs no model happens here.

The client and the command line both end in `build_submission`, so a request means the same from
either, and a mistake is told in one line before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from graph_schema.documents import (
    Ablation,
    AblationSpec,
    Candidates,
    DatasetDocument,
    DictionaryDocument,
    Document,
    Granularity,
    JobSelection,
    Limits,
    ModelId,
    ModelSource,
    Threshold,
    Thresholds,
    TopEdges,
)
from graph_schema.documents.jobs import DiscoverSpec, Placement, Tokenisation
from graph_schema.errors import LimitError, SpecError
from graph_schema.models.fingerprint import fingerprint
from graph_schema.printable import whole_number
from workers.requests.checking import METHODS, Params, choice, named, unknown, validated
from workers.requests.dictionaries import AskedDictionary, dictionaries_of
from workers.requests.pairs import (
    NOWHERE,
    Measured,
    MeasureRequest,
    measured,
    placement_of,
    source_of,
)
from workers.requests.shards import check_shards, sharded
from workers.requests.submission import Submission
from workers.requests.zoo_names import place_of


@dataclass(frozen=True, kw_only=True)
class DiscoverRequest(MeasureRequest):
    """What a user asks for, unchecked. The names are those of `CircuitClient.submit`.

    Without a method it is `eap-ig`, and `two-leg` where components are cut into units.

    Exactly one of `task` and `dataset`, and exactly one of `n_edges` and `threshold`, are given.
    """

    model: str
    revision: str | None = None
    method: str | None = None
    method_params: Params | None = None
    n_edges: int | None = None
    threshold: float | Sequence[float] | None = None
    by: str = "abs"
    metric: str | None = None
    ablation: str = "corrupt"
    draws: int = 1
    add_bos: bool | None = None
    answers: str = "single"
    misfits: str = "refuse"
    receivers: str = "query_head"
    exact_top: int | None = None
    keep_pair_scores: bool = False
    alternatives: int = 1
    granularity: str = "head"
    dictionaries: Sequence[AskedDictionary] = ()
    candidates: int | Params | None = None
    dtype: str = "float32"
    seed: int = 0
    shards: int = 1


def drafted(
    request: DiscoverRequest,
    limits: Limits,
    dictionaries: tuple[DictionaryDocument, ...] = (),
    on: Measured | None = None,
) -> tuple[DiscoverSpec, DatasetDocument | None]:
    """The spec of a request with a model's fingerprint of zeros, and the pairs of its file.

    `dictionaries` are those that it names, `on` its metric and pairs where they are read already.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
    """
    metric, data, dataset = on or measured(request, request.metric, limits)
    draft = validated(
        DiscoverSpec,
        {
            **_granularity(request, dictionaries),
            "model": ModelId(fingerprint="0" * 64),
            "data": data,
            "tokenisation": validated(
                Tokenisation,
                {
                    "add_bos": request.add_bos,
                    "answers": request.answers,
                    "misfits": request.misfits,
                },
            ),
            "method": _method(request),
            "metric": metric,
            "ablation": validated(
                AblationSpec,
                {
                    "kind": choice("ablation", Ablation, request.ablation),
                    "draws": request.draws,
                },
            ),
            "receivers": request.receivers,
            "selection": _selection(request),
            "exact_top": request.exact_top,
            "keep_pair_scores": request.keep_pair_scores,
            "alternatives": request.alternatives,
            "evaluation": request.evaluation,
            "dtype": request.dtype,
            "seed": request.seed,
        },
    )
    check_edges(request.n_edges, limits)
    check_shards(request.shards, draft, dataset)
    return draft, dataset


def check_edges(n_edges: int | None, limits: Limits) -> None:
    """Refuse circuits of more edges than a setting allows.

    Raises:
        LimitError: They are.
    """
    if n_edges is not None and n_edges > limits.circuit_edges:
        raise LimitError(
            f"edges is {whole_number(n_edges, ',')}; the limit is {limits.circuit_edges:,} edges a "
            "circuit"
        )


def placed(request: DiscoverRequest, source: ModelSource) -> Placement:
    """Where to run it, and in how many shards: outside the job's identity."""
    fields = dict(placement_of(request, source)) | {"shards": request.shards}
    return validated(Placement, fields)


def build_submission(request: DiscoverRequest, limits: Limits, cache_dir: Path) -> Submission:
    """The spec of a request, after every check that needs neither model nor tokenizer.

    The model comes last, because its fingerprint reads its files or asks the hub.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
        ModelError: The model cannot be found.
    """
    draft, dataset = drafted(without_dictionaries(request), limits)
    placed(request, NOWHERE)
    source = source_of(place_of(request.model, cache_dir), request.revision)
    model = ModelId(fingerprint=fingerprint(source, cache_dir))
    placement = placed(request, source)
    if request.dictionaries:
        dictionaries, sources = dictionaries_of(request.dictionaries, source, model.fingerprint)
        draft, dataset = drafted(request, limits, dictionaries)
        placement = placement.model_copy(update={"dictionaries": sources})
    return sharded(Submission(draft.model_copy(update={"model": model}), placement, dataset))


def without_dictionaries(request: DiscoverRequest) -> DiscoverRequest:
    """The request as it would be of neurons: whatever else is wrong with it is so before files are.

    Raises:
        SpecError: It names dictionaries, and asks to cut components otherwise.
    """
    if not request.dictionaries:
        return request
    if granularity_of(request) != "dictionary":
        raise SpecError(
            f"granularity is {request.granularity!r} and dictionaries are given; leave one out"
        )
    return replace(request, dictionaries=(), granularity="neuron")


def granularity_of(request: DiscoverRequest) -> str:
    """What components are cut into: as asked for, and `dictionary` where dictionaries are given."""
    if request.dictionaries and request.granularity == "head":
        return "dictionary"
    return request.granularity


def _granularity(
    request: DiscoverRequest, dictionaries: tuple[DictionaryDocument, ...]
) -> dict[str, Any]:
    wanted = granularity_of(request)
    if wanted not in get_args(Granularity):
        raise SpecError(unknown("granularity", wanted, get_args(Granularity)))
    if wanted == "dictionary" and not request.dictionaries:
        raise SpecError(
            "granularity 'dictionary' takes dictionaries: name an SAE's or transcoder's folder or "
            "hub path (--dictionary ./sae); 'neuron' needs none"
        )
    candidates = _candidates(request)
    if candidates is not None:
        candidates = validated(Candidates, candidates)
    return {"granularity": wanted, "dictionaries": dictionaries, "candidates": candidates}


def _candidates(request: DiscoverRequest) -> Params | None:
    """Which units are asked for: a number alone is how many."""
    given = request.candidates
    return {"n": given} if isinstance(given, int) else given


def _method(request: DiscoverRequest) -> Document:
    """The method named, or the granularity's own; acdc's proposals likewise."""
    fine = granularity_of(request) != "head"
    name = request.method or ("two-leg" if fine else "eap-ig")
    params = dict(request.method_params or {})
    if fine and name == "acdc" and "candidates" in params and "proposed_by" not in params:
        params["proposed_by"] = "mask-ig"
    return named("method", METHODS, name, params)


def _selection(request: DiscoverRequest) -> JobSelection:
    if (request.n_edges is None) == (request.threshold is None):
        given = "neither was" if request.n_edges is None else "both were"
        raise SpecError(
            "say how much to keep by exactly one of n_edges (--edges 500) and threshold "
            f"(--threshold 0.01); {given} given"
        )
    if request.n_edges is not None:
        return validated(TopEdges, {"n_edges": request.n_edges, "by": request.by})
    if isinstance(request.threshold, Sequence):
        several = {"thresholds": sorted(set(request.threshold)), "by": request.by}
        return validated(Thresholds, several)
    return validated(Threshold, {"threshold": request.threshold, "by": request.by})
