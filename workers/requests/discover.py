"""From what a user types to a job spec; every check that needs no model happens here.

The client and the command line both end in `build_submission`, so a request means the same from
either, and a mistake is told in one line before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph_schema.documents import (
    Ablation,
    AblationSpec,
    DatasetDocument,
    JobSelection,
    Limits,
    ModelId,
    Threshold,
    Thresholds,
    TopEdges,
)
from graph_schema.documents.jobs import DiscoverSpec, JobSpec, Need, Placement, Tokenisation
from graph_schema.errors import LimitError, SpecError
from graph_schema.models.fingerprint import fingerprint
from graph_schema.printable import whole_number
from workers.requests.checking import METHODS, Params, choice, named, validated
from workers.requests.pairs import MeasureRequest, measured, placement_of, source_of
from workers.requests.zoo_names import place_of


@dataclass(frozen=True, kw_only=True)
class DiscoverRequest(MeasureRequest):
    """What a user asks for, unchecked. The names are those of `CircuitClient.submit`.

    Exactly one of `task` and `dataset`, and exactly one of `n_edges` and `threshold`, are given.
    """

    model: str
    revision: str | None = None
    method: str = "eap-ig"
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
    dtype: str = "float32"
    seed: int = 0


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


def drafted(
    request: DiscoverRequest, limits: Limits
) -> tuple[DiscoverSpec, DatasetDocument | None]:
    """The spec of a request with a model's fingerprint of zeros, and the pairs of its file.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
    """
    metric, data, dataset = measured(request, request.metric, limits)
    draft = validated(
        DiscoverSpec,
        {
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
            "method": named("method", METHODS, request.method, request.method_params),
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
    if request.n_edges is not None and request.n_edges > limits.circuit_edges:
        raise LimitError(
            f"edges is {whole_number(request.n_edges, ',')}; the limit is "
            f"{limits.circuit_edges:,} edges a circuit"
        )
    return draft, dataset


def build_submission(request: DiscoverRequest, limits: Limits, cache_dir: Path) -> Submission:
    """The spec of a request, after every check that needs neither model nor tokenizer.

    The model comes last, because its fingerprint reads its files or asks the hub.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DatasetError: The dataset is; the message names the line.
        ModelError: The model cannot be found.
    """
    draft, dataset = drafted(request, limits)
    source = source_of(place_of(request.model, cache_dir), request.revision)
    placement = placement_of(request, source)
    model = ModelId(fingerprint=fingerprint(source, cache_dir))
    return Submission(draft.model_copy(update={"model": model}), placement, dataset)


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
