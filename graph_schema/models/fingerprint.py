"""What a model is called and what it is: path or hub id, and the fingerprint that identifies it.

A model is its content, never the place it lies at: the hub's commit, or a SHA-256 over the files
that decide what it computes (configuration, tokenizer, weights). Nothing here loads a model.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from graph_schema.documents import ModelSource, sha256_hex
from graph_schema.errors import ModelError, ResourceError

CONFIG_FILE = "config.json"
TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
WEIGHT_FILES = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
"""What LoRA and its kin are saved as: changes to a model's weights, in files of their own."""
PICKLED_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt")

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
# A file changed less than this long ago could change again within its mtime's resolution.
SETTLED_SECONDS = 2.0


def is_path(name: str) -> bool:
    """Absolute, `./…`, `~…` or `….gguf`; anything else is a hub id and touches no file here."""
    return name.startswith(("/", "./", "~")) or name.endswith(".gguf")


def resolve_source(name: str, revision: str | None = None) -> ModelSource:
    """Where `name` points: an absolute path of this machine, or a hub id with its revision.

    Raises:
        ModelError: Neither a path nor of the form `org/name`; a path that is not there; a
            revision for a path.
    """
    if not is_path(name):
        if HUB_ID.fullmatch(name) is None or ".." in name:
            raise ModelError(
                f"model {name!r} is neither a hub id, such as openai-community/gpt2, nor a path: "
                "a path is absolute, starts with ./ or ~, or ends in .gguf"
            )
        return ModelSource(name=name, revision=revision)
    if revision is not None:
        raise ModelError(
            f"model {name!r} is a path, which has no revision {revision!r}; leave the revision out"
        )
    path = Path(os.path.abspath(Path(name).expanduser()))
    if not path.exists():
        raise ModelError(
            f"model {name!r}: no such file or folder ({path}); expected a folder with "
            f"{CONFIG_FILE} and model.safetensors, or a .gguf file"
        )
    return ModelSource(name=str(path))


def fingerprint(source: ModelSource, cache_dir: Path | None = None) -> str:
    """The model's identity: the hub's 40-hex commit, or 64 hex digits over its files.

    `cache_dir` keeps the hash of each file by size and modification time, so that gigabytes are
    read once. For a hub id without a commit, the hub (offline: its cache) is asked.

    Raises:
        ModelError: The model cannot be found or read, or has no safetensors weights.
    """
    if not is_path(source.name):
        if source.revision is not None and COMMIT.fullmatch(source.revision):
            return source.revision
        return _hub_commit(source)
    path = Path(source.name).expanduser()
    if path.name.endswith(".gguf"):
        # Under one name, so that renaming the file does not make another model of it.
        named = {"model.gguf": path}
    else:
        named = {file.name: file for file in model_files(path)}
    try:
        lines = [f"{name} {_file_hash(file, cache_dir)}" for name, file in sorted(named.items())]
    except OSError as error:
        raise ModelError(
            f"model {source.name!r} cannot be read: {error.strerror or error} "
            f"({error.filename}); check the path and its permissions"
        ) from error
    return sha256_hex("\n".join(lines))


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that decide what it computes.

    Raises:
        ModelError: No folder, no configuration, no safetensors weights, or an adapter.
    """
    if not folder.is_dir():
        raise ModelError(
            f"model {str(folder)!r} is not a folder; expected a folder with {CONFIG_FILE} and "
            "model.safetensors, or a .gguf file"
        )
    refuse_adapter(folder)
    if not (folder / CONFIG_FILE).is_file():
        found = sorted(file.name for file in folder.glob("*.gguf"))
        hint = f"give the file itself, {folder / found[0]}" if found else "check the path"
        raise ModelError(f"model folder {str(folder)!r} has no {CONFIG_FILE}; {hint}")
    weights = _matching(folder, WEIGHT_FILES)
    if not any(file.suffix == ".safetensors" for file in weights):
        pickled = _matching(folder, PICKLED_WEIGHTS)
        saw = f"pickled weights ({pickled[0].name}) are not read" if pickled else "none found"
        raise ModelError(
            f"model folder {str(folder)!r} has no model.safetensors: {saw}; save the model with "
            "save_pretrained(folder), which writes safetensors"
        )
    return [folder / CONFIG_FILE, *_matching(folder, TOKENIZER_FILES), *weights]


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


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted(file for pattern in patterns for file in folder.glob(pattern) if file.is_file())


def _file_hash(file: Path, cache_dir: Path | None) -> str:
    looked, stat = time.time(), file.stat()
    seen = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    entry = None if cache_dir is None else cache_dir / f"{sha256_hex(str(file.resolve()))}.json"
    if entry is not None:
        try:
            kept = json.loads(entry.read_text())
            if kept["size"] == seen["size"] and kept["mtime_ns"] == seen["mtime_ns"]:
                return str(kept["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    if entry is not None and looked - stat.st_mtime > SETTLED_SECONDS:
        with suppress(OSError):  # a cache that cannot be kept costs time, not the answer
            _write_atomically(entry, json.dumps({**seen, "sha256": digest}))
    return digest


def _write_atomically(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, target)


def _hub_commit(source: ModelSource) -> str:
    from huggingface_hub import hf_hub_download

    # Fetching the configuration asks for the licence too, and works from the cache when offline.
    with hub_errors(source):
        config = hf_hub_download(source.name, CONFIG_FILE, revision=source.revision)
    return Path(config).parent.name


@contextmanager
def hub_errors(source: ModelSource) -> Generator[None]:
    """Raise the hub's errors as ours, each with what to do about it."""
    from huggingface_hub import errors

    name, at = source.name, f" at revision {source.revision!r}" if source.revision else ""
    page = f"https://huggingface.co/{name}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelError(
            f"model {name!r} is gated: accept its licence at {page}, then set HF_TOKEN to a token "
            "that may read it"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"model {name!r} is not on the hub, or is private; check {page}, set HF_TOKEN, or "
            f"write ./{name} for a folder"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"model {name!r} has no revision {source.revision!r}; see {page}"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise ModelError(
            f"model {name!r}{at} is not in the local cache and the hub cannot be reached; check "
            "the network and HF_HUB_OFFLINE, or give a local folder"
        ) from error
    except errors.EntryNotFoundError as error:
        raise ModelError(
            f"model {name!r}{at} has no {CONFIG_FILE}, so it is no transformers model; for GGUF "
            "download the file and give its path, and merge an adapter into its model first"
        ) from error
    except errors.HFValidationError as error:
        raise ModelError(f"model {name!r} is not a hub id: expected org/name") from error
    except (errors.HfHubHTTPError, ConnectionError, TimeoutError) as error:
        raise ResourceError(
            f"the hub did not answer for model {name!r}{at}; try again, or give a local folder"
        ) from error
