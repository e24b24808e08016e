"""Settings as the environment says them; those of several values as JSON."""

from __future__ import annotations

import json
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from graph_schema.errors import SpecError

PREFIX = "CIRCUITS_"
LIKE = {
    "model_roots": """a list of folders, '["/models"]'""",
    "limits": """an object, '{"pairs": 100}', or one limit by itself, CIRCUITS_LIMITS__PAIRS=100""",
}
"""How those are written that are JSON."""


class Environment(EnvSettingsSource):
    """`CIRCUITS_<NAME>`, and `CIRCUITS_LIMITS__<NAME>`.

    Raises:
        SpecError: A value that is to be JSON is none. It is not shown: it may be a secret.
    """

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
            raise SpecError(
                f"setting {PREFIX}{field_name.upper()} is no JSON: {why}; expected "
                f"{LIKE.get(field_name, 'JSON')}"
            ) from error
