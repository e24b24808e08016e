"""What a broker's URL says, without Celery."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def queue_folder(url: str) -> Path | None:
    """The folder of a queue that is one."""
    parts = urlsplit(url)
    # What stands between two slashes and the third would be a host: a relative folder is none.
    if parts.scheme == "filesystem" and parts.path.startswith("/") and not parts.netloc:
        return Path(unquote(parts.path)) / "queue"
    return None
