"""Chromium with the network closed but for this machine, and pages of browsers that were let in."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import chromium
from tests.workers.web.vendored import AXE

PATIENCE = 60_000
"""Milliseconds; a machine may stand still for a while."""
EVERY_RULE = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']"
COLOURS = "['color-contrast']"
"""What is another thing in the dark; all else is as in the light."""
expect.set_options(timeout=PATIENCE)  # five seconds unless it is said
CLOSED = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@contextlib.contextmanager
def running_chrome() -> Generator[Browser]:
    """A browser without a head."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", CLOSED], timeout=3 * PATIENCE
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def visiting(chrome: Browser, entrance: str, **options: Any) -> Generator[Page]:
    """A page of a browser of its own that is let in there; the console must stay silent."""
    context = chrome.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    try:
        page.goto(entrance)
        page.wait_for_url("**/atlas")
        yield page
        # What a refusal and a server that was stopped leave there is no fault of a page.
        no_fault = ("status of 400", "status of 404", "status of 413", "net::")
        assert [each for each in said if not any(words in each for words in no_fault)] == []
    finally:
        context.close()


def violations(page: Page, rules: str = EVERY_RULE) -> list[tuple[str, str]]:
    """What of a page breaks which of axe's rules, with the first place that does."""
    page.evaluate(AXE.text())
    found = page.evaluate(f"axe.run(document, {{runOnly: {rules}}})")
    return [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]]
