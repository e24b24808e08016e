"""The sizes of models that were planned before: kept by their configuration, read without torch.

`sizes_of` builds a model on the meta device, which takes torch and transformers: seconds, where all
else of a plan takes one. What it found is exact and depends on the configuration's file and on the
code that read it, so both are in the name that it is kept under: of our code the text, since in a
checkout it changes under one version, and of a library its version.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from discovery.jobs.sizes import Sizes, read_config, sizes_of
from graph_schema.documents import Document, ModelSource, sha256_hex
from graph_schema.errors import SpecError
from graph_schema.models.files import CONFIG_FILE, refuse_adapter
from graph_schema.models.fingerprint import is_path
from graph_schema.private_files import expanded, private_folder, write_private

LARGEST = 2**20
"""Bytes of a file that is looked at; a larger configuration is planned and not kept."""
MOST = 2**63
READERS = ("circuit-atlas", "transformers")
"""Packages that decide what a configuration means."""
_DISCOVERY = Path(__file__).parents[1]
SOURCES = (
    _DISCOVERY / "models",
    _DISCOVERY / "jobs" / "sizes.py",
    _DISCOVERY.parent / "graph_schema" / "models",
)
"""Files and folders of our code that counts: some 50 files, read in 2 ms."""


def _plausible(sizes: Sizes) -> Sizes:
    numbers = [value for value in vars(sizes).values() if not isinstance(value, bool)]
    if not all(0 <= number < MOST for number in numbers) or sizes.n_layers < 1:
        raise ValueError("sizes of no model")
    return sizes


@dataclass(frozen=True)
class PlannedSizes:
    """What of a model decides a plan; `n_ctx` is None where its prompts have no end."""

    sizes: Sizes
    n_ctx: int | None


class _Kept(Document):
    schema_version: Literal[1] = 1
    sizes: Annotated[Sizes, AfterValidator(_plausible)]
    n_ctx: Annotated[int, Field(ge=1, lt=MOST)] | None


def planned_sizes(source: ModelSource, cache_dir: Path) -> PlannedSizes:
    """A model's sizes and its longest prompt; of a local folder from the cache where it has them.

    What cannot be read there, or kept, is counted anew.

    Raises:
        ModelError: It has no configuration, no adapter, or adapter weights beside it.
    """
    file = expanded(source.name) / CONFIG_FILE
    if not is_path(source.name) or (said := _bytes(file)) is None:
        return _counted(source)
    refuse_adapter(file.parent)
    kept = cache_dir / "sizes" / f"{_key(said)}.json"
    if (text := _bytes(kept)) is not None:
        with suppress(ValueError, RecursionError):
            known = _Kept.model_validate_json(text, strict=True)
            return PlannedSizes(known.sizes, known.n_ctx)
    found = _counted(source)
    if _bytes(file) == said:  # else it was written while it was counted
        with suppress(OSError, SpecError, ValueError):
            record = _Kept(sizes=found.sizes, n_ctx=found.n_ctx)
            private_folder(kept.parent)
            write_private(kept, record.model_dump_json())
    return found


def _counted(source: ModelSource) -> PlannedSizes:
    from discovery.models.inspecting import context_length

    config = read_config(source)
    return PlannedSizes(sizes_of(config), context_length(config))


def _key(configuration: bytes) -> str:
    schema = _Kept.model_fields["schema_version"].default
    readers = [f"{name} {version(name)}" for name in READERS]
    code = [sha256_hex(_bytes(file) or b"") for file in _sources()]
    return sha256_hex("\n".join([str(schema), *readers, *code, sha256_hex(configuration)]))


def _sources() -> list[Path]:
    found: set[Path] = set()
    for source in SOURCES:
        found |= {source} if source.suffix else set(source.rglob("*.py"))
    return sorted(found)


def _bytes(file: Path) -> bytes | None:
    """What is in the file; None where it is none, too large, or cannot be read."""
    try:
        if file.is_file() and file.stat().st_size <= LARGEST:
            return file.read_bytes()
    except (OSError, ValueError):
        pass
    return None
