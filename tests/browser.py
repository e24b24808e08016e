"""A page in a real browser: chromium, without a head, told what to do over its own protocol.

No library: a page is printed as the browser sees it after layout (`--dump-dom`), with what a script
of the test's own found out put into it; the page itself has none.
"""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 180

_FRAME = """<!doctype html><meta charset=utf-8><pre id=found></pre>
<iframe id=page style="border:0;width:{width}px;height:800px" srcdoc="{page}"></iframe>
<script>
document.getElementById("page").onload = function () {{
  const doc = this.contentDocument, root = doc.documentElement;
  const past = [...doc.querySelectorAll("body *")].filter((each) =>
    each.getBoundingClientRect().right > root.clientWidth + 1 && !each.closest("svg svg *"));
  document.getElementById("found").textContent = JSON.stringify({{
    text: doc.body.innerText, width: root.clientWidth, needed: root.scrollWidth,
    past: past.slice(0, 5).map((each) => each.outerHTML.slice(0, 200)),
    pictures: [...doc.querySelectorAll("svg")].map((each) => each.getBoundingClientRect().width),
  }});
}};
</script>"""


@dataclass(frozen=True)
class Seen:
    """What a page came to: its text, how wide it is and needs to be, what lies past its edge."""

    text: str
    width: int
    needed: int
    past: list[str]
    pictures: list[float]
    errors: list[str]


def chromium() -> str:
    """The browser's command; skips the test where there is none."""
    for name in _NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("no chromium: apt-get install chromium")


def look(page: str, folder: Path, width: int) -> Seen:
    """The page in a window of so many pixels, and what the browser had to complain of."""
    frame = folder / "frame.html"
    frame.write_text(_FRAME.format(width=width, page=html.escape(page, quote=True)))
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000"]
    command += ["--enable-logging=stderr", "--v=0", "--dump-dom", frame.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    told = ran.stdout.split('<pre id="found">', 1)[1].split("</pre>", 1)[0]
    found: dict[str, Any] = json.loads(html.unescape(told))
    errors = [line for line in ran.stderr.splitlines() if ":CONSOLE" in line]
    return Seen(**found, errors=errors)
