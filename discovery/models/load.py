"""A model with its weights, as an adapter. What is looked at before is in `inspecting.py`."""

from __future__ import annotations

import io
from contextlib import nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GgufConfig
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from discovery.models.base import ModelAdapter
from discovery.models.compiled_folder import read_compiled
from discovery.models.decoder import DecoderAdapter
from discovery.models.families import adapter_class
from discovery.models.inspecting import (
    DTYPES,
    InspectedModel,
    Place,
    fetch,
    identify,
    inspect_model,
    placed,
    quiet,
    readable,
    weight_bytes,
)
from discovery.models.weights import loaded_weights
from discovery.models.whole import require_whole
from discovery.tasks.names import TokenNames
from graph_schema.documents import Limits, ModelDocument, ModelSource
from graph_schema.errors import LimitError, NonFiniteWeightsError
from graph_schema.models.compiled.program import CompiledProgram
from graph_schema.models.fingerprint import is_path
from graph_schema.models.kept import keep_weights, kept_weights


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be taken apart; `notes` are for whoever reads its circuits.

    `names` are those of a compiled program's tokens and outputs, which has no tokenizer.
    """

    adapter: ModelAdapter
    tokenizer: PreTrainedTokenizerBase | None
    document: ModelDocument
    notes: tuple[str, ...] = ()
    names: TokenNames | None = None


def load_model(
    source: ModelSource,
    *,
    fingerprint: str | None,
    dtype: str = "float32",
    device: str = "cpu",
    limits: Limits | None = None,
    cache_dir: Path | None = None,
    inspected: InspectedModel | None = None,
) -> LoadedModel:
    """The model with its weights, checked against `fingerprint` where one is given.

    A hub id is loaded at the commit that `fingerprint` is. `cache_dir` keeps hashes;
    `inspected` saves reading configuration and tokenizer again (for GGUF, many seconds).

    Raises:
        ModelError: As `inspect_model`; another model lies there than the fingerprint says; or the
            files hold more or less than the model that they make.
        NonFiniteWeightsError: A weight is NaN or infinite.
        LimitError: The weights alone exceed the memory limit.
        ResourceError: The device is missing or full.
    """
    identity = identify(source, fingerprint, cache_dir)
    inspected = inspected or inspect_model(source, fingerprint=identity)
    with readable(source, "configuration"):  # whose sizes may not fit together
        needed = weight_bytes(inspected.config, dtype)
    if limits is not None and limits.memory_bytes is not None and needed > limits.memory_bytes:
        raise LimitError(
            f"model {source.name!r} needs {needed / 2**30:.2f} GiB for its weights in {dtype}, the "
            f"limit is {limits.memory_bytes / 2**30:.2f} GiB; raise the memory limit or use a "
            "smaller dtype"
        )
    place = fetch(source, identity, weights=True)
    if isinstance(inspected.config, CompiledProgram):
        program = inspected.config
        compiled, weights = read_compiled(source, place.folder, program, dtype, device)
        identify(source, identity, cache_dir)
        document = program.document(identity, Path(source.name).name)
        document = document.model_copy(update={"weights_sha256": weights})
        return LoadedModel(compiled, None, document, inspected.notes, inspected.names)
    model, notes = _read_weights(source, place, inspected.config, dtype, device)
    with readable(source, "weights", place):
        weights = kept_weights(cache_dir, identity) or loaded_weights(model, place)
    identify(source, identity, cache_dir)  # again: files may be written while they are read
    keep_weights(cache_dir, identity, weights)
    _check_finite(model, source, dtype)
    adapter = adapter_class(inspected.config)(model)
    origin = "safetensors" if place.gguf is None else "gguf, de-quantised"
    document = _document(source, identity, adapter, origin)
    document = document.model_copy(update={"weights_sha256": weights})
    return LoadedModel(adapter, inspected.tokenizer, document, (*inspected.notes, *notes))


def _read_weights(
    source: ModelSource, place: Place, config: Any, dtype: str, device: str
) -> tuple[Any, tuple[str, ...]]:
    """The model, and what is worth a note of how it was read."""
    extra: dict[str, Any] = {"config": config}
    if place.gguf is not None:
        # Else the weights might stay packed, where no head's part can be cut out.
        extra["quantization_config"] = GgufConfig(dequantize=True)
    # The bar that reading a GGUF file draws has no switch of its own.
    bar = redirect_stderr(io.StringIO()) if place.gguf else nullcontext()
    auto: Any = AutoModelForCausalLM
    with quiet(), bar, readable(source, "weights", place):
        model, report = auto.from_pretrained(
            **place.options,
            **extra,
            dtype=DTYPES[dtype],
            attn_implementation=adapter_class(config).attention_implementation,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
        )
    notes = require_whole(source.name, model, report)
    with placed(source, device):
        return _own(model.to(device)), notes


def _own(model: Any) -> Any:
    """The model with weights of its own: as read, they are maps of the file.

    A file written over would change a running job's figures, one cut short would kill its process.
    """
    for weight in (*model.parameters(), *model.buffers()):
        if weight.device.type == "cpu":  # elsewhere they are copies
            weight.data = weight.data.clone()
    return model


def _check_finite(model: Any, source: ModelSource, dtype: str) -> None:
    for name, weight in model.named_parameters():
        bad = weight.numel() - int(torch.isfinite(weight).sum())
        if bad:
            hint = (
                "float16 may overflow: use dtype bfloat16 or float32"
                if dtype == "float16"
                else "the file is damaged or training diverged: fetch or train it again"
            )
            raise NonFiniteWeightsError(
                f"model {source.name!r}: weight {name!r} has {bad} values that are NaN or "
                f"infinite of {weight.numel()}; {hint}"
            )


def _document(
    source: ModelSource, identity: str, adapter: DecoderAdapter, origin: str
) -> ModelDocument:
    shape = adapter.shape
    path = Path(source.name)
    return ModelDocument(
        fingerprint=identity,
        name=(path.stem if path.suffix == ".gguf" else path.name)
        if is_path(source.name)
        else source.name,
        family=adapter.config.model_type,
        architecture=type(adapter.model).__name__,
        n_layers=shape.n_layers,
        n_heads=shape.n_heads,
        n_kv_heads=shape.n_kv_heads,
        d_model=shape.d_model,
        d_head=shape.d_head,
        d_mlp=shape.d_mlp,
        d_vocab=shape.d_vocab,
        n_edges=adapter.n_edges,
        weights=origin,
    )
