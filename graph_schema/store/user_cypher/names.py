"""Names in a user's query that nothing has: an error that shows the near ones.

A database answers a misspelt label with no rows and a misspelt property with nulls. What the data
model (`data_model.py`) does not know is looked up in the database, then refused. Properties, those
of map projections too (`c {.task}`), are checked only where a variable is bound by a pattern,
`(c:Circuit)`, and never given another meaning (`WITH … AS c`): anything else may be a map of the
user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from graph_schema.errors import CypherError
from graph_schema.store.user_cypher.guard import Token
from graph_schema.store.vocabulary.data_model import LABELS, PROPERTIES, TYPES

Lookup = Callable[[], Iterable[str]]

NAMES = ("word", "quoted")
# Words after which a bracket opens a pattern; after any other word it opens a function's arguments.
BEFORE_PATTERN = frozenset(
    {"MATCH", "WHERE", "AND", "OR", "XOR", "NOT", "SHORTESTPATH", "ALLSHORTESTPATHS"}
)


@dataclass(frozen=True)
class Named:
    """The labels or types, and the properties, that a query names."""

    kinds: tuple[str, ...]
    properties: tuple[str, ...]


def check_names(tokens: Sequence[Token], kinds: Lookup, properties: Lookup) -> None:
    """Return if everything the query names exists.

    Args:
        tokens: The query's, from `guard`.
        kinds: The database's labels and types, asked only if the data model lacks a name.
        properties: The database's property names, likewise.

    Raises:
        CypherError: A name exists nowhere; the message has the near ones.
    """
    named = names_in(tokens)
    _check(named.kinds, LABELS | TYPES, kinds, "label or relationship type")
    _check(named.properties, PROPERTIES, properties, "property")


def _check(names: tuple[str, ...], known: frozenset[str], more: Lookup, what: str) -> None:
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    known = known | frozenset(more())
    for name in unknown:
        if name not in known:
            raise CypherError(f"no {what} is called {name!r}; {_near(name, known)}")


def _near(name: str, known: frozenset[str]) -> str:
    by_lower = {other.lower(): other for other in sorted(known)}
    found = get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    if not found:
        return "`circuits schema` lists those there are"
    near = ", ".join(by_lower[other] for other in found)
    return f"near ones are {near} (`circuits schema` lists all)"


def names_in(tokens: Sequence[Token]) -> Named:
    """What the query names, in the order of its text."""
    openings = list(_openings(tokens))
    bound = _bound_variables(tokens) - _given_anew(tokens)
    kinds: list[str] = []
    properties: list[str] = []
    read_to = 0  # a label expression holds colons of its own
    for place, token in enumerate(tokens):
        inside = openings[place]
        if token.text == ":" and (inside is None or tokens[inside].text != "{"):
            if place >= read_to:
                # In a list, `[n IN list WHERE n:A | n.task]`, a bar ends the condition.
                listed = inside is not None and tokens[inside].text == "["
                bars = not listed or _opens_pattern(tokens, cast("int", inside))
                found, read_to = _expression(tokens, place + 1, bars)
                kinds += found
        elif token.text == "." and _is_projected(tokens, place, inside, bound):
            properties.append(bare(tokens[place + 1]))
        elif token.kind in NAMES and place + 1 < len(tokens):
            after = tokens[place + 1].text
            if after == ":" and inside is not None and _is_pattern_map(tokens, inside, openings):
                properties.append(bare(token))
            elif (
                after == "."
                and bare(token) in bound
                and (place == 0 or tokens[place - 1].text != ".")
                and place + 2 < len(tokens)
                and tokens[place + 2].kind in NAMES
            ):
                properties.append(bare(tokens[place + 2]))
    return Named(tuple(kinds), tuple(properties))


def _openings(tokens: Sequence[Token]) -> Iterator[int | None]:
    """For each token, where the innermost bracket around it opens."""
    open_at: list[int] = []
    for place, token in enumerate(tokens):
        if token.text in (")", "]", "}") and open_at:
            open_at.pop()
        yield open_at[-1] if open_at else None
        if token.text in ("(", "[", "{"):
            open_at.append(place)


def _opens_pattern(tokens: Sequence[Token], place: int) -> bool:
    """Whether this bracket opens a node's or a relationship's pattern."""
    before = tokens[place - 1] if place else None
    if tokens[place].text == "[":
        return before is not None and before.text == "-"
    if tokens[place].text != "(":
        return False
    return before is None or before.kind != "word" or before.text.upper() in BEFORE_PATTERN


def _bound_variables(tokens: Sequence[Token]) -> set[str]:
    """Variables that a pattern's bracket begins with."""
    return {
        bare(tokens[place + 1])
        for place, token in enumerate(tokens[:-2])
        if token.text in ("(", "[")
        and _opens_pattern(tokens, place)
        and tokens[place + 1].kind in NAMES
        and (
            tokens[place + 2].text in (":", ")", "]", "{", "*")
            or tokens[place + 2].text.upper() in ("WHERE", "IS")
        )
    }


def _given_anew(tokens: Sequence[Token]) -> set[str]:
    """Variables that get their value otherwise: `AS x`, `x IN list`."""
    found: set[str] = set()
    for place, token in enumerate(tokens):
        if token.kind == "word" and token.text.upper() == "AS" and place + 1 < len(tokens):
            found.add(bare(tokens[place + 1]))
        elif token.kind == "word" and token.text.upper() == "IN" and place:
            found.add(bare(tokens[place - 1]))
    return found


def _is_pattern_map(tokens: Sequence[Token], place: int, openings: list[int | None]) -> bool:
    """Whether this brace holds a pattern's properties: `(c:Circuit {task: …})`."""
    outside = openings[place]
    return (
        tokens[place].text == "{"
        and outside is not None
        and _opens_pattern(tokens, outside)
        and tokens[place - 1].kind in NAMES
    )


def _is_projected(tokens: Sequence[Token], place: int, inside: int | None, bound: set[str]) -> bool:
    """Whether this dot takes a property into a map: `c {.task, .model}`."""
    return (
        inside is not None
        and inside > 0
        and tokens[inside].text == "{"
        and bare(tokens[inside - 1]) in bound
        and tokens[place - 1].text in ("{", ",")
        and place + 1 < len(tokens)
        and tokens[place + 1].kind in NAMES
    )


def _expression(tokens: Sequence[Token], start: int, bars: bool) -> tuple[list[str], int]:
    """The names of a label expression, `A`, `A|B`, `A|:B`, `!A&B`, `(A|B)`, and where it ends.

    A bar belongs to it where `bars`.
    """
    found: list[str] = []
    expects_name = True
    for place in range(start, len(tokens)):
        token = tokens[place]
        if token.kind in NAMES and expects_name:
            found.append(bare(token))
            expects_name = False
        elif token.text in ("&", "!", "(", ":") or (bars and token.text == "|"):
            expects_name = True
        else:
            return found, place
    return found, len(tokens)


def bare(token: Token) -> str:
    """The name that a token spells, without back-ticks."""
    if token.kind == "quoted":
        return token.text[1:-1].replace("``", "`")
    return token.text
