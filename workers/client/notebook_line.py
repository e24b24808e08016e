"""Progress in a notebook: one line under the cell, which changes in its place."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from html import escape
from typing import Any, cast

EVERY_SECONDS = 0.2
"""Between two changes of the line: each is a message to the browser, and stays in the notebook."""


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this, whatever shows what it says."""
    if "IPython" not in sys.modules:  # a kernel has loaded it
        return False
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


class NotebookLine:
    """What is at work and how far it is. Calls may come from several threads."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._said = -EVERY_SECONDS
        self._closed = False

    def show(self, words: str, done: int, total: int) -> None:
        """Say it, unless something was said just now; `total` of 0 means that nobody knows."""
        now = time.monotonic()
        if not self._closed and now - self._said >= EVERY_SECONDS:
            self._said = now
            known = f" max='{total}' value='{min(done, total)}'" if total else ""
            bar = f"<progress{known} style='vertical-align:middle'></progress> "
            self._put(words, bar)

    def close(self, words: str) -> None:
        """Say the last of it; nothing that comes later is said."""
        if not self._closed:
            self._closed = True
            if self._handle is not None:
                self._put(words, "")

    def _put(self, words: str, bar: str) -> None:
        from IPython.display import display

        html = f"<div role='status'>{bar}<code>{escape(words)}</code></div>"
        bundle: Mapping[str, str] = {"text/plain": words, "text/html": html}
        if self._handle is None:
            self._handle = cast(Any, display)(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
