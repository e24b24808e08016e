r"""The first layer of user Cypher's safety: a text is read token by token, and only reads pass.

Strings, comments and back-ticks may hold any word. Outside them every writing clause, `LOAD`,
administration, a second statement and every procedure that is not on the list is refused and
named. Both servers parse with the same grammar (Neo4j's), whose lexer turns `\uXXXX` into
characters before anything else; where a text can be read in more than one way, every reading must
be harmless. The server's read-only login is the second layer, limits on time and rows the third
(`query.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from graph_schema.errors import CypherError

MAX_LENGTH = 100_000
MOST_READINGS = 4

WRITING = frozenset({"CREATE", "INSERT", "MERGE", "SET", "DELETE", "DETACH", "REMOVE", "FOREACH"})
FILES = frozenset({"LOAD"})
ADMINISTRATION = frozenset(
    {"SHOW", "TERMINATE", "USE", "DROP", "ALTER", "RENAME", "GRANT", "DENY", "REVOKE", "START"}
    | {"STOP", "ENABLE", "DEALLOCATE", "REALLOCATE", "DRYRUN", "PERIODIC"}
)
REFUSED = {
    **dict.fromkeys(WRITING, "it writes"),
    **dict.fromkeys(FILES, "it reads files or addresses"),
    **dict.fromkeys(ADMINISTRATION, "it administers the server"),
}

PROCEDURES = frozenset(
    {
        "db.labels",
        "db.relationshiptypes",
        "db.propertykeys",
        "db.schema.visualization",
        "db.schema.nodetypeproperties",
        "db.schema.reltypeproperties",
    }
)
"""What CALL may name, in lower case. Subqueries, `CALL {…}` and `CALL (x) {…}`, always may."""

NAMESPACES = frozenset(
    {"date", "datetime", "duration", "localdatetime", "localtime", "point", "time", "vector"}
)
"""Whose functions may be called, `date.truncate(…)`; a server may have others that do anything."""

BEFORE_VALUE = frozenset("([{,|:=<>+-*/") | {
    *("RETURN", "DISTINCT", "WITH", "WHERE", "BY", "AS", "UNWIND"),
    *("AND", "OR", "XOR", "NOT", "IN", "CASE", "WHEN", "THEN", "ELSE"),
}
"""After which a value or a name follows, never a clause."""

_ESCAPE = re.compile(r"\\u+([0-9a-fA-F]{4})")
_ESCAPE_OR_BACKSLASH = re.compile(r"\\u+([0-9a-fA-F]{4})|\\\\")
_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>//[^\n\r]*|/\*.*?\*/)
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<quoted>`(?:[^`]|``)*`)
    | (?P<parameter>\$(?:\w+|`(?:[^`]|``)*`))
    | (?P<number>\d\w*(?:\.\d\w*)?)
    | (?P<word>\w+)
    | (?P<open>/\*|['"`])
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# Where one lexer ends a line another may not, and a comment would hide what follows.
_ODD_LINE_ENDS = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")
_UNENDED = {"/*": "a comment", "'": "a string", '"': "a string", "`": "a name in back-ticks"}


@dataclass(frozen=True)
class Token:
    """A piece of the text that the server would act on (spaces and comments are none)."""

    kind: str
    text: str


@dataclass(frozen=True)
class Guarded:
    """A text that only reads, without its closing semicolon; its parameters and its pieces."""

    text: str
    parameters: frozenset[str]
    tokens: tuple[Token, ...]


def guard(text: str) -> Guarded:
    """The text, if all it does is read.

    Raises:
        CypherError: It could do more, or cannot be told apart; the message names what is refused.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise CypherError(f"the query is {text!r}; expected text, such as 'MATCH (n) RETURN n'")
    if len(text) > MAX_LENGTH:
        raise CypherError(
            f"the query has {len(text):,} characters; expected at most {MAX_LENGTH:,}"
        )
    if "\x00" in text:
        raise CypherError("the query holds a null character; take it out")
    for reading in _readings(text):
        _check(list(_tokens(reading)))
    tokens = list(_tokens(text))
    parameters = {token.text[1:].strip("`") for token in tokens if token.kind == "parameter"}
    cut = _end_of_statement(text)
    return Guarded(text[:cut], frozenset(parameters), tuple(tokens))


def _readings(text: str) -> list[str]:
    r"""The text as written, and as a lexer may see it after replacing `\uXXXX`."""
    every = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    apart = _ESCAPE_OR_BACKSLASH.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else found[0], text
    )
    again = [every]  # an escape may spell the backslash of another
    while (more := _ESCAPE.sub(lambda found: chr(int(found[1], 16)), again[-1])) != again[-1]:
        again.append(more)
        if len(again) > MOST_READINGS:
            raise CypherError(r"the query has escapes (\u) in escapes; write the characters")
    return list(dict.fromkeys((*again, apart, text)))


def _tokens(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        kind, piece = str(found.lastgroup), found[0]
        if kind == "open":
            raise CypherError(
                f"the query ends inside {_UNENDED[piece]} that {piece} opens at character "
                f"{found.start() + 1}; close it"
            )
        if kind == "comment" and _ODD_LINE_ENDS.search(piece):
            raise CypherError("a comment holds an unusual line separator; take it out")
        if kind not in ("space", "comment"):
            yield Token(kind, piece)


def _check(tokens: list[Token]) -> None:
    last = next((i for i in reversed(range(len(tokens))) if tokens[i].text != ";"), -1)
    if last < 0:
        raise CypherError("the query is empty; write something like MATCH (c:Circuit) RETURN c")
    if tokens[0].text.upper() in ("BEGIN", "COMMIT", "ROLLBACK"):  # the embedded server obeys
        raise CypherError(f"{tokens[0].text} is refused: it ends a transaction, which is ours")
    for place, token in enumerate(tokens):
        if token.text == ";" and place < last:
            raise CypherError("the query holds several statements; send them one by one")
        if token.kind == "sign" and unicodedata.category(token.text).startswith("C"):
            raise CypherError(
                f"the query holds the invisible character U+{ord(token.text):04X}; take it out"
            )
        if token.kind == "number" or (token.kind == "parameter" and token.text[1].isdigit()):
            _check_number(token)
        elif token.text == "(":
            _check_function(tokens, place)
        elif token.kind == "word":
            if _is_name(tokens, place) or _is_variable_start(tokens, place):
                continue
            for word in _spellings(token.text):
                _check_word(word, token.text)
                if word == "CALL":
                    _check_call(tokens, place)


def _is_name(tokens: list[Token], place: int) -> bool:
    """Whether a word stands where no clause can: a property, a map's key, a label or a type."""
    return _is_property(tokens, place) or _is_key(tokens, place) or _is_kind(tokens, place)


def _is_property(tokens: list[Token], place: int) -> bool:
    """Whether a word follows a dot that follows a name or a closed bracket: `n.set`.

    Or one that opens an item of a map projection: `n {.set, .create}`.
    """
    if place < 2 or tokens[place - 1].text != ".":
        return False
    before = tokens[place - 2]
    return before.kind in ("word", "quoted", "parameter") or before.text in (*")]}", "{", ",")


def _is_key(tokens: list[Token], place: int) -> bool:
    """Whether a word is a map's key, `{set: 1, create: 2}`: no clause begins with a colon."""
    around = (tokens[place - 1].text, tokens[place + 1].text) if 0 < place < len(tokens) - 1 else ()
    return around in (("{", ":"), (",", ":"))


def _is_kind(tokens: list[Token], place: int) -> bool:
    """Whether a word is a label or a type: after a colon, `(:Set)`, or another name, `[:A|SET]`.

    In `(n:A SET …` the word follows no sign that joins names, so it is none.
    """
    while place and tokens[place - 1].text in ("|", "&", "!"):
        place -= 1
        while place and tokens[place - 1].text in ("|", "&", "!"):
            place -= 1
        if not place or tokens[place - 1].kind not in ("word", "quoted"):
            break  # `:!SET`, or no name before
        place -= 1
    return place > 0 and tokens[place - 1].text == ":"


def _is_variable_start(tokens: list[Token], place: int) -> bool:
    """Whether START stands where only a value can: `(start)-[]->(end)`, `RETURN start`.

    As a clause it begins a statement or follows another clause's end; as `START DATABASE` it names
    what it starts.
    """
    if tokens[place].text.upper() != "START" or place == 0:
        return False
    after = tokens[place + 1].text.upper() if place + 1 < len(tokens) else ""
    before = tokens[place - 1].text.upper()
    return before in BEFORE_VALUE and after not in ("DATABASE", "SERVER")


def _check_function(tokens: list[Token], opening: int) -> None:
    """A function of a namespace is one of the standard ones, as both servers have them."""
    name, first = _dotted_name(tokens, opening)
    namespace, dot, _ = name.rpartition(".")
    called = first > 0 and tokens[first - 1].text.upper() == "CALL"
    if not dot or (called and not _is_name(tokens, first - 1)):
        return  # no function of a namespace; or a procedure, which `_check_call` reads
    if namespace.lower() not in NAMESPACES:
        raise CypherError(
            f"function {name} is refused; those of {', '.join(sorted(NAMESPACES))} may be called, "
            "and those without a dot"
        )


def _dotted_name(tokens: list[Token], end: int) -> tuple[str, int]:
    """What stands right before the token at `end`, `a.b.c`, and where it begins."""
    first = end
    parts: list[str] = []
    while first and tokens[first - 1].kind in ("word", "quoted"):
        first -= 1
        parts.append(tokens[first].text.strip("`"))
        if first < 2 or tokens[first - 1].text != "." or tokens[first - 2].text == ".":
            break  # `[0..size(x)]` has a range, no name of two parts
        first -= 1
        parts.append(".")
    return "".join(reversed(parts)), first


def _spellings(word: str) -> set[str]:
    """All that a server could take the word for, whatever it makes of case, width and accents."""
    forms = {word, unicodedata.normalize("NFKC", word)}
    forms |= {piece for form in forms for piece in re.findall(r"[A-Za-z_0-9]+", form)}
    return {form.upper() for form in forms} | {form.casefold().upper() for form in forms}


def _check_word(word: str, written: str) -> None:
    why = REFUSED.get(word)
    if why:
        raise CypherError(
            f"{written} is refused: {why}, and queries only read (a name that reads {written} goes "
            "into back-ticks)"
        )


def _check_number(token: Token) -> None:
    """A lexer may end the number before the letters: `RETURN 1CREATE (n)`."""
    for form in _spellings(token.text):
        for word in (*REFUSED, "CALL"):
            if word in form:
                raise CypherError(
                    f"{token.text} is refused: {word} follows a number; put a space between if "
                    "they are two"
                )


def _check_call(tokens: list[Token], place: int) -> None:
    """CALL opens a subquery or names a procedure on the list."""
    if place + 1 < len(tokens) and tokens[place + 1].text in ("{", "("):
        return
    parts: list[str] = []
    for token in islice(tokens, place + 1, None):
        if token.kind not in ("word", "quoted") and token.text != ".":
            break
        if token.kind != "sign" and parts and parts[-1] != ".":
            break
        parts.append(token.text.strip("`"))
    name = "".join(parts)
    if name.lower() not in PROCEDURES:
        allowed = ", ".join(sorted(PROCEDURES))
        raise CypherError(f"procedure {name or '?'} is refused; CALL may name {allowed}")


def _end_of_statement(text: str) -> int:
    """Where the closing semicolon stands, or the end."""
    for found in _TOKEN.finditer(text):
        if found.lastgroup == "sign" and found[0] == ";":
            return found.start()
    return len(text)
