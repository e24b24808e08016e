"""A moment in the past, as a user says it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from graph_schema.errors import SpecError

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_AGO = re.compile(r"(\d{1,6})([smhdw])")


def moment(text: str, now: float) -> float:
    """Seconds since 1970 of `90m`, `12h`, `3d` ago, or of `2025-11-29` or `2025-11-29T08:30`.

    A date without a zone is the machine's.

    Raises:
        SpecError: It is neither.
    """
    if found := _AGO.fullmatch(text):
        return now - int(found[1]) * UNITS[found[2]]
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise SpecError(
            f"since {text!r} is no time; expected 30m, 12h, 3d or 2w ago, or a date such as "
            "2025-11-29 or 2025-11-29T08:30"
        ) from None
