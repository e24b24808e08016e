"""Secrets that the environment names by file: `CIRCUITS_X_FILE` for a secret field `x`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from graph_schema.errors import SpecError
from graph_schema.private_files import expanded
from workers.environment import PREFIX, Environment

MOST_BYTES = 2**16


def read_secret(path: Path, said_by: str) -> str:
    """The secret in a file, without the blanks around it.

    Args:
        path: The file.
        said_by: What names it, for the message.

    Raises:
        SpecError: It cannot be read, or holds no text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise SpecError(
                f"{said_by} is {str(path)!r}, which has more than {MOST_BYTES:,} bytes: that is no "
                "password; name the file that holds it"
            )
        return data.decode().strip()
    except OSError as error:
        raise SpecError(
            f"{said_by} is {str(path)!r}, which cannot be read: {error.strerror}"
        ) from error
    except ValueError as error:  # no UTF-8, whose message would show some of it; a null in the name
        raise SpecError(
            f"{said_by} is {str(path)!r}, which holds no text in UTF-8, or is no name of a file"
        ) from error


def secret_fields(settings_cls: type[BaseSettings]) -> list[str]:
    """The settings that are secrets."""
    fields = settings_cls.model_fields.items()
    return [name for name, field in fields if "SecretStr" in str(field.annotation)]


def secret_files(settings_cls: type[BaseSettings]) -> dict[str, str]:
    """The files that the environment names for secrets, by the name of the variable."""
    source = SecretFiles(settings_cls)
    names = [f"{PREFIX}{name}_file".upper() for name in settings_cls.model_fields]
    named = {name: source.env_vars.get(name.lower()) for name in names}
    return {name: path for name, path in named.items() if path}


class SecretFiles(Environment):
    """Reads `CIRCUITS_X_FILE` for every secret field `x`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = f"{PREFIX}{field_name}_file".upper()
        path = self.env_vars.get(name.lower())
        if path is None or "SecretStr" not in str(field.annotation):
            return None, field_name, False
        if self.env_vars.get(name.removesuffix("_FILE").lower()) is not None:
            raise SpecError(f"{name} and {name.removesuffix('_FILE')} are both set: unset one")
        return read_secret(expanded(path), name), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}
