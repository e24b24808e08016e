"""What was worked out of a model's files, kept in a folder so that gigabytes are read once.

Two kinds of entries: the hash of a file, by its place, size and time (`fingerprint.py`), and the
hash of a model's weights, by its fingerprint. An entry that cannot be read, or is not as it was
written, is none: what it held is worked out again. One that cannot be written costs time alone.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from graph_schema.documents import sha256_hex
from graph_schema.private_files import write_private

WEIGHTS_VERSION = 1
"""Of what `weights.py` says that counts; another one finds no entry of this one."""


def read_entry(entry: Path) -> dict[str, Any] | None:
    """The fields of an entry; None where there is none that can be read."""
    try:
        found: object = json.loads(entry.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def keep_entry(entry: Path, fields: dict[str, Any]) -> None:
    """Write an entry, whole or not at all; a folder that cannot be written in is done without."""
    with suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_private(entry, json.dumps(fields))


def kept_weights(cache_dir: Path | None, fingerprint: str) -> str | None:
    """The hash of the weights that a fingerprint stands for, where it is kept and sound."""
    if cache_dir is None:
        return None
    found = read_entry(_place(cache_dir, fingerprint)) or {}
    weights = found.get("weights_sha256")
    sound = isinstance(weights, str) and found == _sealed(fingerprint, weights)
    return weights if sound else None


def keep_weights(cache_dir: Path | None, fingerprint: str, weights: str) -> None:
    """Keep the hash of the weights that a fingerprint stands for.

    Called when the files have been read and are still those of the fingerprint.
    """
    if cache_dir is not None and kept_weights(cache_dir, fingerprint) != weights:
        keep_entry(_place(cache_dir, fingerprint), _sealed(fingerprint, weights))


def _place(cache_dir: Path, fingerprint: str) -> Path:
    return cache_dir / f"weights-{WEIGHTS_VERSION}-{fingerprint}.json"


def _sealed(fingerprint: str, weights: str) -> dict[str, Any]:
    """The entry, with a hash over it: one flipped digit would make another model of it."""
    return {
        "fingerprint": fingerprint,
        "weights_sha256": weights,
        "seal": sha256_hex(f"{WEIGHTS_VERSION} {fingerprint} {weights}"),
    }
