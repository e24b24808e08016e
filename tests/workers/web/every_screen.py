"""What holds of every screen, in the light, in the dark, and on a phone without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.workers.web.chrome import COLOURS, EVERY_RULE, violations, visiting

ways = pytest.mark.parametrize(
    ("scheme", "width", "scripts"),
    [("light", 1280, True), ("dark", 1280, True), ("light", 360, False)],
)


def read_every_screen(
    chrome: Browser,
    url: str,
    entrance: str,
    screens: Mapping[str, str],
    folder: Path,
    *,
    scheme: str,
    width: int,
    scripts: bool,
) -> None:
    """Paths by name: each fits its width and breaks no rule of axe; a picture of it is left.

    The one called `error` is refused.
    """
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    if not scripts:
        options["java_script_enabled"] = False
    with visiting(chrome, entrance, **options) as page:
        for name, path in screens.items():
            answer = page.goto(url + path)
            assert answer is not None
            assert answer.ok is (name != "error"), name
            if scripts and "/circuits/" in path and answer.ok:
                expect(page.locator("#drawing[data-ready=yes]")).to_be_visible()
            page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
            needed = page.evaluate("document.documentElement.scrollWidth")
            assert needed <= width, f"{name} is {needed} wide"
            if scripts:
                assert violations(page, COLOURS if scheme == "dark" else EVERY_RULE) == [], name
