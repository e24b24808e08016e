"""What is known of a model before its weights are read: where it lies, which it is, its sizes.

A hub id, with revision, a local folder or a `.gguf` file. What a hub id names is fetched first, and
only the files that decide what the model computes; the rest looks at one local folder or file.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers import logging as transformers_logging
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from discovery.models.families import settle_attention
from discovery.models.gguf_config import settle
from discovery.models.gguf_header import read_header
from discovery.models.whole import configuration_notes
from discovery.tasks.names import TokenNames
from graph_schema.documents import ModelSource
from graph_schema.errors import (
    MissingError,
    MissingExtraError,
    ModelError,
    ModelUnavailable,
    ResourceError,
)
from graph_schema.models.compiled.files import is_compiled
from graph_schema.models.compiled.program import CompiledProgram, read_program
from graph_schema.models.files import CONFIG_FILE, model_files, refuse_adapter
from graph_schema.models.fingerprint import COMMIT, fingerprint, is_path
from graph_schema.models.hub import by_its_name, fetch_from_hub
from graph_schema.private_files import expanded

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
MISSING = (
    "No CUDA GPUs",
    "NVIDIA driver",
    "invalid device ordinal",
    "Expected one of",
    "not linked",
)
"""What torch says of a device that is not here, beside failed assertions."""
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
    `names` are those of a compiled program's tokens and outputs, whose `config` is its
    `CompiledProgram`.
    """

    config: Any
    tokenizer: PreTrainedTokenizerBase | None
    d_vocab: int
    n_ctx: int | None
    notes: tuple[str, ...] = ()
    names: TokenNames | None = None


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
    place = fetch(source, fingerprint)
    with by_its_name(source, place.folder):
        refuse_adapter(place.folder if place.gguf is None else None)
    if place.gguf is None and is_compiled(place.folder):
        program = read_program(place.folder)
        return InspectedModel(
            program, None, program.d_vocab, program.n_ctx, names=TokenNames.of(program)
        )
    # Before a reader that takes it at its word.
    header = None if place.gguf is None else read_header(place.folder / place.gguf)
    with quiet(), readable(source, "configuration", place):
        config = AutoConfig.from_pretrained(**place.options)
    settle_attention(config, source.name)
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
    if header is not None:
        with quiet():
            notes += settle(config, header)
    tokenizer = _tokenizer(source, place)
    return InspectedModel(config, tokenizer, config.vocab_size, context_length(config), notes)


def context_length(config: Any) -> int | None:
    """The longest prompt in tokens, where the configuration says.

    Dynamic rotary scaling is for prompts beyond the length that the model was trained on, up to its
    factor times that.
    """
    if isinstance(config, CompiledProgram):
        return config.n_ctx
    trained = getattr(config, "max_position_embeddings", None)
    rotary: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    if trained is None or rotary.get("rope_type") != "dynamic":
        return trained
    return int(trained * rotary.get("factor", 1.0))


def weight_bytes(config: Any, dtype: str) -> int:
    """How much memory the weights take, counted on the meta device: nothing is allocated."""
    if isinstance(config, CompiledProgram):
        return config.n_weights * DTYPES[dtype].itemsize
    with torch.device("meta"), quiet():
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return sum(weight.numel() for weight in model.parameters()) * DTYPES[dtype].itemsize


def identify(source: ModelSource, expected: str | None, cache_dir: Path | None) -> str:
    if expected is not None and not is_path(source.name) and COMMIT.fullmatch(expected):
        return expected
    found = fingerprint(source, cache_dir)
    if expected is not None and found != expected:
        raise ModelUnavailable(
            f"model {source.name!r} has fingerprint {found}, the job asks for {expected}: another "
            "model lies there now; put the right one back, or submit the job again for this one"
        )
    return found


def fetch(source: ModelSource, identity: str | None, *, weights: bool = False) -> Place:
    """The local place of a model; what a hub id names is fetched, weights where asked for.

    Of a hub's weights exactly those files come that transformers reads (`weight_names`).

    Raises:
        ModelUnavailable: The model is away, or the hub, and the cache lacks a file.
        ModelError: The model lacks a file that it must have.
        ResourceError: The hub does not answer.
    """
    if not is_path(source.name):
        commit = identity if identity is not None and COMMIT.fullmatch(identity) else None
        return Place(fetch_from_hub(source, commit or source.revision, weights=weights))
    path = expanded(source.name)
    if path.name.endswith(".gguf"):
        if not path.is_file():
            raise ModelUnavailable(f"model {source.name!r}: no such file; check the path")
        return _alone(path)
    model_files(path)
    return Place(path)


def _alone(gguf: Path) -> Place:
    """The file in a folder of its own: transformers would read a tokenizer that lies beside it."""
    folder = tempfile.mkdtemp(prefix="circuits-gguf-")
    place = Place(Path(folder), gguf.name)
    weakref.finalize(place, shutil.rmtree, folder, ignore_errors=True)
    (place.folder / gguf.name).symlink_to(gguf.absolute())
    return place


def _tokenizer(source: ModelSource, place: Place) -> PreTrainedTokenizerBase | None:
    if place.gguf is None and not any((place.folder / name).is_file() for name in TOKENIZER_CORE):
        return None
    with quiet(), readable(source, "tokenizer", place):
        return AutoTokenizer.from_pretrained(**place.options)


def first_line(error: BaseException) -> str:
    """The first line of a message, with the next where the first only announces it."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    if not lines:
        return type(error).__name__
    if isinstance(error, KeyError):  # whose message is the key alone
        return f"{lines[0]} is missing, or no name that is known"
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


@contextmanager
def readable(source: ModelSource, part: str, place: Place | None = None) -> Generator[None]:
    """Whatever transformers raises on a file it cannot read is an error of ours that says which.

    Raises:
        MissingExtraError: A package that reads it is not installed.
        ModelUnavailable: The file went away, or the machine does not give it.
        ResourceError: There is not enough memory.
        ModelError: Any other reason.
    """
    try:
        yield
    except MemoryError as error:
        raise ResourceError(f"model {source.name!r}: not enough memory for its {part}") from error
    except ImportError as error:
        raise MissingExtraError(
            f"model {source.name!r}: its {part} cannot be read without a package that is missing "
            f'here ({first_line(error)}); run: pip install "circuit-atlas[worker]", or install '
            "that package, where the worker runs"
        ) from error
    except Exception as error:
        why = first_line(error)
        if place is not None:  # where files lie that were fetched is no business of who asked
            why = why.replace(str(place.folder / (place.gguf or "")), source.name)
        if isinstance(error, OSError) and error.errno is not None:
            raise ModelUnavailable(
                f"model {source.name!r}: its {part} cannot be read now ({why}); see that the files "
                "are there and readable, then try again"
            ) from error
        raise ModelError(
            f"model {source.name!r}: its {part} cannot be read ({why}); expected "
            "files as save_pretrained writes them, or a .gguf file of a supported family"
        ) from error


@contextmanager
def placed(source: ModelSource, device: str) -> Generator[None]:
    """What torch raises where weights go to a device.

    Raises:
        MissingError: There is no such device here.
        ResourceError: It is full, or in use.
    """
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        kind = MissingError if _is_missing(error) else ResourceError
        raise kind(
            f"model {source.name!r} does not go to device {device!r}: {first_line(error)}; use "
            "device 'cpu' or free its memory"
        ) from error


def _is_missing(error: RuntimeError | AssertionError) -> bool:
    """Whether torch means a device that is not here, which it says in words alone."""
    text = str(error)
    return isinstance(error, AssertionError) or any(words in text for words in MISSING)


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
