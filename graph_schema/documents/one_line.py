"""Text that a person writes of something stored: on one line, and steering nothing."""

from __future__ import annotations

from graph_schema.errors import SpecError
from graph_schema.printable import escaped, quoted


def one_line(text: str, longest: int, has: str, reads: str) -> str:
    """The text, without the blanks around it.

    Args:
        text: As it was written.
        longest: Characters.
        has: Begins a message on its length: `the note has`.
        reads: Begins a message that quotes it: `the note is`.

    Raises:
        SpecError: It is empty or too long, or has a line end or another character that steers.
    """
    text = text.strip(" ")
    if not 0 < len(text) <= longest:
        raise SpecError(f"{has} {len(text):,} characters; expected 1 to {longest:,}")
    if escaped(text) != text:
        raise SpecError(
            f"{reads} {quoted(text)}; expected text without line ends and control characters"
        )
    return text
