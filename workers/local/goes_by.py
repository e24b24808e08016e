"""What a service's processes go by, and whether that is what whoever joins it goes by."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from graph_schema.printable import without_secrets
from graph_schema.private_files import expanded
from workers.local.files import ServiceFiles
from workers.settings import PREFIX, Settings

log = logging.getLogger(__name__)

OWN_LIMITS = ("import_bytes", "query_bytes", "query_rows")
"""Limits that the client goes by, not the service."""
PLAIN = (
    *("ca_file", "lease_seconds", "max_attempts", "put_off_seconds"),
    *("reconcile_seconds", "resend_seconds"),
    *("cancel_seconds", "idle_seconds", "threads", "worker_python", "log_format"),
)
"""Settings that are shown as they are."""


@dataclass(frozen=True)
class Difference:
    """A setting that is another in the running service than here."""

    setting: str
    there: str
    here: str

    def __str__(self) -> str:
        return f"{self.setting} is {self.there} there, {self.here} here"


def goes_by(settings: Settings) -> dict[str, str]:
    """What a service with these settings goes by, as a user would name it; no secret's value."""
    return {
        "HF_HOME": str(_hf_home(settings)),
        "HF_HUB_CACHE": str(hub_cache(settings)),
        "HF_ENDPOINT": without_secrets(settings.hf_endpoint).rstrip("/"),
        "HF_HUB_OFFLINE": "1" if settings.hf_offline else "0",
        "HF_TOKEN": "not set" if settings.hf_token is None else "set",
        f"{PREFIX}BROKER": without_secrets(settings.broker_url),
        f"{PREFIX}ARTIFACTS": without_secrets(settings.artifacts_url),
        f"{PREFIX}MODEL_ROOTS": json.dumps([str(root) for root in settings.model_roots]),
        f"{PREFIX}SERVES": settings.serves or "all there is",
        **{f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in PLAIN},
        **{
            f"{PREFIX}LIMITS__{name.upper()}": json.dumps(value)
            for name, value in settings.limits
            if name not in OWN_LIMITS
        },
    }


def hub_cache(settings: Settings) -> Path:
    """Where models of the hub are kept."""
    return settings.hf_hub_cache or _hf_home(settings) / "hub"


def differences(settings: Settings) -> list[Difference]:
    """In what the running service of the home goes by other settings than these."""
    files, here = ServiceFiles(settings), goes_by(settings)
    state = files.read()
    if state is None or not files.supervised():
        return []
    there = {name: value for name, value in state.goes_by.items() if name in here}
    return [
        Difference(name, value, here[name]) for name, value in there.items() if here[name] != value
    ]


def tell_of_differences(settings: Settings) -> None:
    """Say what the running service does not go by, though this process would."""
    if other := differences(settings):
        log.warning(
            "the local service of %s was started with other settings, and its worker goes by them: "
            "%s; `circuits down`, then the same command, to have it go by these",
            settings.home,
            "; ".join(map(str, other)),
        )


def _hf_home(settings: Settings) -> Path:
    cache = settings.xdg_cache_home or expanded("~/.cache")
    return settings.hf_home or cache / "huggingface"
