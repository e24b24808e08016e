"""What a worker goes by, and whether that is what whoever joins its service goes by."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from workers.local.files import ServiceFiles
from workers.settings import PREFIX, Settings

log = logging.getLogger(__name__)

OWN_LIMITS = ("import_bytes", "query_bytes", "query_rows", "query_seconds")
"""Limits that the client goes by, not the worker."""


def goes_by(settings: Settings) -> dict[str, str]:
    """What a worker with these settings goes by, as a user would name it; no secret's value."""
    cache = settings.xdg_cache_home or Path("~/.cache").expanduser()
    hub = settings.hf_home or cache / "huggingface"
    return {
        "HF_HOME": str(hub),
        "HF_HUB_CACHE": str(settings.hf_hub_cache or hub / "hub"),
        "HF_ENDPOINT": settings.hf_endpoint.rstrip("/"),
        "HF_HUB_OFFLINE": "1" if settings.hf_offline else "0",
        "HF_TOKEN": "not set" if settings.hf_token is None else "set",
        f"{PREFIX}ARTIFACTS": settings.artifacts_url,
        f"{PREFIX}MODEL_ROOTS": json.dumps([str(root) for root in settings.model_roots]),
        f"{PREFIX}SERVES": settings.serves or "all there is",
        f"{PREFIX}THREADS": str(settings.threads),
        f"{PREFIX}WORKER_PYTHON": str(settings.worker_python),
        **{
            f"{PREFIX}LIMITS__{name.upper()}": json.dumps(value)
            for name, value in settings.limits
            if name not in OWN_LIMITS
        },
    }


def tell_of_differences(settings: Settings) -> None:
    """Say what the running service's worker does not go by, though this process would."""
    state, here = ServiceFiles(settings).read(), goes_by(settings)
    there: Mapping[str, str] = state.goes_by if state else {}
    other = [
        f"{name} is {value} there, {here[name]} here"
        for name, value in there.items()
        if here.get(name, value) != value
    ]
    if other:
        log.warning(
            "the local service of %s was started with other settings, and its worker goes by them: "
            "%s; `circuits down`, then the same command, to have it go by these",
            settings.home,
            "; ".join(other),
        )
