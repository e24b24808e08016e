"""One line of a submitted dataset: JSON to `PairDocument`, with all checks but the tokenizer's.

Written by hand rather than left to pydantic, because whoever sent the file must read which line,
which value, what was expected and what to do.
"""

from __future__ import annotations

import difflib
import json
import math
from typing import Any, Never, cast

from graph_schema.documents.dataset import PairDocument, Prompt, Split, Token
from graph_schema.errors import DatasetError

DEEPEST = 32
"""Lists and objects in each other, of what a line may hold."""
KEYS = tuple(PairDocument.model_fields)
Object = dict[str, Any]


def fail(place: str, message: str) -> Never:
    """Raise the `DatasetError` of one line."""
    raise DatasetError(f"{place}: {message}")


def shown(value: object, width: int = 60) -> str:
    """`value` as JSON, cut to `width` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= width else text[: width - 3] + "..."


def parse_pair(place: str, record: Object) -> PairDocument:
    """The pair that a line's object spells; `place` ("line 3") opens every message.

    Raises:
        DatasetError: A key missing or unknown, a value of the wrong kind, or lengths that do not
            agree.
    """
    for key in record:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(KEYS)}"
            fail(place, f"unknown key {key!r}; {hint} (free notes go under 'metadata')")
    record = {key: value for key, value in record.items() if value is not None}
    required = ("clean", "corrupt") if "weights" in record else ("clean", "corrupt", "answers")
    for key in required:
        if key not in record:
            fail(
                place,
                f"the key {key!r} is missing; a line looks like "
                '{"clean": …, "corrupt": …, "answers": […], "wrong_answers": […]}',
            )
    clean = _prompt(place, "clean", record["clean"])
    corrupt = _prompt(place, "corrupt", record["corrupt"])
    _check_prompts(place, clean, corrupt)
    length = None if isinstance(clean, str) else len(clean)
    positions = _positions(place, record.get("positions"), length)
    n_positions = 1 if positions is None else len(positions)
    return PairDocument(
        clean=clean,
        corrupt=corrupt,
        answers=_answers(place, "answers", record.get("answers", []), n_positions),
        wrong_answers=_answers(
            place, "wrong_answers", record.get("wrong_answers", []), n_positions
        ),
        id=_label(place, "id", record.get("id")),
        group=_label(place, "group", record.get("group")),
        split=_split(place, record.get("split")),
        positions=positions,
        spans=_spans(place, record.get("spans"), length),
        weights=_weights(place, record.get("weights"), n_positions),
        metadata=_metadata(place, record.get("metadata")),
    )


def parse_object(place: str, text: str) -> Object:
    """The JSON object of a line: no key twice, finite numbers, text that UTF-8 can hold.

    Raises:
        DatasetError: Anything else.
    """

    def unique(items: list[tuple[str, Any]]) -> Object:
        found: Object = {}
        for key, value in items:
            if key in found:
                fail(place, f"the key {key!r} stands twice; leave one")
            found[key] = value
        return found

    def finite(number: str) -> float:
        value = float(number)
        if not math.isfinite(value):
            n_digits = len(number.lstrip("-"))
            short = number if n_digits <= 40 else f"{number[:20]}… ({n_digits:,} digits)"
            fail(place, f"{short} is not a finite number")
        return value

    def whole(number: str) -> int:
        finite(number)  # whole ones have no end of their own, and a weight becomes a float
        return int(number)

    try:
        value = json.loads(
            text,
            object_pairs_hook=unique,
            parse_float=finite,
            parse_int=whole,
            parse_constant=finite,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        fail(
            place,
            f"not JSON ({error.msg} at column {error.colno}): {shown(text)}; "
            "write one JSON object a line",
        )
    except UnicodeEncodeError:
        fail(place, r"half of a surrogate pair (\ud800 … \udfff) is not text; remove it")
    except (RecursionError, ValueError) as error:
        fail(place, f"JSON that cannot be read ({error}); write one flat object a line")
    if _depth(value) > DEEPEST:
        fail(place, f"JSON nested more than {DEEPEST} deep; write one flat object a line")
    if not isinstance(value, dict):
        hint = (
            "; write one object a line instead of one list (jq -c '.[]' FILE)"
            if isinstance(value, list)
            else "; write one JSON object a line"
        )
        fail(place, f"expected a JSON object, found {shown(value)}{hint}")
    return cast(Object, value)


def _depth(value: Any) -> int:
    """How many lists and objects stand in each other."""
    deep, level = 0, [value]
    while level := [
        each
        for item in level
        if isinstance(item, dict | list)
        for each in (item.values() if isinstance(item, dict) else item)
    ]:
        deep += 1
    return deep


def _list(value: Any) -> list[Any] | None:
    return cast(list[Any], value) if isinstance(value, list) else None


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _prompt(place: str, key: str, value: Any) -> Prompt:
    if isinstance(value, str) and value:
        return value
    items = _list(value)
    if items:
        for item in items:
            if not _is_id(item):
                fail(place, f"{key} holds {shown(item)}; token ids are whole numbers from 0")
        return tuple(items)
    fail(place, f"{key} is {shown(value)}; expected text or a list of token ids, not empty")


def _check_prompts(place: str, clean: Prompt, corrupt: Prompt) -> None:
    if isinstance(clean, str) != isinstance(corrupt, str):
        fail(place, "clean and corrupt must both be text or both be token ids")
    if not isinstance(clean, str) and len(clean) != len(corrupt):
        fail(
            place,
            f"clean has {len(clean)} tokens, corrupt has {len(corrupt)}; the two prompts of a "
            "pair need the same number: replace tokens one for one",
        )


def _positions(place: str, value: Any, length: int | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    items = _list(value)
    if not items or not all(isinstance(p, int) and not isinstance(p, bool) for p in items):
        fail(place, f"positions is {shown(value)}; expected a list of whole numbers")
    if length is not None:
        for position in items:
            check_position(place, position, length)
        items = [position % length for position in items]
    if len(set(items)) < len(items):
        fail(place, f"positions {shown(value)} names a position twice")
    return tuple(items)


def check_position(place: str, position: int, length: int) -> None:
    """Refuse a position outside a prompt of `length` tokens (negative ones count from the end)."""
    if not -length <= position < length:
        fail(
            place,
            f"position {position} lies outside the prompt of {length} tokens; "
            f"expected 0 to {length - 1}, or -{length} to -1 counted from the end",
        )


def _token(place: str, key: str, value: Any) -> Token:
    if _is_id(value) or (isinstance(value, str) and value):
        return value
    fail(place, f"{key} holds {shown(value)}; expected text or a token id")


def _answers(
    place: str, key: str, value: Any, n_positions: int
) -> tuple[Token, ...] | tuple[tuple[Token, ...], ...]:
    items = _list(value)
    if items is None:
        fail(place, f"{key} is {shown(value)}; expected a list, such as [{shown(value)}]")
    nested = [_list(item) for item in items]
    if not any(item is not None for item in nested):
        return tuple(_token(place, key, item) for item in items)
    rows: list[tuple[Token, ...]] = []
    for item in nested:
        if not item:
            fail(place, f"{key} is {shown(value)}; expected one list, or one full list a position")
        rows.append(tuple(_token(place, key, token) for token in item))
    if len(rows) != n_positions:
        fail(place, f"{key} has {len(rows)} lists for {n_positions} positions; give one each")
    return tuple(rows)


def _label(place: str, key: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        fail(place, f"{key} is {shown(value)}; expected text")
    return str(value)


def _split(place: str, value: Any) -> Split | None:
    if value is None:
        return None
    if value not in list(Split):
        fail(place, f"split is {shown(value)}; expected 'discovery' or 'heldout'")
    return Split(value)


def _spans(place: str, value: Any, length: int | None) -> dict[str, tuple[int, int]] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        fail(place, f'spans is {shown(value)}; expected {{"name": [from, to]}}')
    spans: dict[str, tuple[int, int]] = {}
    for name, span in cast(Object, value).items():
        ends = _list(span)
        if ends is None or len(ends) != 2 or not all(_is_id(end) for end in ends):
            fail(place, f"span {name!r} is {shown(span)}; expected [from, to], positions from 0")
        check_span(place, name, (ends[0], ends[1]), length)
        spans[name] = (ends[0], ends[1])
    return spans


def check_span(place: str, name: str, span: tuple[int, int], length: int | None) -> None:
    """Refuse a span [from, to) that is empty or leaves a prompt of `length` tokens."""
    start, end = span
    if start >= end or (length is not None and end > length):
        inside = "" if length is None else f" inside the prompt of {length} tokens"
        fail(place, f"span {name!r} is [{start}, {end}]; expected from < to{inside}")


def _weights(
    place: str, value: Any, n_positions: int
) -> tuple[tuple[tuple[Token, float], ...], ...] | None:
    if value is None:
        return None
    rows = _list(value)
    form = "expected one list of [token, weight] a position"
    if not rows or len(rows) != n_positions:
        fail(place, f"weights is {shown(value)} for {n_positions} positions; {form}")
    return tuple(_weight_row(place, row, form) for row in rows)


def _weight_row(place: str, row: Any, form: str) -> tuple[tuple[Token, float], ...]:
    found: list[tuple[Token, float]] = []
    for entry in _list(row) or fail(place, f"weights holds {shown(row)}; {form}"):
        pair = _list(entry) or []
        number = pair[1] if len(pair) == 2 else None
        if isinstance(number, bool) or not isinstance(number, int | float):
            fail(place, f"weights holds {shown(entry)}; {form}")
        found.append((_token(place, "weights", pair[0]), float(number)))
    return tuple(found)


def _metadata(place: str, value: Any) -> Object | None:
    if value is not None and not isinstance(value, dict):
        fail(place, f"metadata is {shown(value)}; expected a JSON object")
    return cast("Object | None", value)
