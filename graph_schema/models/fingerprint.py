"""What a model is called and what it is: path or hub id, and the fingerprint that identifies it.

A model is its content, never the place it lies at: the hub's commit, or a SHA-256 over the files
that decide what it computes (`files.py`). Nothing here loads a model.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

from graph_schema.documents import ModelSource, sha256_hex
from graph_schema.errors import ModelError, ModelUnavailable
from graph_schema.models.files import CONFIG_FILE, model_files
from graph_schema.models.hub import hub_errors, require_hub_name
from graph_schema.models.kept import keep_entry, read_entry
from graph_schema.printable import LONGEST_PATH, clipped, quoted
from graph_schema.private_files import expanded, is_there

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
        ModelUnavailable: A path that is not there.
        ModelError: Neither a path nor of the form `org/name`; a revision for a path.
    """
    if not is_path(name):
        if HUB_ID.fullmatch(name) is None or ".." in name:
            raise ModelError(
                f"model {clipped(name, LONGEST_PATH)!r} is neither a hub id, such as "
                "openai-community/gpt2, nor a path: a path is absolute, starts with ./ or ~, or "
                "ends in .gguf"
            )
        require_hub_name(name, revision)
        return ModelSource(name=name, revision=revision)
    if revision is not None:
        raise ModelError(
            f"model {name!r} is a path, which has no revision {quoted(revision)}; leave the "
            "revision out"
        )
    path = Path(os.path.abspath(expanded(name)))
    if not is_there(path):
        raise ModelUnavailable(
            f"model {clipped(name, LONGEST_PATH)!r}: no such file or folder "
            f"({clipped(str(path), LONGEST_PATH)}); expected a folder with "
            f"{CONFIG_FILE} and model.safetensors, or a .gguf file"
        )
    return ModelSource(name=str(path))


def fingerprint(source: ModelSource, cache_dir: Path | None = None) -> str:
    """The model's identity: the hub's 40-hex commit, or 64 hex digits over its files.

    `cache_dir` keeps the hash of each file by size and modification time, so that gigabytes are
    read once. For a hub id without a commit, the hub (offline: its cache) is asked.

    Raises:
        ModelUnavailable: It is away, cannot be read, or the hub cannot be reached.
        ModelError: It has no safetensors weights, or the hub has no such model for this user.
    """
    if not is_path(source.name):
        if source.revision is not None and COMMIT.fullmatch(source.revision):
            return source.revision
        return _hub_commit(source)
    path = expanded(source.name)
    # A GGUF file under one name, so that renaming it does not make another model of it.
    named = {"model.gguf": path} if path.name.endswith(".gguf") else model_files(path)
    try:
        lines = [f"{name} {_file_hash(file, cache_dir)}" for name, file in sorted(named.items())]
    except OSError as error:
        raise ModelUnavailable(
            f"model {source.name!r} cannot be read: {error.strerror or error} "
            f"({error.filename}); check the path and its permissions"
        ) from error
    return sha256_hex("\n".join(lines))


def _file_hash(file: Path, cache_dir: Path | None) -> str:
    looked, stat = time.time(), file.stat()
    seen = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    entry = None if cache_dir is None else cache_dir / f"{sha256_hex(str(file.resolve()))}.json"
    if entry is not None:
        kept = read_entry(entry) or {}
        if kept == {**seen, "sha256": kept.get("sha256")} and isinstance(kept["sha256"], str):
            return kept["sha256"]
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    if entry is not None and looked - stat.st_mtime > SETTLED_SECONDS:
        keep_entry(entry, {**seen, "sha256": digest})
    return digest


def _hub_commit(source: ModelSource) -> str:
    from huggingface_hub import hf_hub_download

    # Fetching the configuration asks for the licence too, and works from the cache when offline.
    with hub_errors(source):
        config = hf_hub_download(source.name, CONFIG_FILE, revision=source.revision)
    return Path(config).parent.name
