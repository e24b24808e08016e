"""Each setting, and which variable or file it came from; secrets do not show."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from pydantic import AliasChoices, SecretStr

from graph_schema.documents import Limits
from graph_schema.printable import without_secrets
from workers.config_file import CONFIG, NOT_HERE
from workers.environment import PREFIX
from workers.secret_files import secret_fields
from workers.settings import Settings, sources

DEFAULT = "default"
OF_SCRIPTS = ("CIRCUITS_CLUSTER", "CIRCUITS_SETTINGS")
"""What `deploy/local.sh` and `deploy/slurm/worker.sbatch` read."""

_SERVICE = re.compile(
    r"_SERVICE_(HOST|PORT(_.+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$", re.ASCII
)


@dataclass(frozen=True)
class Told:
    """A setting's name, its value as text or a number, and where it was said."""

    name: str
    value: Any
    origin: str


def told(settings: Settings) -> list[Told]:
    """Every setting but the names that processes give themselves; limits one by one."""
    found: list[Told] = []
    for name, value in settings:
        if name == "limits":
            found += [
                Told(f"limits.{limit}", bound, origin(name, limit))
                for limit, bound in settings.limits
            ]
        elif name not in NOT_HERE:
            found.append(Told(name, _shown(name, value), origin(name)))
    return found


def origin(name: str, limit: str | None = None) -> str:
    """The variable or file that says a setting, or one limit, or that it is the default."""
    environment, secret_files, file = sources()
    keys = _names(name)
    if limit is not None:
        keys = [f"{PREFIX}{name}__{limit}".upper(), f"{PREFIX}{name}".upper()]
        said = environment().get(name, {})
        variables = [key for key in keys if environment.env_vars.get(key.lower())]
        if limit in said:
            return variables[0]
        return str(file.path) if limit in file().get(name, {}) else DEFAULT
    for key in keys:
        if environment.env_vars.get(key.lower()):
            return key
    if name in secret_files():
        return f"{PREFIX}{name}_FILE".upper()
    return str(file.path) if name in file() else DEFAULT


def strangers() -> dict[str, str]:
    """Variables that begin as a setting's does and are none's; each with the near one, or "".

    Those that our scripts read are none, nor those that Kubernetes sets for a service of that name.
    """
    environment, _, _ = sources()
    fields = Settings.model_fields
    known = [key for name in fields for key in _names(name)]
    known += [f"{PREFIX}{name}_FILE".upper() for name in secret_fields(Settings)]
    known += [
        CONFIG,
        *OF_SCRIPTS,
        *(f"{PREFIX}LIMITS__{limit}".upper() for limit in Limits.model_fields),
    ]
    named = {
        name.upper()
        for name, value in environment.env_vars.items()
        if name.upper().startswith(PREFIX) and not _of_service(name.upper(), value or "")
    }
    return {
        name: next(iter(difflib.get_close_matches(name, known, n=1)), "")
        for name in sorted(named - set(known))
    }


def _of_service(name: str, value: str) -> bool:
    """Whether Kubernetes says by it where a service is; `circuits-redis` has seven of them."""
    where = value.startswith(("tcp://", "udp://", "sctp://"))
    return _SERVICE.search(name) is not None or (name.endswith("_PORT") and where)


def _names(name: str) -> list[str]:
    """The variables that may say it, the first that counts first."""
    alias = Settings.model_fields[name].validation_alias
    if alias is None:
        return [f"{PREFIX}{name}".upper()]
    return (
        [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]
    )


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        # An address is told from a password by what it is for: a password may look like one.
        return f"set ({without_secrets(value.get_secret_value())})" if name == "broker" else "set"
    if isinstance(value, tuple):
        return [str(each) for each in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value if isinstance(value, int | float | None) else without_secrets(str(value))
