"""Which checks there are for an installation with these settings, in the order of reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from workers.doctor import installation, places, servers
from workers.doctor.checks import SECONDS, Check, Finding
from workers.settings import Settings

Of = Callable[[Settings], Iterable[Finding]]


def every_check(read: Callable[[], Settings]) -> list[Check]:
    """All checks; what needs no settings alone where these cannot be read.

    Args:
        read: Reads the settings.
    """
    first = [Check("versions", installation.versions), Check("tested", installation.tested)]
    try:
        settings = read()
    except Exception as error:
        return [*first, Check("settings", partial(_raise, error))]

    def of(name: str, look: Of, seconds: float = SECONDS) -> Check:
        return Check(name, partial(look, settings), seconds)

    return [
        *first,
        of("settings", installation.variables),
        of("service", servers.service),
        of("graph", servers.graph, seconds=3 * SECONDS),
        of("broker", servers.queue, seconds=3 * SECONDS),
        of("artifacts", places.artifacts, seconds=3 * SECONDS),
        of("models", places.models),
        of("disk", places.disk),
        of("permissions", places.permissions),
        of("java", installation.java),
        of("gpu", installation.gpu, seconds=installation.GPU_SECONDS),
    ]


def _raise(error: Exception) -> Iterable[Finding]:
    raise error
