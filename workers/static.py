"""The files that pages and widgets load, by a fixed table: a name that is not in it is no file.

They are read once; nothing that a request says becomes part of a path.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

CSS, SCRIPT, SVG = "text/css", "text/javascript", "image/svg+xml"
OURS = "Apache-2.0"


@dataclass(frozen=True)
class Asset:
    """A file that pages load.

    Attributes:
        licence: Its SPDX name; of a file of others `source` says where it is from, and `sha256`
            what it was there.
    """

    name: str
    media_type: str
    licence: str = OURS
    source: str | None = None
    sha256: str | None = None


ASSETS = MappingProxyType(
    {
        asset.name: asset
        for asset in (
            Asset("atlas.css", CSS),
            Asset("icon.svg", SVG),
            Asset("arranged.js", SCRIPT),
            Asset("canvas.js", SCRIPT),
            Asset("circuit.js", SCRIPT),
            Asset("compare.js", SCRIPT),
            Asset("copy.js", SCRIPT),
            Asset("drawing.js", SCRIPT),
            Asset("history.js", SCRIPT),
            Asset("import.js", SCRIPT),
            Asset("jobs.js", SCRIPT),
            Asset("places.js", SCRIPT),
            Asset("sheet.js", SCRIPT),
            Asset("slider.js", SCRIPT),
            Asset("swap.js", SCRIPT),
            Asset("view.js", SCRIPT),
            Asset("widget.css", CSS),
            Asset("widget.js", SCRIPT),
        )
    }
)


@cache
def content(name: str) -> bytes:
    """The bytes of a file of the table."""
    return resources.files("workers").joinpath("assets", ASSETS[name].name).read_bytes()


@cache
def digest(name: str) -> str:
    """The SHA-256 of a file of the table."""
    return hashlib.sha256(content(name)).hexdigest()


def version(name: str) -> str:
    """What tells this content of the file from another."""
    return digest(name)[:12]


def address(name: str) -> str:
    """Where a page finds it: another content is another address, so that it may be kept."""
    return f"/static/{ASSETS[name].name}?v={version(name)}"
