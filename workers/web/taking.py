"""The same as a page shows, as Python and as Cypher: it runs where it is put, as it is.

What somebody typed stands in it as a value that its language writes, whatever its letters are.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Mapping
from typing import Any, cast

OPENED = "from workers.client import CircuitClient\n\nwith CircuitClient() as client:\n"

_NAMED = re.compile(r"\$(\w+)")


def with_client(*lines: str) -> str:
    """Lines of Python that have a `client`."""
    return OPENED + "".join(f"    {line}\n" for line in lines)


def call(function: str, /, *given: Any, **named: Any) -> str:
    """A call in Python; a name that Python keeps for itself is given as a text."""
    plain = {n: v for n, v in named.items() if n.isidentifier() and not keyword.iskeyword(n)}
    others = {name: value for name, value in named.items() if name not in plain}
    parts = [*map(literal, given), *(f"{name}={literal(value)}" for name, value in plain.items())]
    return f"{function}({', '.join([*parts, *([f'**{literal(others)}'] if others else [])])})"


def literal(value: object) -> str:
    """A value of JSON, or a tuple, as Python writes it."""
    try:
        return _literal(value)
    except RecursionError:  # lists in lists, hundreds deep
        return repr(value)


def _literal(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, Mapping):
        items = cast(Mapping[str, object], value).items()
        return f"{{{', '.join(f'{name!r}: {_literal(each)}' for name, each in items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, cast(list[object], value)))}]"
    return repr(value)


def written_out(query: str, values: Mapping[str, str | float | None]) -> str:
    """A query with its parameters' values in their places, to be pasted elsewhere."""
    return _NAMED.sub(lambda found: cypher_literal(values[found[1]]), query)


def cypher_literal(value: str | float | None) -> str:
    """A text, a number or null as Cypher writes it."""
    if value is None:
        return "null"
    if not isinstance(value, str):
        return repr(value)
    return "'" + "".join(_letter(letter) for letter in value) + "'"


def _letter(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    half = letter.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{half[at]:02x}{half[at + 1]:02x}" for at in range(0, len(half), 2))
