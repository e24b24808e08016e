"""From what a user types to a trace job: the attribution graph of one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph_schema.documents import DictionaryDocument, Limits, ModelId, Trace
from graph_schema.documents.jobs import Placement, TraceSpec
from graph_schema.errors import LimitError, SpecError
from graph_schema.models.fingerprint import fingerprint
from graph_schema.printable import whole_number
from workers.requests.asked import Asked
from workers.requests.checking import device_named, validated
from workers.requests.dictionaries import AskedDictionary, dictionaries_of
from workers.requests.discover import Submission
from workers.requests.pairs import NOWHERE, source_of
from workers.requests.zoo_names import place_of

NEURONS = "neurons"
"""What `dictionaries` may say in place of any: every MLP's own units."""


@dataclass(frozen=True, kw_only=True)
class TraceRequest(Asked):
    """What a user asks for, unchecked. The names are those of `CircuitClient.trace`."""

    model: str
    prompt: str | Sequence[int]
    revision: str | None = None
    targets: Sequence[str | int] = ()
    dictionaries: str | Sequence[AskedDictionary] = NEURONS
    add_bos: bool | None = None
    heads: bool = False
    max_feature_nodes: int = 3000
    max_edges: int = 20_000
    max_n_logits: int = 10
    desired_logit_prob: float = 0.95
    node_threshold: float = 0.8
    edge_threshold: float = 0.98
    skip_positions: int = 1
    exact_top: int | None = None
    dtype: str = "float32"
    device: str = "cpu"
    memory: int | None = None
    priority: int = 5


def build_trace(request: TraceRequest, limits: Limits, cache_dir: Path) -> Submission:
    """The trace job of a request, after every check that needs neither model nor tokenizer.

    Raises:
        SpecError: The request is wrong; the message says what to change.
        DictionaryError: A dictionary is.
        ModelError: The model cannot be found.
    """
    given = _named(request.dictionaries)
    draft = _drafted(request, limits, ())
    placement = validated(
        Placement,
        {
            "model": NOWHERE,
            "device": device_named(request.device),
            "memory_gib": request.memory,
            "priority": request.priority,
        },
    )
    source = source_of(place_of(request.model, cache_dir), request.revision)
    model = ModelId(fingerprint=fingerprint(source, cache_dir))
    placement = placement.model_copy(update={"model": source})
    if given:
        found, sources = dictionaries_of(given, source, model.fingerprint, splice=False)
        draft = _drafted(request, limits, found)
        placement = placement.model_copy(update={"dictionaries": sources})
    return Submission(draft.model_copy(update={"model": model}), placement, None)


def _named(given: str | Sequence[AskedDictionary]) -> tuple[AskedDictionary, ...]:
    """The dictionaries that are asked for; none where it is neurons.

    Raises:
        SpecError: Neurons beside others.
    """
    every = (given,) if isinstance(given, str) else tuple(given)
    if NEURONS not in every:
        return every
    if len(every) > 1:
        raise SpecError("dictionaries are neurons or others, not both: leave one out")
    return ()


def _drafted(
    request: TraceRequest, limits: Limits, dictionaries: tuple[DictionaryDocument, ...]
) -> TraceSpec:
    """The spec with a model's fingerprint of zeros."""
    prompt = request.prompt if isinstance(request.prompt, str) else tuple(request.prompt)
    if not prompt:
        raise SpecError("the prompt is empty; give a text (--prompt TEXT)")
    method = validated(
        Trace,
        {name: getattr(request, name) for name in Trace.model_fields if hasattr(request, name)},
    )
    if method.max_edges > limits.circuit_edges:
        raise LimitError(
            f"max_edges is {whole_number(method.max_edges, ',')}; the limit is "
            f"{limits.circuit_edges:,} edges a circuit"
        )
    return validated(
        TraceSpec,
        {
            "model": ModelId(fingerprint="0" * 64),
            "prompt": prompt,
            "add_bos": request.add_bos,
            "targets": tuple(request.targets),
            "granularity": "dictionary" if dictionaries else "neuron",
            "dictionaries": dictionaries,
            "method": method,
            "exact_top": request.exact_top,
            "dtype": request.dtype,
        },
    )
