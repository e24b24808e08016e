"""What dictionaries a source holds, told from its files without loading them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from graph_schema.dictionaries.asked import Asked, Shapes
from graph_schema.dictionaries.described import Described
from graph_schema.dictionaries.formats import READERS
from graph_schema.dictionaries.sources import children, fetched
from graph_schema.documents.dictionary import DictionarySource
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

FORMATS = tuple(READERS)
_CODE = (".pkl", ".pickle", ".bin", ".ckpt", ".pth")


def describe(
    source: DictionarySource,
    *,
    pickled: Callable[[Path], Shapes] | None = None,
) -> tuple[Described, ...]:
    """The dictionaries of a source: one, or one a layer of a set.

    Args:
        source: By `sources.resolve`.
        pickled: The shapes of a `.pt` file's tensors; without it such files are refused.

    Raises:
        DictionaryError: No known format, a damaged or harmful file, shapes that do not fit.
        ModelUnavailable: The hub's cache lacks it, and the hub cannot be reached.
        ResourceError: The hub did not answer.
    """
    asked = replace(fetched(source), pickled=pickled)
    if source.format is not None and source.format not in READERS:
        raise DictionaryError(
            f"dictionary format {quoted(source.format)} is none; expected one of "
            f"{', '.join(FORMATS)}"
        )
    readers = READERS if source.format is None else {source.format: READERS[source.format]}
    for reader in readers.values():
        if reader.claims(asked):
            found = tuple(reader.read(asked))
            if not found:
                raise DictionaryError(f"dictionary {quoted(asked.words)} holds no layer")
            return found
    raise DictionaryError(_unknown(asked))


def _unknown(asked: Asked) -> str:
    start = f"dictionary {quoted(asked.words)}"
    if asked.target.is_file() and asked.target.suffix in _CODE:
        return (
            f"{start} is a pickle, which can run code when it is read, and is not; expected "
            "safetensors, or a .pt file of a format that holds tensors alone"
        )
    inside = children(asked.target) if asked.target.is_dir() else []
    if "." in inside:
        return (
            f"{start} holds weights without the files that say how to read them, such as cfg.json; "
            f"expected a whole folder of {', '.join(FORMATS)} (docs/dictionaries.md says which "
            "files each has)"
        )
    if inside:
        return f"{start} holds several dictionaries; name one of them: {', '.join(inside)}"
    return (
        f"{start} is of no format that is read; expected one of {', '.join(FORMATS)} "
        "(docs/dictionaries.md says which files each has)"
    )
