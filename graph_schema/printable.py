"""Text of others made fit for a terminal, a message or an XML file."""

from __future__ import annotations

import unicodedata

LONGEST = 80
"""Characters of a value that a message repeats."""

# Half characters, line ends, codes to a terminal, and what XML has no room for.
_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # show text in another order
_OTHERS = frozenset(f"{_TURNS}\ufffe\uffff")


def printable(text: str) -> str:
    """The text with a replacement character (U+FFFD) for each that steers, breaks or hides."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if _bad(character) else character for character in text)


def escaped(text: str) -> str:
    """The text with each such character as Python writes it: a line end is a backslash and `n`."""
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if _bad(c) else c for c in text)


def clipped(text: str, longest: int = LONGEST) -> str:
    """At most `longest` characters of the text, an ellipsis in place of the rest."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def quoted(value: object) -> str:
    """A value as a message repeats it: as Python writes it, cut to `LONGEST` printable ones."""
    if isinstance(value, str | bytes):
        value = value[: LONGEST + 1]
    try:
        # Not everything writes itself on one line: a tensor does not.
        return clipped(printable(repr(value)))
    except RecursionError:  # lists in lists in lists, which a pickle can hold
        return f"a {type(value).__name__} nested too deep to show"


def whole_number(value: int, thousands: str = "") -> str:
    """A whole number as a message repeats it; Python writes none of more than 4,300 digits."""
    if value.bit_length() > 1_000:
        return f"a whole number of {value.bit_length():,} bits"
    return f"{value:{thousands}}"


def _bad(character: str) -> bool:
    return unicodedata.category(character) in _CATEGORIES or character in _OTHERS
