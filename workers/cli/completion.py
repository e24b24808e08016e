"""How a shell that completes a command line is answered: in time, or with nothing.

Typer speaks the shells' protocols; what may stand where is in `suggestions.py`. Whoever presses the
tabulator reads no errors: whatever goes wrong, here or below, the answer is empty.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, MutableMapping
from contextlib import redirect_stderr, redirect_stdout

from graph_schema.on_demand import hidden

VARIABLE = "_CIRCUITS_COMPLETE"
"""What typer's scripts for the shells set."""


def answer_shell(app: Callable[..., object]) -> int:
    """Write what may stand where the shell's cursor is; returns the exit code that it expects."""
    cut = _join_words(os.environ) if os.environ.get(VARIABLE) == "complete_bash" else ""
    said, code = io.StringIO(), 0
    # By rich, which takes long to load, typer would read descriptions as markup.
    with hidden("rich"), redirect_stdout(said), redirect_stderr(io.StringIO()):
        try:
            app([], prog_name="circuits")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except Exception:  # a shell would show it in the middle of what is typed
            return 0
    lines = [line.removeprefix(cut) for line in said.getvalue().splitlines()]
    if any(lines):
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()
    return code


def _join_words(environment: MutableMapping[str, str]) -> str:
    """Join again what bash takes for several words; returns what it has of the last of them.

    To bash `:` and `=` end a word: `zoo:llama/1` is three. It puts an answer in place of the last
    one alone, so that what stands before it must not be said again.
    """
    words = environment.get("COMP_WORDS", "").split("\n")
    try:
        at = int(environment.get("COMP_CWORD", ""))
    except ValueError:
        return ""
    joined: list[str] = []
    place = 0
    for number, word in enumerate(words):
        marks = {":", "="} & {word[:1], words[number - 1][-1:] if number else ""}
        if marks and number > 1:
            joined[-1] += word
        else:
            joined.append(word)
        if number == at:
            place = len(joined) - 1
    if at >= len(words):
        place = len(joined) + at - len(words)
    environment["COMP_WORDS"], environment["COMP_CWORD"] = "\n".join(joined), str(place)
    typed = joined[place] if place < len(joined) else ""
    if typed.startswith("-"):
        typed = typed.partition("=")[2]
    head, colon, _ = typed.rpartition(":")
    return head + colon
