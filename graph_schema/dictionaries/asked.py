"""What a reader of a format is asked to read: a file or folder here, and where it came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from graph_schema.dictionaries.described import Described, Draft
from graph_schema.dictionaries.described import described as _described
from graph_schema.dictionaries.tensor_files import check_floats, read_headers
from graph_schema.documents.component import DIGITS
from graph_schema.documents.dictionary import DictionaryKind, DictionarySource, Reading, Site
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Asked:
    """A file or folder to read.

    Attributes:
        target: The file or folder.
        words: The repository and path as they were asked for; some formats say only there what a
            dictionary is of.
        release: The hub's repository; None of a folder.
        pickled: The shapes of a `.pt` file, where torch is at hand.
        fetch: A file of the hub by `hf://` address.
    """

    target: Path
    words: str
    source: DictionarySource
    release: str | None = None
    pickled: Callable[[Path], Shapes] | None = None
    fetch: Callable[[str], Path] | None = None

    @property
    def hook(self) -> str | None:
        """Where it sits, of files that do not say."""
        return self.source.hook

    @property
    def hook_out(self) -> str | None:
        """What it writes to."""
        return self.source.hook_out

    @property
    def folder(self) -> Path:
        """The folder itself, or the one that the file lies in."""
        return self.target if self.target.is_dir() else self.target.parent

    def file(self, name: str) -> Path | None:
        """A file of this name in the folder, where it is there and, of a file, asked for."""
        if self.target.is_file() and self.target.name == name:
            return self.target
        there = self.folder / name
        return there if there.is_file() else None

    def shapes(self, file: Path) -> Shapes:
        """The shapes of a file's tensors.

        Raises:
            DictionaryError: It cannot be read, or not without torch.
        """
        if file.suffix in (".pt", ".pth", ".bin", ".pkl"):
            if self.pickled is None:
                raise DictionaryError(
                    f"dictionary file {str(file)!r} is a pickle, which is looked into by a worker "
                    "alone; convert it to safetensors to have it checked here"
                )
            return self.pickled(file)
        headers = read_headers(file)
        check_floats(file, headers)
        return {name: header.shape for name, header in headers.items()}

    def draft(self) -> Draft:
        return Draft(quoted(self.words))

    def described(
        self,
        draft: Draft,
        *,
        format: str,
        kind: DictionaryKind,
        site: Site,
        reading: Reading,
        said: Mapping[str, int | None] | None = None,
        model_name: str | None = None,
        first_written: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> Described:
        """The dictionary that a draft's tensors make, from this source."""
        return _described(
            draft,
            kind=kind,
            site=site,
            reading=reading,
            said=said or {},
            source=self.source,
            format=format,
            release=self.release,
            model_name=model_name,
            first_written=first_written,
            notes=notes,
        )


def layer_in(words: str, pattern: str = r"layers?[._]?") -> int | None:
    """The layer that a path names: the last `layer_12`, `layers.12` in it."""
    found = re.findall(rf"{pattern}([0-9]{{1,{DIGITS}}})(?![0-9])", words)
    return int(found[-1]) if found else None
