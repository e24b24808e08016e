"""What a user says of a circuit or a job becomes notes and tags, checked before any is written."""

from __future__ import annotations

from collections.abc import Sequence

from graph_schema.documents.one_line import one_line
from graph_schema.documents.remark import LONGEST_NOTE, LONGEST_TAG
from graph_schema.errors import SpecError
from graph_schema.printable import escaped, quoted
from workers.requests.asked import as_text

MOST = 100
"""Notes of one circuit or job; likewise tags."""


def checked_note(text: str) -> str:
    """A note, without the blanks around it.

    Raises:
        SpecError: It is no text, empty, too long, or has a line end or another that steers.
    """
    text = as_text("the note", text)
    return one_line(text, LONGEST_NOTE, "the note has", "the note is")


def checked_tag(text: str) -> str:
    """A tag.

    Raises:
        SpecError: It is no single word, or too long, or has a character that steers.
    """
    text = as_text("a tag", text)
    bad = escaped(text) != text or any(c.isspace() or c == "," for c in text)
    if bad or not 0 < len(text) <= LONGEST_TAG or text.startswith("-"):
        raise SpecError(
            f"{quoted(text)} is no tag; expected one word of 1 to {LONGEST_TAG} characters, "
            "without blanks and commas, that does not begin with -"
        )
    return text


def check_room(kind: str, there: Sequence[str], more: Sequence[str]) -> None:
    """Return where these may be added to what is there.

    Raises:
        SpecError: They would be too many.
    """
    if (total := len({*there, *more})) > MOST:
        raise SpecError(
            f"it would have {total} {kind}s; expected at most {MOST}: remove some (--remove)"
        )
