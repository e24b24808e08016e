"""A file that a form sends: in a temporary folder as long as it is looked at, within a bound."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from graph_schema.printable import printable

MOST_BYTES = 64 * 2**20
"""Of a file; the command line takes larger ones."""
FORM_BYTES = 2**16
"""Of what a form sends beside its file."""
MOST_FIELDS = 40
LONGEST_NAME = 200
SUFFIXES = (".json", ".csv", ".graphml", ".xml", ".pt")
FILE = "file"
"""The name of the field."""


@dataclass(frozen=True)
class Upload:
    """A file that came, under a name of our own.

    Attributes:
        name: What the sender calls it, in printable characters: foreign text.
        place: Where it lies until the request is answered.
    """

    name: str
    place: Path

    def said(self, message: str) -> str:
        """A message about the file, with the sender's name for it."""
        return message.replace(str(self.place), self.name).replace(self.place.name, self.name)


@asynccontextmanager
async def uploaded(request: Request) -> AsyncGenerator[tuple[Mapping[str, str], Upload | None]]:
    """The fields of a form and its file, which is gone after the block; None where it has none.

    Raises:
        HTTPException: It is no such form, or has more fields or files than it may.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(400, "the request's body is no form with a file")
    form = request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=FORM_BYTES)
    async with form as given:
        fields = {name: value for name, value in given.items() if isinstance(value, str)}
        file = given.get(FILE)
        if not isinstance(file, UploadFile) or not file.filename:
            yield fields, None
            return
        with tempfile.TemporaryDirectory(prefix="circuits-web-") as folder:
            name = printable(file.filename)[:LONGEST_NAME]
            suffix = PurePath(name).suffix.lower()
            # Nothing that a sender says becomes part of a path but an ending of this table.
            place = Path(folder) / f"upload{suffix if suffix in SUFFIXES else ''}"
            await run_in_threadpool(_copy, file, place)
            yield fields, Upload(name, place)


def _copy(file: UploadFile, place: Path) -> None:
    with place.open("xb") as target:
        shutil.copyfileobj(file.file, target, 2**20)
