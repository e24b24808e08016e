"""Files of ours: whole or not there at all, and private where they must be."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from graph_schema.errors import SpecError
from graph_schema.printable import quoted

LOG_MEGABYTES = 5.0
"""What a log may grow to; with the generation put aside it takes twice as much."""


@contextmanager
def whole_file(
    path: Path, *, mode: int = 0o666, place: Callable[[Path, Path], object] = os.replace
) -> Generator[IO[bytes]]:
    """A file to write; after the block it is there whole, and on the disk, or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        place(draft, path)
        with suppress(OSError):  # its name too; not every network's disk can
            flush(path.parent)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_whole(
    path: Path,
    data: bytes,
    *,
    mode: int = 0o666,
    place: Callable[[Path, Path], object] = os.replace,
) -> None:
    """Put the bytes into a file, whole or not at all, and on the disk when this returns.

    Args:
        path: The file; its folder is there.
        data: What it holds.
        mode: Who may read and write it, less the process's umask.
        place: Gives the draft (first) the file's name (second); what it raises passes through.
    """
    with whole_file(path, mode=mode, place=place) as file:
        file.write(data)


def flush(path: Path) -> None:
    """Return when what a file holds, or what a folder's files are called, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_private(path: Path, text: str) -> None:
    """Put `text` into a file that only its owner may read, whole or not at all."""
    write_whole(path, text.encode(), mode=0o600)


def expanded(name: str | Path) -> Path:
    """The path, `~` at its start replaced by the home it stands for.

    Raises:
        SpecError: It stands for none.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise SpecError(
            f"path {quoted(str(name))} begins with the home of a user whom this machine does not "
            "know; give the path from / on"
        ) from error


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; of a name that no file can have there is none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or no text
        return False


def private_folder(path: Path) -> Path:
    """The folder, made where missing, that only its owner may enter.

    Raises:
        SpecError: It cannot be one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
    except OSError as error:
        raise SpecError(
            f"{str(path)!r} cannot be used as a private folder: {error.strerror}; have "
            "CIRCUITS_HOME name a folder of your own"
        ) from error
    return path


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, "" where there is none."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def private_log(path: Path, megabytes: float = LOG_MEGABYTES) -> IO[bytes]:
    """An owner-only log, open to append; one grown too long is put aside, one generation of it."""
    if path.exists() and path.stat().st_size > megabytes * 2**20:
        path.replace(_aside(path))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def bound_log(path: Path, megabytes: float = LOG_MEGABYTES) -> bool:
    """Put what a log has grown to aside while others write to it; True where it had grown.

    Its writers append (`private_log`) and go on at its new start. It is copied and emptied, for
    they hold the file and not its name; what they write between the two is lost, at most a line or
    two, since what came during the copy is copied too.
    """
    try:
        if path.stat().st_size <= megabytes * 2**20:
            return False
    except FileNotFoundError:
        return False
    aside = _aside(path)
    draft = aside.with_name(f".{aside.name}")
    handle = os.open(draft, os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o600)
    try:
        with path.open("r+b") as grown, os.fdopen(handle, "wb") as kept:
            while data := grown.read(2**20):
                kept.write(data)
            grown.truncate(0)
        draft.replace(aside)
    finally:
        draft.unlink(missing_ok=True)
    return True


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
