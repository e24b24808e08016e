"""Secrets that the environment names by file: `CIRCUITS_X_FILE` for a secret field `x`."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from graph_schema.errors import SpecError
from graph_schema.private_files import expanded

PREFIX = "CIRCUITS_"


def secret_files(settings_cls: type[BaseSettings]) -> dict[str, str]:
    """The files that the environment names for secrets, by the name of the variable."""
    source = SecretFiles(settings_cls)
    names = [f"{PREFIX}{name}_file".upper() for name in settings_cls.model_fields]
    named = {name: source.env_vars.get(name.lower()) for name in names}
    return {name: path for name, path in named.items() if path}


class SecretFiles(EnvSettingsSource):
    """Reads `CIRCUITS_X_FILE` for every secret field `x`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = f"{PREFIX}{field_name}_file".upper()
        path = self.env_vars.get(name.lower())
        if path is None or "SecretStr" not in str(field.annotation):
            return None, field_name, False
        if self.env_vars.get(name.removesuffix("_FILE").lower()) is not None:
            raise SpecError(f"{name} and {name.removesuffix('_FILE')} are both set: unset one")
        try:
            return expanded(path).read_text().strip(), field_name, False
        except OSError as error:
            raise SpecError(
                f"{name} is {path!r}, which cannot be read: {error.strerror}"
            ) from error

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}
