"""What is known of a model before its weights are read: where it lies, which it is, its sizes.

A hub id, with revision, a local folder or a `.gguf` file. What a hub id names is fetched first, and
only the files that decide what the model computes; the rest looks at one local folder or file.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers import logging as transformers_logging
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from discovery.models.families import adapter_class
from discovery.models.gguf_config import settle
from discovery.models.gguf_header import read_header
from discovery.models.whole import configuration_notes
from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError, ResourceError
from graph_schema.models.fingerprint import (
    ADAPTER_FILES,
    COMMIT,
    CONFIG_FILE,
    TOKENIZER_FILES,
    fingerprint,
    hub_errors,
    is_path,
    model_files,
    refuse_adapter,
)

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# More is a damaged file, and would be built layer by layer to count its weights.
MAX_LAYERS = 10_000
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
    made for, None where its configuration sets no end. `notes` are for whoever reads its circuits.
    """

    config: Any
    tokenizer: PreTrainedTokenizerBase | None
    d_vocab: int
    n_ctx: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
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
        ModelError: Not found, not readable, quantised, of a family without an adapter here, or
            with adapter weights beside it; a GGUF file with a key or a tensor that is not read.
    """
    place = fetch(source, fingerprint, [CONFIG_FILE, *ADAPTER_FILES, *TOKENIZER_FILES])
    refuse_adapter(place.folder if place.gguf is None else None)
    with quiet(), readable(source, "configuration"):
        config = AutoConfig.from_pretrained(**place.options)
    adapter_class(config)
    if not 1 <= config.num_hidden_layers <= MAX_LAYERS:
        raise ModelError(
            f"model {source.name!r} has {config.num_hidden_layers:,} layers by its {CONFIG_FILE}; "
            f"expected 1 to {MAX_LAYERS:,}: put the right file there"
        )
    if place.gguf is None and getattr(config, "quantization_config", None) is not None:
        kept = config.quantization_config
        how = kept.get("quant_method") if isinstance(kept, dict) else kept.quant_method
        raise ModelError(
            f"model {source.name!r} has quantised weights ({how}); expected full-precision ones: "
            "use the model it was made from, or de-quantise and save it"
        )
    notes = configuration_notes(config)
    if place.gguf is not None:
        with quiet():
            notes += settle(config, read_header(place.folder / place.gguf))
    tokenizer = _tokenizer(source, place)
    return InspectedModel(config, tokenizer, config.vocab_size, context_length(config), notes)


def context_length(config: Any) -> int | None:
    """The longest prompt in tokens, where the configuration says.

    Dynamic rotary scaling is for prompts beyond the length that the model was trained on, up to its
    factor times that.
    """
    trained = getattr(config, "max_position_embeddings", None)
    rotary: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    if trained is None or rotary.get("rope_type") != "dynamic":
        return trained
    return int(trained * rotary.get("factor", 1.0))


def weight_bytes(config: Any, dtype: str) -> int:
    """How much memory the weights take, counted on the meta device: nothing is allocated."""
    with torch.device("meta"), quiet():
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return sum(weight.numel() for weight in model.parameters()) * DTYPES[dtype].itemsize


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


def fetch(source: ModelSource, identity: str | None, patterns: list[str]) -> Place:
    if not is_path(source.name):
        from huggingface_hub import snapshot_download

        commit = identity if identity is not None and COMMIT.fullmatch(identity) else None
        with hub_errors(source):
            folder = snapshot_download(
                source.name, revision=commit or source.revision, allow_patterns=patterns
            )
        return Place(Path(folder))
    path = Path(source.name).expanduser()
    if path.name.endswith(".gguf"):
        if not path.is_file():
            raise ModelError(f"model {source.name!r}: no such file; check the path")
        return Place(path.parent, path.name)
    model_files(path)
    return Place(path)


def _tokenizer(source: ModelSource, place: Place) -> PreTrainedTokenizerBase | None:
    if place.gguf is None and not any((place.folder / name).is_file() for name in TOKENIZER_CORE):
        return None
    with quiet(), readable(source, "tokenizer"):
        return AutoTokenizer.from_pretrained(**place.options)


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def readable(source: ModelSource, part: str) -> Generator[None]:
    """Whatever transformers raises on a file it cannot read is a `ModelError` that says which."""
    try:
        yield
    except MemoryError as error:
        raise ResourceError(f"model {source.name!r}: not enough memory for its {part}") from error
    except Exception as error:
        raise ModelError(
            f"model {source.name!r}: its {part} cannot be read ({first_line(error)}); expected "
            "files as save_pretrained writes them, or a .gguf file of a supported family"
        ) from error


@contextmanager
def quiet() -> Generator[None]:
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
