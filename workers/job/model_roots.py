"""Which folders a service reads models and dictionaries from, where its operator says so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from graph_schema.documents import DictionarySource, ModelSource
from graph_schema.errors import ModelError
from graph_schema.models.fingerprint import is_path
from workers.settings import Settings


def check_root(
    source: ModelSource | DictionarySource, settings: Settings, what: str = "model"
) -> None:
    """Refuse a path outside the configured folders, and a folder with a link that leads outside.

    Raises:
        ModelError: It is outside.
    """
    if not settings.model_roots or not is_path(source.name):
        return
    roots = [root.resolve() for root in settings.model_roots]
    path = Path(source.name)
    listed = ", ".join(map(str, settings.model_roots))
    if not _inside(path, roots):
        raise ModelError(
            f"{what} {source.name!r} lies outside the folders that this service reads models from: "
            f"{listed} (CIRCUITS_MODEL_ROOTS)"
        )
    if (link := _leads_out(path, roots)) is not None:
        raise ModelError(
            f"{what} {source.name!r}: {str(link.relative_to(path))!r} is a link that leads outside "
            f"the folders that this service reads models from: {listed} (CIRCUITS_MODEL_ROOTS); "
            "put the file itself there"
        )


def _inside(path: Path, roots: Iterable[Path]) -> bool:
    real = path.resolve()
    return any(real.is_relative_to(root) for root in roots)


def _leads_out(folder: Path, roots: list[Path]) -> Path | None:
    """The first link at any depth below a folder to what is not inside."""
    seen: set[Path] = set()
    waiting = [folder] if folder.is_dir() else []
    while waiting:
        here = waiting.pop()
        if (real := here.resolve()) in seen:
            continue  # a link to where we come from
        seen.add(real)
        with os.scandir(here) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = Path(entry.path)
                if entry.is_symlink() and not _inside(path, roots):
                    return path
                if entry.is_dir():
                    waiting.append(path)
    return None
