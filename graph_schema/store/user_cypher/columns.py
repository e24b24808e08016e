"""A query's columns, from its RETURN: the embedded server names none of an empty answer."""

from __future__ import annotations

from collections.abc import Sequence

from graph_schema.store.user_cypher.guard import Token
from graph_schema.store.user_cypher.names import NAMES, bare

_ENDS = frozenset({"ORDER", "SKIP", "OFFSET", "LIMIT", "UNION"})


def returned_columns(tokens: Sequence[Token]) -> tuple[str, ...]:
    """What the last RETURN outside brackets names, in order; none where a name cannot be told.

    A column is named by `… AS name`, or is a variable or one of its properties, `c.task`. Any other
    expression is named by its text, as written, which the pieces of a query no longer hold.
    """
    names: list[str] = []
    for item in _items(tokens):
        name = _name(item)
        if name is None:
            return ()
        names.append(name)
    return tuple(names)


def _items(tokens: Sequence[Token]) -> list[list[Token]]:
    """What stands between the commas of the last RETURN outside brackets."""
    items: list[list[Token]] = []
    depth = 0
    returns = False
    for place, token in enumerate(tokens):
        if token.text in (")", "]", "}"):
            depth -= 1
        word = token.text.upper() if depth == 0 and token.kind == "word" else ""
        if place and tokens[place - 1].text in (".", ":"):
            word = ""  # a property or label of this name
        if word == "RETURN":
            items, returns = [[]], True
        elif word in _ENDS:
            returns = False
        elif returns and depth == 0 and token.text == ",":
            items.append([])
        elif returns and not (word == "DISTINCT" and items == [[]]) and token.text != ";":
            items[-1].append(token)
        if token.text in ("(", "[", "{"):
            depth += 1
    return items


def _name(item: Sequence[Token]) -> str | None:
    if len(item) > 1 and item[-2].text.upper() == "AS" and item[-1].kind in NAMES:
        return bare(item[-1])
    if len(item) in (1, 3) and all(token.kind in NAMES for token in item[::2]):
        if len(item) == 3 and item[1].text != ".":
            return None
        return ".".join(bare(token) for token in item[::2])
    return None
