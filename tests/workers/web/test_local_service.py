"""Pages of a local service that somebody ends: only a person's request brings it back."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from starlette.requests import Request

from tests.workers.web.conftest import KEY
from workers.client import CircuitClient, service
from workers.local.ending import down
from workers.local.service import ensure_local, status
from workers.settings import Settings
from workers.web.access import Access
from workers.web.screens import jobs
from workers.web.site import Site


async def _forever() -> dict[str, str]:
    await anyio.sleep_forever()
    raise AssertionError


async def _told(site: Site, seconds: float) -> list[str | None]:
    """The events that an open page of jobs gets, up to the first change."""
    told: list[str | None] = []
    request = Request({"type": "http", "headers": []}, _forever)
    with anyio.move_on_after(seconds):
        async for each in jobs._changes(site, request, {}, ""):
            told.append(each.event)
            if each.event == "changed":
                break
    return told


def test_an_open_page_follows_a_service_and_brings_none_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AWAY_SECONDS", 0.1)
    monkeypatch.setattr(service, "PATIENCE", 0.2)
    settings = Settings(home=tmp_path / "home")
    with CircuitClient(settings=settings, worker=False) as client:
        site = Site(client, Access(KEY))
        try:
            assert "changed" not in anyio.run(_told, site, 0.5)
            assert not status(settings).running
            ensure_local(settings, worker=False)
            assert anyio.run(_told, site, 60) == [None, "changed"]
            down(settings)
            # It holds a connection to what has ended.
            assert "changed" not in anyio.run(_told, site, 2.0)
            assert not status(settings).running
        finally:
            client.close()
            down(settings)
