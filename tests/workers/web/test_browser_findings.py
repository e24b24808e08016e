"""Comparisons, verdicts and the atlas in chromium; screenshots are left in the test's folder."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from graph_schema.documents.universality import UniversalityReport
from tests.made_universality import store_report
from tests.workers.web.chrome import visiting
from tests.workers.web.conftest import Atlas
from tests.workers.web.test_browser import Served
from tests.workers.web.test_verdicts import MODELS
from tests.workers.web.vendored import AXE

pytestmark = [pytest.mark.needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(atlas: Atlas) -> UniversalityReport:
    return store_report(atlas.client.service.store, MODELS, stressed="a")


@pytest.fixture(scope="module")
def served(atlas: Atlas) -> Generator[Served]:
    served = Served(atlas)
    yield served
    served.stop()


def _screens(atlas: Atlas, report: UniversalityReport) -> dict[str, str]:
    return {
        "verdicts": "/verdicts",
        "verdict": f"/verdicts/{report.verdicts[1].verdict_id}",
    }


def _violations(page: Page, tags: str) -> list[tuple[str, str]]:
    page.evaluate(AXE.text())
    found = page.evaluate(f"axe.run(document, {{runOnly: {tags}}})")
    return [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]]


@pytest.mark.parametrize(
    ("scheme", "width", "scripts"),
    [("light", 1280, True), ("dark", 1280, True), ("light", 360, False)],
)
def test_every_screen_reads_and_passes_the_accessibility_check(
    atlas: Atlas,
    report: UniversalityReport,
    served: Served,
    chrome: Browser,
    tmp_path: Path,
    scheme: Any,
    width: int,
    scripts: bool,
) -> None:
    size: Any = {"width": width, "height": 900}
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": size}
    if not scripts:
        options["java_script_enabled"] = False
    with visiting(chrome, served.entrance(), **options) as page:
        for name, path in _screens(atlas, report).items():
            answer = page.goto(served.url + path)
            assert answer is not None
            assert answer.ok, name
            page.screenshot(path=tmp_path / f"{name}-{scheme}-{width}.png", full_page=True)
            needed = page.evaluate("document.documentElement.scrollWidth")
            assert needed <= width, f"{name} is {needed} wide"
            if scripts:  # in the dark nothing but colours is another
                light = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']"
                tags = light if scheme == "light" else "['color-contrast']"
                assert _violations(page, tags) == [], name
