"""How many bytes a browser loads for a page: its HTML, its scripts and theirs, its styles."""

from __future__ import annotations

import re

from workers import static


def loaded(name: str) -> set[str]:
    """A script and all that it imports."""
    found, waiting = set[str](), [name]
    while waiting:
        if (each := waiting.pop()) not in found:
            found.add(each)
            waiting += re.findall(r'from "\./([\w.]+)"', static.content(each).decode())
    return found


def weight(page: str) -> tuple[int, int, int]:
    """Bytes of a page's HTML, of its scripts and of its styles."""
    names = re.findall(r'(?:src|href)="/static/([\w.]+)\?', page)
    scripts = set[str]().union(*(loaded(name) for name in names if name.endswith(".js")))
    styles = {name for name in names if name.endswith(".css")}
    script, style = (sum(len(static.content(name)) for name in each) for each in (scripts, styles))
    return len(page.encode()), script, style
