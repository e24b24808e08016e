"""Kinds of values that settings take, each made to mean the same to every process."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from graph_schema.errors import SpecError
from graph_schema.private_files import expanded

LONGEST = 1e9
"""Seconds, some thirty years: Python waits for none that are much longer."""


def _absolute(path: Path) -> Path:
    try:
        found = expanded(str(path)).absolute()
        name = str(found).encode()  # it goes into addresses and documents
    except SpecError as error:
        raise ValueError(error) from None  # so that the setting is named with it
    except UnicodeEncodeError:
        raise ValueError(f"{str(path)!r} is no text in UTF-8; give it such a name") from None
    if b"\0" in name:
        raise ValueError(f"{str(path)!r} holds a null character, which no file's name does")
    return found


def _certificates(path: Path) -> Path:
    path = _absolute(path)
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # an SSLError is one
        raise ValueError(
            f"{str(path)!r} holds no certificates that can be read: "
            f"{error.strerror or error}; expected a PEM file of whoever signed the servers'"
        ) from error
    return path


def _program(path: Path) -> Path:
    return _absolute(path) if len(path.parts) > 1 else path  # else of the PATH


def _place(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "a URL of artifacts holds no login: it is kept with every error; a bucket's stands in "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a profile"
        )
    local = re.sub(r"^(file|local)://", "", url)
    return url if "://" in local else str(_absolute(Path(local)))


def _as_the_hub_reads_it(value: Any) -> Any:
    return value.upper() in ("1", "ON", "YES", "TRUE") if isinstance(value, str) else value


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Certificates = Annotated[Path, AfterValidator(_certificates)]
Program = Annotated[Path, AfterValidator(_program)]
Place = Annotated[str, AfterValidator(_place)]
"""A folder or a URL."""
HubFlag = Annotated[bool, BeforeValidator(_as_the_hub_reads_it)]
Seconds = Annotated[float, Field(gt=0, le=LONGEST)]
