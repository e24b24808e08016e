"""Which files of a model folder decide what it computes: configuration, tokenizer, weights.

Weights are what transformers reads, in its order: the file that the configuration names
(`transformers_weights`), else `model.safetensors`, else the shards that the index names, whatever
they are called. A name that a file gives stays inside the folder. A compiled program is its two
files (`compiled/`). What only generation or a chat
reads (`generation_config.json`, chat templates) decides nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from errno import ENOENT
from pathlib import Path, PurePosixPath
from typing import Any, cast

from graph_schema.errors import ModelError, ModelUnavailable
from graph_schema.models.compiled.files import CONFIG_FILE as CONFIG_FILE
from graph_schema.models.compiled.files import compiled_files, is_compiled
from graph_schema.printable import LONGEST_PATH, quoted

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "*.model",
    "*.spm",
    "*.tiktoken",
    "added_tokens.json",
    "bpe.codes",
    "entity_vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "tekken.json",
    "tokenizer.json",
    "tokenizer.model.*",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
"""Patterns; transformers takes any `*.model` where it wants SentencePiece's."""

READ_FIRST = (
    CONFIG_FILE,
    "config.*.json",
    *TOKENIZER_FILES,
    "tokenizer.*.json",
    "adapter_config.json",
)
"""What is fetched of a hub's model before its weights are."""
INDEXES = "*.safetensors.index.json"

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
"""What LoRA and its kin are saved as: changes to a model's weights, in files of their own."""

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# Where a file names others, one for each version of transformers: the list's key, by the file.
_VERSIONED = {CONFIG_FILE: "configuration_files", "tokenizer_config.json": "fast_tokenizer_files"}
_MOST_INDEX_BYTES = 256 * 2**20
_MOST_CONFIG_BYTES = 64 * 2**20
_LONGEST_NAME = 255
"""Bytes, of a file system's."""


def model_files(folder: Path) -> dict[str, Path]:
    """The files of a model folder that decide what it computes, by their names in it.

    Raises:
        ModelUnavailable: No such folder.
        ModelError: No configuration, no safetensors weights, weights that an index names are not
            there, or an adapter beside them.
    """
    expected = (
        f"expected a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, a compiled program's folder, "
        "or a .gguf file"
    )
    if not folder.exists():
        raise ModelUnavailable(f"model {str(folder)!r}: no such file or folder; {expected}")
    if not folder.is_dir():
        raise ModelError(f"model {str(folder)!r} is not a folder; {expected}")
    refuse_adapter(folder)
    if is_compiled(folder):
        return compiled_files(folder)
    if not (folder / CONFIG_FILE).is_file():
        found = sorted(file.name for file in folder.glob("*.gguf"))
        hint = f"give the file itself, {folder / found[0]}" if found else "check the path"
        raise ModelError(f"model folder {str(folder)!r} has no {CONFIG_FILE}; {hint}")
    named = {CONFIG_FILE: folder / CONFIG_FILE}
    named |= {file.name: file for file in _matching(folder, TOKENIZER_FILES)}
    for name in (*_versions(folder), *weight_names(folder)):
        named[name] = folder / name
    return named


def refuse_adapter(folder: Path | None) -> None:
    """Refuse a folder with adapter weights: without them it would be another model.

    Raises:
        ModelError: They are there.
    """
    found = [] if folder is None else _matching(folder, ADAPTER_FILES)
    if found:
        raise ModelError(
            f"model folder {str(folder)!r} has an adapter ({found[0].name}), which would not be "
            "read: merge it into its model (merge_and_unload) and save that with save_pretrained; "
            "if it is merged already, remove its files"
        )


def weight_names(folder: Path, *, there: bool = True) -> tuple[str, ...]:
    """The weight files that are read from this folder, with the index that names them.

    Args:
        folder: It has the configuration and, where there is one, the index.
        there: Refuse those that are named and not there; else they are still to be fetched.

    Raises:
        ModelError: There are none; or one that is named lies outside the folder, or is no
            safetensors file.
    """
    said = explicit_weights(folder)
    if said is None and (folder / WEIGHTS_FILE).is_file():
        return (WEIGHTS_FILE,)
    index = said or INDEX_FILE
    if said is not None and not said.endswith(".index.json"):
        names = (said,)
    elif (folder / index).is_file():
        names = (index, *shard_names(folder, index))
    else:
        names = (index,)
    for name in names if there else ():
        if not (folder / name).is_file():
            raise ModelError(_lacks(folder, name, said))
    return names


def explicit_weights(folder: Path) -> str | None:
    """The weights, or their index, that the configuration asks for by name.

    Raises:
        ModelError: They lie outside the folder, or are of no kind that is read.
    """
    said = _object(folder / CONFIG_FILE).get("transformers_weights")
    if said is None:
        return None
    name = _inside(folder, said, CONFIG_FILE)
    if not name.endswith((".safetensors", ".safetensors.index.json")):
        raise ModelError(
            f"model folder {str(folder)!r}: {CONFIG_FILE} names the weights {quoted(name)}; "
            "expected a .safetensors file or a .safetensors.index.json"
        )
    return name


def shard_names(folder: Path, index: str) -> tuple[str, ...]:
    """The files that an index names, each once; they need not be there.

    Raises:
        ModelError: It cannot be read, names none, or one outside the folder or of another kind.
    """
    file = folder / index
    if file.stat().st_size > _MOST_INDEX_BYTES:
        raise ModelError(f"model folder {str(folder)!r}: {index} is too large to be an index")
    shards = _object(file, _MOST_INDEX_BYTES).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ModelError(
            f"model folder {str(folder)!r}: {index} has no weight_map that names its files; save "
            "the model again with save_pretrained(folder)"
        )
    values = cast("dict[str, Any]", shards).values()
    names = {_inside(folder, name, index) for name in values}
    for name in sorted(names):
        if not name.endswith(".safetensors"):
            raise ModelError(
                f"model folder {str(folder)!r}: {index} names {quoted(name)}, which is no "
                ".safetensors file; other weights are not read"
            )
    return tuple(sorted(names))


def _inside(folder: Path, name: object, said_by: str) -> str:
    """A name that a file of the folder gives, as a path within the folder."""
    path = PurePosixPath(name) if isinstance(name, str) else PurePosixPath()
    text = str(name)
    bad = not path.parts or path.is_absolute() or ".." in path.parts or set("\\\0") & set(text)
    longest = max((len(part.encode(errors="replace")) for part in path.parts), default=0)
    if bad or longest > _LONGEST_NAME or len(text) > LONGEST_PATH:
        raise ModelError(
            f"model folder {str(folder)!r}: {said_by} names {quoted(name)}; expected the name of a "
            "file inside the folder"
        )
    return str(path)


def _lacks(folder: Path, name: str, said: str | None) -> str:
    """What is wrong with a folder that has not this weight file."""
    if name != INDEX_FILE or said is not None:
        said_by = CONFIG_FILE if name == said else said or INDEX_FILE
        return (
            f"model folder {str(folder)!r} lacks {quoted(name)}, which {said_by} names; put it "
            "there (is the copy complete?)"
        )
    shards, pickled = _matching(folder, ("*.safetensors",)), _matching(folder, _PICKLED)
    if shards:
        saw = f"no {INDEX_FILE} says that {shards[0].name} is a part of it"
    elif pickled:
        saw = f"pickled weights ({pickled[0].name}) are not read"
    else:
        saw = "none found"
    return (
        f"model folder {str(folder)!r} has no {WEIGHTS_FILE}: {saw}; save the model with "
        "save_pretrained(folder), which writes safetensors"
    )


def _versions(folder: Path) -> list[str]:
    """Files that stand for configuration or tokenizer under some versions of transformers."""
    named: list[str] = []
    for file, key in _VERSIONED.items():
        listed = _object(folder / file).get(key)
        for name in cast("list[object]", listed) if isinstance(listed, list) else []:
            inside = _inside(folder, name, file)
            if (folder / inside).is_file():
                named.append(inside)
    return named


def read_json_text(file: Path, most: int = _MOST_CONFIG_BYTES) -> str:
    """The text of a file of JSON.

    Raises:
        OSError: It cannot be read, or is no regular file: a pipe would be waited for.
        UnicodeDecodeError: It is no UTF-8.
        ModelError: It has more than `most` bytes, and would be read whole.
    """
    if not file.is_file():
        raise FileNotFoundError(ENOENT, "there is no such file", str(file))
    with file.open("rb") as source:
        data = source.read(most + 1)
    if len(data) > most:
        raise ModelError(
            f"{str(file)!r} has more than {most:,} bytes, as no model's {file.name} does; put the "
            "right file there"
        )
    return data.decode()


def _object(file: Path, most: int = _MOST_CONFIG_BYTES) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none: whoever needs it says so."""
    try:
        found = cast(object, json.loads(read_json_text(file, most)))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})
