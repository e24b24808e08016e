"""Text of others made fit for a terminal, a message or an XML file."""

from __future__ import annotations

import re
import unicodedata

LONGEST_LABEL = 28
"""Characters of a label in a picture."""
LONGEST = 80
"""Characters of a value that a message repeats."""
LONGEST_PATH = 1_000
"""Of a path; a system takes up to 4,096 bytes."""

# Half characters, line ends, codes to a terminal, and what XML has no room for.
_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # show text in another order
_SECRET = re.compile(
    r"([?&;][^=&;]*(?:pass|secret|token|key|sig|auth)[^=&;]*=)[^&;]*", re.IGNORECASE
)
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
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


def in_json(text: str) -> str:
    """JSON text of one line with each such character as JSON escapes it: it says the same."""
    if text.isprintable():
        return text
    return "".join(f"\\u{ord(c):04x}" if _bad(c) else c for c in text)


def as_cell(text: str) -> str:
    """Text as a cell of a table of values: behind an apostrophe where a spreadsheet would compute.

    That is what begins with = + - @ or space of another kind; `from_cell` has the text back.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(text: str) -> str:
    """The text of a cell that `as_cell` wrote."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def clipped(text: str, longest: int = LONGEST) -> str:
    """At most `longest` characters of the text, an ellipsis in place of the rest."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def shortened(label: str, longest: int = LONGEST_LABEL) -> str:
    """A label on one line, in at most so many characters."""
    return clipped(printable(" ".join(label.split())), longest)


def quoted(value: object) -> str:
    """A value as a message repeats it: as Python writes it, cut to `LONGEST` printable ones."""
    if isinstance(value, str | bytes):
        value = value[: LONGEST + 1]
    try:
        # Not everything writes itself on one line: a tensor does not.
        return clipped(printable(repr(value)))
    except RecursionError:  # lists in lists in lists, which a pickle can hold
        return f"a {type(value).__name__} nested too deep to show"
    except ValueError:  # a number in it of more digits than Python writes
        return f"a {type(value).__name__} too large to show"


def whole_number(value: int, thousands: str = "") -> str:
    """A whole number as a message repeats it; Python writes none of more than 4,300 digits."""
    if value.bit_length() > 1_000:
        return f"a whole number of {value.bit_length():,} bits"
    return f"{value:{thousands}}"


def without_secrets(url: str) -> str:
    """An address as a message shows it: without who enters by which password, or a key in it.

    What stands before the last `@` goes, for a password may hold a `/`, `?` or `#` that nobody
    escaped, and is then cut in the middle by whatever reads the address as one.
    """
    scheme, mark, rest = url.partition("://")
    _, at, place = rest.rpartition("@")
    return scheme + mark + _SECRET.sub(r"\1***", f"***@{place}" if at else rest)


def _bad(character: str) -> bool:
    return unicodedata.category(character) in _CATEGORIES or character in _OTHERS
