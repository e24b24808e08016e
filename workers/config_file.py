"""A file of settings, `circuits.toml`, under arguments and environment.

Only a file that its user chose is read. Nothing is read of the working directory by being there: a
cloned repository could name servers that passwords are then sent to, or a program to be started.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, InitSettingsSource

from graph_schema.errors import SpecError
from graph_schema.printable import quoted
from graph_schema.private_files import expanded
from workers.environment import PREFIX
from workers.secret_files import read_secret

CONFIG = f"{PREFIX}CONFIG"
NAME = "circuits.toml"
MOST_BYTES = 2**20
FOLDERS = ("home", "ca_file", "model_roots", "artifacts", "worker_python")
"""Settings whose relative values are meant from the file's folder."""
NOT_HERE = ("owner", "words")


class ConfigFile(InitSettingsSource):
    """What the file says; nothing where there is none.

    Raises:
        SpecError: It cannot be read or others may change it; a key is unknown, or says nothing; or
            it holds a secret and others may read it.
    """

    def __init__(self, settings_cls: type[BaseSettings], file: Path | None) -> None:
        self.path = file
        super().__init__(settings_cls, {} if file is None else _said(settings_cls, file))


def _said(settings_cls: type[BaseSettings], file: Path) -> dict[str, Any]:
    found, mode = _read(file)
    fields = settings_cls.model_fields
    known = [name for name, field in fields.items() if field.validation_alias is None]
    secrets = [name for name in known if "SecretStr" in str(fields[name].annotation)]
    by_file = {f"{name}_file": name for name in secrets}
    _require_known(file, found, [*(set(known) - {*NOT_HERE}), *by_file], "setting")
    if empty := [name for name, value in found.items() if value == ""]:
        raise SpecError(f"{empty[0]} in {str(file)!r} is empty: leave it out, or say something")
    if isinstance(limits := found.get("limits"), dict):
        taken: Any = fields["limits"].annotation
        _require_known(file, limits, list(taken.model_fields), "limit")
    held = sorted(set(secrets) & set(found))
    if held and mode & 0o077:
        raise SpecError(
            f"{str(file)!r} holds {held[0]}, and others may read it: chmod 600 it, or "
            f"name a file of the secret in its place ({held[0]}_file)"
        )
    for key, name in by_file.items():
        if key in found:
            found[name] = _secret(file, found, key, name)
    for name in set(FOLDERS) & set(found):
        found[name] = _from(file.parent, name, found[name])
    return found


def chosen_file(config: str | None, config_home: str | None) -> Path | None:
    """The file of settings; None where there is none.

    Args:
        config: The file that the user names, CIRCUITS_CONFIG; /dev/null for none.
        config_home: XDG_CONFIG_HOME, ~/.config where not set.

    Raises:
        SpecError: The named file is not there.
    """
    if config:
        file = expanded(config).absolute()
        if file == Path(os.devnull):
            return None
        if not _is_file(file):
            raise SpecError(f"{CONFIG} is {config!r}, and there is no such file; unset it")
        return file
    file = expanded(config_home or "~/.config") / "circuits" / NAME
    return file.absolute() if _is_file(file) else None


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError as error:  # a name too long, or a folder that is closed to us
        raise SpecError(
            f"settings in {quoted(str(file))} cannot be looked for: {error.strerror} ({CONFIG}, "
            "or XDG_CONFIG_HOME)"
        ) from error


def _read(file: Path) -> tuple[dict[str, Any], int]:
    try:
        with file.open("rb") as source:
            told = os.fstat(source.fileno())
            data = source.read(MOST_BYTES + 1)
    except OSError as error:
        raise SpecError(
            f"settings in {str(file)!r} cannot be read: {error.strerror} ({CONFIG})"
        ) from error
    ours = told.st_uid in (0, os.getuid())
    if stat.S_ISREG(told.st_mode) and (not ours or told.st_mode & 0o022):
        raise SpecError(
            f"settings in {str(file)!r} are another's to change: own the file and chmod go-w it, "
            f"or name another ({CONFIG})"
        )
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        return tomllib.loads(data.decode("utf-8-sig")), told.st_mode
    except (ValueError, RecursionError) as error:  # also of what is no TOML, or no UTF-8
        raise SpecError(f"settings in {str(file)!r} are no TOML: {error}") from error


def _require_known(file: Path, given: Collection[str], known: list[str], what: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name.lower().removeprefix(PREFIX.lower()), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected: {', '.join(sorted(known))}"
            raise SpecError(f"unknown {what} {name!r} in {str(file)!r}; {hint}")


def _secret(file: Path, found: dict[str, Any], key: str, name: str) -> str:
    if name in found:
        raise SpecError(f"{key} and {name} are both in {str(file)!r}: leave one out")
    return read_secret(file.parent / expanded(str(found.pop(key))), f"{key} in {str(file)!r}")


def _from(folder: Path, name: str, value: Any) -> Any:
    """The value, meant from the file's folder where it is relative."""
    if isinstance(value, list):
        return [_from(folder, name, each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, str) or "://" in value:
        return value
    if name == "worker_python" and "/" not in value:
        return value  # of the PATH
    return str(folder / expanded(value))
