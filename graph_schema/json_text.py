"""Values as JSON text, which has no word for NaN and infinity: they become null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast


def json_text(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """The value as valid JSON; a float that is not finite, at any depth, is null."""
    try:
        return json.dumps(value, ensure_ascii=ascii_only, indent=indent, allow_nan=False)
    except ValueError:
        finite = finite_or_null(value)
        return json.dumps(finite, ensure_ascii=ascii_only, indent=indent, allow_nan=False)


def finite_or_null(value: Any) -> Any:
    """The value with None in place of every float that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {name: finite_or_null(item) for name, item in items}
    if isinstance(value, list | tuple):
        return [finite_or_null(item) for item in cast("list[Any] | tuple[Any, ...]", value)]
    return value
