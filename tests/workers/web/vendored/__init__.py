"""Programs of others that tests run in a browser, by a table: where from, whose, and their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Vendored:
    """A file of another project, as it was there."""

    name: str
    source: str
    licence: str
    sha256: str

    def text(self) -> str:
        """Its content.

        Raises:
            AssertionError: It is not what it was.
        """
        data = (Path(__file__).parent / self.name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == self.sha256, f"{self.name} was changed"
        return data.decode()


AXE = Vendored(
    name="axe.min.js",
    source="https://registry.npmjs.org/axe-core/-/axe-core-4.10.3.tgz",
    licence="MPL-2.0",
    sha256="880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb",
)

__all__ = ["AXE", "Vendored"]
