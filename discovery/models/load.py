"""From a model's source to an adapter: hub id with revision, local folder, `.gguf` file.

`inspect_model` reads configuration and tokenizer alone, so that a dataset is checked before any
weights are; `load_model` reads the weights. Both look at one local folder or file: what a hub id
names is fetched first, and only the files that decide what the model computes.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers import logging as transformers_logging
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from discovery.models.base import ModelAdapter
from discovery.models.decoder import DecoderAdapter
from discovery.models.families import adapter_class
from graph_schema.documents import Limits, ModelDocument, ModelSource
from graph_schema.errors import ModelError, NonFiniteError, ResourceError
from graph_schema.fingerprint import (
    COMMIT,
    CONFIG_FILE,
    TOKENIZER_FILES,
    WEIGHT_FILES,
    fingerprint,
    hub_errors,
    is_path,
    model_files,
)

log = logging.getLogger(__name__)

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# One of these is enough for transformers to build a tokenizer.
TOKENIZER_CORE = {
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
}


@dataclass(frozen=True)
class InspectedModel:
    """What is known before weights are read.

    `tokenizer` is None for a folder without one; `n_ctx` is the longest prompt the model was
    made for, None where its configuration sets no end.
    """

    config: Any
    tokenizer: PreTrainedTokenizerBase | None
    d_vocab: int
    n_ctx: int | None


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be taken apart."""

    adapter: ModelAdapter
    tokenizer: PreTrainedTokenizerBase | None
    document: ModelDocument


@dataclass(frozen=True)
class _Place:
    """The local folder, and the GGUF file in it if it is one."""

    folder: Path
    gguf: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What every `from_pretrained` is told: this folder, no code from it, no network."""
        where = {"pretrained_model_name_or_path": str(self.folder), "local_files_only": True}
        return {**where, "trust_remote_code": False} | (
            {"gguf_file": self.gguf} if self.gguf else {}
        )


def inspect_model(source: ModelSource, *, fingerprint: str | None = None) -> InspectedModel:
    """Configuration and tokenizer, read without the weights.

    Raises:
        ModelError: Not found, not readable, quantised, or of a family without an adapter.
    """
    place = _fetch(source, fingerprint, [CONFIG_FILE, *TOKENIZER_FILES])
    with _quiet(), _readable(source, "configuration"):
        config = AutoConfig.from_pretrained(**place.options)
    adapter_class(config)
    if place.gguf is None and getattr(config, "quantization_config", None) is not None:
        kept = config.quantization_config
        how = kept.get("quant_method") if isinstance(kept, dict) else kept.quant_method
        raise ModelError(
            f"model {source.name!r} has quantised weights ({how}); expected full-precision ones: "
            "use the model it was made from, or de-quantise and save it"
        )
    n_ctx: int | None = getattr(config, "max_position_embeddings", None)
    return InspectedModel(config, _tokenizer(source, place), config.vocab_size, n_ctx)


def weight_bytes(config: Any, dtype: str) -> int:
    """How much memory the weights take, counted on the meta device: nothing is allocated."""
    with torch.device("meta"), _quiet():
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return sum(weight.numel() for weight in model.parameters()) * DTYPES[dtype].itemsize


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

    A hub id is loaded at the commit that `fingerprint` is. `cache_dir` keeps file hashes;
    `inspected` saves reading configuration and tokenizer again (for GGUF, many seconds).

    Raises:
        ModelError: As `inspect_model`; or another model lies there than the fingerprint says.
        NonFiniteError: A weight is NaN or infinite.
        ResourceError: The weights alone exceed the memory limit; the device is missing or full.
    """
    identity = identify(source, fingerprint, cache_dir)
    inspected = inspected or inspect_model(source, fingerprint=identity)
    needed = weight_bytes(inspected.config, dtype)
    if limits is not None and limits.memory_bytes is not None and needed > limits.memory_bytes:
        raise ResourceError(
            f"model {source.name!r} needs {needed / 2**30:.2f} GiB for its weights in {dtype}, the "
            f"limit is {limits.memory_bytes / 2**30:.2f} GiB; raise the memory limit or use a "
            "smaller dtype"
        )
    place = _fetch(source, identity, [CONFIG_FILE, *TOKENIZER_FILES, *WEIGHT_FILES])
    model = _read_weights(source, place, inspected.config, dtype, device)
    _check_finite(model, source, dtype)
    adapter = adapter_class(inspected.config)(model)
    origin = "safetensors" if place.gguf is None else "gguf, de-quantised"
    return LoadedModel(adapter, inspected.tokenizer, _document(source, identity, adapter, origin))


def identify(source: ModelSource, expected: str | None, cache_dir: Path | None) -> str:
    if expected is not None and not is_path(source.name) and COMMIT.fullmatch(expected):
        return expected
    found = fingerprint(source, cache_dir)
    if expected is not None and found != expected:
        raise ModelError(
            f"model {source.name!r} has fingerprint {found}, the job asks for {expected}: another "
            "model lies there now; put the right one back, or submit the job again for this one"
        )
    return found


def _fetch(source: ModelSource, identity: str | None, patterns: list[str]) -> _Place:
    if not is_path(source.name):
        from huggingface_hub import snapshot_download

        commit = identity if identity is not None and COMMIT.fullmatch(identity) else None
        with hub_errors(source):
            folder = snapshot_download(
                source.name, revision=commit or source.revision, allow_patterns=patterns
            )
        return _Place(Path(folder))
    path = Path(source.name).expanduser()
    if path.name.endswith(".gguf"):
        if not path.is_file():
            raise ModelError(f"model {source.name!r}: no such file; check the path")
        return _Place(path.parent, path.name)
    model_files(path)
    return _Place(path)


def _tokenizer(source: ModelSource, place: _Place) -> PreTrainedTokenizerBase | None:
    if place.gguf is None and not any((place.folder / name).is_file() for name in TOKENIZER_CORE):
        return None
    with _quiet(), _readable(source, "tokenizer"):
        return AutoTokenizer.from_pretrained(**place.options)


def _read_weights(source: ModelSource, place: _Place, config: Any, dtype: str, device: str) -> Any:
    if place.gguf is not None:
        # Else the weights might stay packed, where no head's part can be cut out.
        extra: dict[str, Any] = {"quantization_config": GgufConfig(dequantize=True)}
    else:
        extra = {"config": config}
    # The bar that reading a GGUF file draws has no switch of its own.
    bar = redirect_stderr(io.StringIO()) if place.gguf else nullcontext()
    auto: Any = AutoModelForCausalLM
    with _quiet(), bar, _readable(source, "weights"):
        model, report = auto.from_pretrained(
            **place.options,
            **extra,
            dtype=DTYPES[dtype],
            attn_implementation=adapter_class(config).attention_implementation,
            use_safetensors=True,
            output_loading_info=True,
        )
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"model {source.name!r} lacks {len(missing)} weights that its configuration asks for, "
            f"such as {missing[0]!r}; check that {CONFIG_FILE} and weights belong together"
        )
    if unused := sorted(report["unexpected_keys"]):
        log.warning("model %s: %d weights are not used: %s", source.name, len(unused), unused[:3])
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ResourceError(
            f"model {source.name!r} does not go to device {device!r}: {_first_line(error)}; use "
            "device 'cpu' or free its memory"
        ) from error


def _check_finite(model: Any, source: ModelSource, dtype: str) -> None:
    for name, weight in model.named_parameters():
        bad = weight.numel() - int(torch.isfinite(weight).sum())
        if bad:
            hint = (
                "float16 may overflow: use dtype bfloat16 or float32"
                if dtype == "float16"
                else "the file is damaged or training diverged: fetch or train it again"
            )
            raise NonFiniteError(
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


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def _readable(source: ModelSource, part: str) -> Generator[None]:
    """Whatever transformers raises on a file it cannot read is a `ModelError` that says which."""
    try:
        yield
    except MemoryError as error:
        raise ResourceError(f"model {source.name!r}: not enough memory for its {part}") from error
    except Exception as error:
        raise ModelError(
            f"model {source.name!r}: its {part} cannot be read ({_first_line(error)}); expected "
            "files as save_pretrained writes them, or a .gguf file of a supported family"
        ) from error


@contextmanager
def _quiet() -> Generator[None]:
    """No bars and reports from transformers; errors still come as exceptions."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
