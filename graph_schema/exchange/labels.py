"""Labels in bulk: a table of a circuit's units to write names into, and the table read back.

Comma-separated, one row a node, with what is known of it. A spreadsheet takes a cell that begins
with = + - or @ for a formula: text of ours that does is written behind an apostrophe, which the
reader takes off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graph_schema.documents import (
    Annotation,
    CircuitDocument,
    Component,
    FeatureDescription,
    Features,
)
from graph_schema.documents.one_line import one_line
from graph_schema.errors import SpecError
from graph_schema.printable import as_cell, escaped, from_cell, quoted

COLUMNS = (
    *("node", "position", "label", "label_score", "author"),
    *("density", "max_activation", "detection", "promotes", "suppresses", "examples"),
    *("new_label", "score"),
)
NEEDED = ("node", "new_label")
LONGEST = 500
"""Characters of a label."""
MOST_ROWS = 100_000
MOST_NAMED = 5
"""Lines that a refusal names."""
AROUND = 80
SHOWN = 3
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class LabelRow:
    """A label that a line gives to a node; `score` where the line has one."""

    line: int
    node: str
    text: str
    score: float | None = None


def write_label_table(
    circuit: CircuitDocument, said: Iterable[Annotation], features: Features
) -> str:
    """One row a unit node, in the order of the forward pass; `new_label` and `score` are empty."""
    labels = newest_labels(circuit, said)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    units, called = set(circuit.unit_names), {node.name: node.label for node in circuit.nodes}
    for part in map(Component.parse, circuit.nodes_in_order):
        if part.unit not in units:
            continue
        label = labels.get(part.name)
        writer.writerow(
            [
                part.name,
                "" if part.position is None else part.position,
                _text(called.get(part.name) or ""),
                "" if label is None or label.score is None else label.score,
                _text("" if label is None else label.author),
                *_known(features.by_name.get(part.unit)),
                "",
                "",
            ]
        )
    return out.getvalue()


def newest_labels(circuit: CircuitDocument, said: Iterable[Annotation]) -> dict[str, Annotation]:
    """What gave each node the label that it has: of several that say the same, the newest."""
    called = {node.name: node.label for node in circuit.nodes}
    ordered = sorted((each for each in said if each.kind == "label"), key=lambda each: each.at or 0)
    return {each.component: each for each in ordered if called.get(each.component) == each.text}


def _known(unit: FeatureDescription | None) -> list[object]:
    if unit is None:
        return [""] * 6
    detection = unit.detected("tokens")
    return [
        f"{unit.density:.4g}",
        f"{unit.max_activation:.4g}",
        "" if detection is None else f"{detection:.3f}",
        _text(", ".join(token.text.strip() for token in unit.promotes)),
        _text(", ".join(token.text.strip() for token in unit.suppresses)),
        _text(" | ".join(example.marked(AROUND).strip() for example in unit.examples[:SHOWN])),
    ]


def _text(text: str) -> str:
    """Text of a cell that no spreadsheet computes."""
    return as_cell(escaped(text))


def read_label_table(data: bytes) -> list[LabelRow]:
    """The lines that give a label; columns may come in any order, and others are ignored.

    Raises:
        SpecError: It is no such table, a value is not what its column says, or a node has two
            labels; the message names the lines.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(
            f"the file is not UTF-8 (byte {error.start}); save it as CSV in UTF-8"
        ) from error
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[LabelRow] = []
    bad: list[str] = []
    try:
        columns = list(reader.fieldnames or ())
        if missing := [name for name in NEEDED if name not in columns]:
            raise SpecError(
                f"the file has no column {missing[0]!r}; expected a table as "
                "`circuits label CIRCUIT --write FILE.csv` writes it"
            )
        if twice := {name for name in columns if columns.count(name) > 1} & set(COLUMNS):
            raise SpecError(f"the file has two columns {min(twice)!r}; leave one")
        for row in reader:
            if reader.line_num > MOST_ROWS:
                raise SpecError(f"the file has more than {MOST_ROWS:,} lines; split it")
            try:
                label = _label(row, reader.line_num)
            except SpecError as error:
                bad.append(str(error))
            else:
                found += [label] if label is not None else []
    except csv.Error as error:
        raise SpecError(
            f"line {reader.line_num}: no row of a CSV file ({error}); save it as CSV in UTF-8"
        ) from error
    bad += _twice(found)
    refuse(bad)
    return found


def refuse(bad: list[str]) -> None:
    """Refuse a table by what is wrong with its lines; nothing where nothing is.

    Raises:
        SpecError: Something is.
    """
    if bad:
        more = f"; and {len(bad) - MOST_NAMED} lines more" if len(bad) > MOST_NAMED else ""
        raise SpecError(f"{'; '.join(bad[:MOST_NAMED])}{more}; nothing was written")


def checked_text(text: str, place: str) -> str:
    """A label's text, without the blanks around it.

    Raises:
        SpecError: It is empty or too long, or has a line end or another character that steers.
    """
    return one_line(text, LONGEST, f"{place} has a label of", f"{place} has the label")


def checked_score(score: float, place: str) -> float:
    """A label's score.

    Raises:
        SpecError: It is no share.
    """
    if not 0 <= score <= 1:
        raise SpecError(
            f"{place} has the score {quoted(score)}; expected 0 to 1, a balanced accuracy"
        )
    return score


def _label(row: Mapping[str | None, object], line: int) -> LabelRow | None:
    if None in row:
        raise SpecError(f"line {line} has more cells than there are columns")
    node, text, score = (str(row.get(name) or "") for name in ("node", "new_label", "score"))
    text = from_cell(text)
    if not text.strip(" "):
        return None
    text = checked_text(text, f"line {line}")
    if not score.strip():
        return LabelRow(line, node.strip(), text)
    try:
        number = float(score)
    except ValueError:
        raise SpecError(f"line {line} has the score {quoted(score)}; expected 0 to 1") from None
    return LabelRow(line, node.strip(), text, checked_score(number, f"line {line}"))


def _twice(rows: Iterable[LabelRow]) -> list[str]:
    """What is wrong with lines that label a node again, otherwise."""
    first: dict[str, LabelRow] = {}
    bad: list[str] = []
    for row in rows:
        before = first.setdefault(row.node, row)
        if (before.text, before.score) != (row.text, row.score):
            bad.append(f"line {row.line} labels {quoted(row.node)}, as line {before.line} does")
    return bad
