"""Files that a user names: read within bounds, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from graph_schema import private_files
from graph_schema.errors import ResourceError, SpecError
from workers.machine import NO_ROOM


def read_bounded(file: Path, limit: int, setting: str) -> bytes:
    """The file's bytes.

    Raises:
        SpecError: It cannot be read, or has more than `limit` bytes (which `setting` allows).
    """
    try:
        with file.open("rb") as source:
            data = source.read(limit + 1)
            size = max(len(data), os.fstat(source.fileno()).st_size)  # a device's size is 0
    except (OSError, ValueError) as error:  # a ValueError of a null character in its name
        reason = error.strerror if isinstance(error, OSError) else error
        raise SpecError(f"cannot read {str(file)!r}: {reason}; give the path of a file") from error
    if size > limit:
        raise SpecError(f"{file} has {size:,} bytes; the limit is {limit:,} bytes ({setting})")
    return data


def check_free(file: Path, force: bool) -> None:
    """Refuse to replace a file, before anything is computed for it.

    A link stands for the file that it leads to, which `force` replaces; the link stays.

    Raises:
        SpecError: It is there and `force` is off, or is no regular file; or there is no folder for
            it.
    """
    target = _led_to(file)
    if os.path.lexists(target) and not target.is_file():
        raise SpecError(
            f"{str(file)!r} is no regular file (but a folder, a device or a pipe) and is not "
            "replaced; give the path of a file to write"
        )
    if not force and os.path.lexists(file):
        raise SpecError(f"{str(file)!r} is there already; --force replaces it")
    if not target.parent.is_dir():
        raise SpecError(f"cannot write {str(file)!r}: there is no folder {str(target.parent)!r}")


def _led_to(file: Path) -> Path:
    """The file itself, where the path leads over links."""
    try:
        return file.resolve()
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        raise SpecError(
            f"cannot write {str(file)!r}: {error}; give the path of a file to write"
        ) from error


def write_whole(file: Path, data: bytes, *, force: bool) -> None:
    """Write a file whole or not at all; one that is there stays, unless `force`.

    Raises:
        SpecError: It is there and `force` is off; or it cannot be written.
        ResourceError: There is no room for it.
    """
    with writing_whole(file, force=force) as target:
        target.write(data)


@contextmanager
def writing_whole(file: Path, *, force: bool, mode: int = 0o666) -> Generator[IO[bytes]]:
    """A file to write, which is there whole after the block or not at all; otherwise likewise."""
    check_free(file, force)
    place = os.replace if force else _link
    try:
        with private_files.whole_file(_led_to(file), mode=mode, place=place) as target:
            yield target
    except FileExistsError as error:
        raise SpecError(f"{str(file)!r} is there already; --force replaces it") from error
    except OSError as error:
        if error.errno in NO_ROOM:
            raise ResourceError(
                f"cannot write {str(file)!r}: {error.strerror}; make room, or write elsewhere"
            ) from error
        raise SpecError(
            f"cannot write {str(file)!r}: {error.strerror}; give the path of a file to write"
        ) from error


def _link(draft: Path, file: Path) -> None:
    """Give the draft its name unless somebody has taken it meanwhile."""
    try:
        os.link(draft, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        draft.replace(file)
