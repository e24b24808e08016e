"""Whatever a model, a label or an error is called, a terminal shows it and does nothing."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from graph_schema.printable import as_cell, from_cell
from graph_schema.reports import table
from workers.cli.output import emit, emit_json, say
from workers.client.bars import Bars

STEERS = {
    "CSI: colours, cursor, wipe": "\x1b[2J\x1b[31m",
    "OSC 8: a link that reads as another": "\x1b]8;;http://evil/\x1b\\gpt2\x1b]8;;\x1b\\",
    "OSC 52: into the clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "C1, which needs no escape": "\x9b2J\x9d0;title\x9c\x90q\x9c",
    "over the line before": "failed\rdone  ",
    "up and down": "a\x0bb\x0cc\x85d\u2028e\u2029f",
    "turned round": "\u202efdp.exe\u202c \u2066x\u2069",
    "rubbed out": "secret\x08\x08\x7f\x7f",
    "half a character": "\ud800",
    "null": "a\x00b",
}
TEXTS = st.text(st.characters(), max_size=40) | st.sampled_from(sorted(STEERS.values()))


class Shown(io.StringIO):
    """A terminal, or a file."""

    def __init__(self, terminal: bool = True) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def steers(text: str) -> bool:
    """By its own rule, not the one that is tested: all but line ends that Unicode calls a control,
    a separator of lines, half a character or a turn."""
    turns = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return any(
        unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(c) in turns
        for c in text.replace("\n", "")
    )


@given(TEXTS)
@example("a\nb")
def test_words_steer_nothing(text: str) -> None:
    with patch("sys.stdout", Shown()) as out, patch("sys.stderr", Shown()) as error:
        emit(text)
        emit(table(["a", text], [[text, 1.5]]))
        emit(text, exact=True)
        say(f"error: {text}")
    assert not steers(out.getvalue())
    assert not steers(error.getvalue())


@given(TEXTS)
def test_json_steers_nothing_and_says_the_same(text: str) -> None:
    with patch("sys.stdout", Shown(terminal=False)) as out:
        emit_json({"text": text, text: [text]})
    assert not steers(out.getvalue())
    assert json.loads(out.getvalue()) == {"text": text, text: [text]} | {text: [text]}


def test_a_file_gets_a_table_of_values_as_it_is() -> None:
    with patch("sys.stdout", Shown(terminal=False)) as out:
        emit("a\tb\x1b", exact=True)
    assert out.getvalue() == "a\tb\x1b\n"


@pytest.mark.parametrize(
    "name", [*STEERS.values(), "[bold]", "[/]", "[link=http://evil]gpt2[/link]"]
)
def test_a_bar_shows_names_and_does_nothing(name: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=300)
    with patch("rich.console.Console", return_value=console), Bars(name) as bar:
        bar(name, 1, 2, name)
        before = len(out.getvalue())
        bar("plain", 1, 2)
    known = {"\x1b[?25l", "\x1b[?25h"}
    text = out.getvalue()
    assert before
    for own in known:
        text = text.replace(own, "")
    for part in ("\x1b]", "\x1b[2J", "\x9b", "\x9d", "\u202e", "\x08", "\x00", "\u2028"):
        assert part not in text
    if name.startswith("["):
        assert name in text


@given(st.sampled_from(["", "'", "''"]), st.sampled_from("=+-@\t\r\n"), st.text(max_size=9))
@example("", "=", "cmd|' /C calc'!A0")
def test_no_cell_is_a_formula_and_it_comes_back(before: str, start: str, text: str) -> None:
    cell = as_cell(f"{before}{start}{text}")
    assert cell.startswith("'")
    assert from_cell(cell) == f"{before}{start}{text}"


@given(st.text(max_size=9))
def test_any_cell_comes_back(text: str) -> None:
    assert from_cell(as_cell(text)) == text
    assert not as_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_an_answer_s_cells_are_no_formulas() -> None:
    from workers.client import Rows

    answer = Rows(("=A1", "n"), (("=cmd|' /C calc'!A0", -1.5), ("@SUM(1)", 2)))
    rows = list(csv.reader(io.StringIO(answer.to_csv())))
    assert rows == [["'=A1", "n"], ["'=cmd|' /C calc'!A0", "-1.5"], ["'@SUM(1)", "2"]]
