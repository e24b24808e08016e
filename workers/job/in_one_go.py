"""Results that are small enough to be written by the transaction that ends their job."""

from __future__ import annotations


class InOneGo:
    """A product without parts."""

    def parts(self) -> tuple[()]:
        """None: `write` writes it all."""
        return ()
