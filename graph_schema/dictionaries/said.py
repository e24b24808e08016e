"""Configuration files beside a dictionary, and their keys, each held to the type that is expected.

JSON and YAML, bounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from graph_schema.dictionaries.tensor_files import reading
from graph_schema.errors import DictionaryError, SpecError
from graph_schema.printable import quoted
from graph_schema.yaml_text import read_yaml

MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Said:
    """An object of a configuration file: every key is asked for with its type."""

    where: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, file: Path) -> Said:
        """The object in a JSON or YAML file.

        Raises:
            DictionaryError: It is too large, or no object.
        """
        with reading(file):
            if (size := file.stat().st_size) > MOST_BYTES:
                raise DictionaryError(f"it has {size:,} bytes; expected at most {MOST_BYTES:,}")
            text = file.read_text(encoding="utf-8")
            found: object = json.loads(text) if file.suffix == ".json" else _yaml(text)
            if not isinstance(found, dict):
                raise DictionaryError(f"it holds {quoted(found)}; expected an object")
        return cls(str(file), cast("dict[str, Any]", found))

    def inner(self, key: str) -> Said:
        """An object under a key, empty where it is not there."""
        value = self._typed(key, dict, "an object")
        return Said(f"{self.where}, {key}", value or {})

    def text(self, key: str, default: str | None = None) -> str | None:
        value: str | None = self._typed(key, str, "text")
        return default if value is None else value

    def flag(self, key: str, default: bool = False) -> bool:
        value: bool | None = self._typed(key, bool, "true or false")
        return default if value is None else value

    def number(self, key: str) -> float | None:
        """A number other than NaN or infinity."""
        value = self.fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
            raise self._wrong(key, "a number")
        return float(value)

    def whole(self, key: str, least: int = 0) -> int | None:
        """A whole number, at least `least`."""
        value = self.fields.get(key)
        if value is None:
            return None
        if type(value) is not int or not least <= value < 2**31:
            raise self._wrong(key, f"a whole number from {least} on")
        return value

    def listed(self, key: str) -> list[Any] | None:
        """A list, whatever is in it."""
        return self._typed(key, list, "a list")

    def required(self, key: str) -> str:
        """Text that must be there."""
        value = self.text(key)
        if value is None:
            raise self._wrong(key, "text")
        return value

    def _typed(self, key: str, kind: type[Any], expected: str) -> Any:
        value = self.fields.get(key)
        if value is not None and not isinstance(value, kind):
            raise self._wrong(key, expected)
        return value

    def _wrong(self, key: str, expected: str) -> DictionaryError:
        return DictionaryError(
            f"dictionary configuration {self.where!r}: {key} is {quoted(self.fields.get(key))}; "
            f"expected {expected}"
        )


def _yaml(text: str) -> object:
    try:
        return read_yaml(text, "it", MOST_BYTES)[0]
    except SpecError as error:
        raise DictionaryError(str(error)) from error
