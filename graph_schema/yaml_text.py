"""YAML that somebody wrote: how deep it goes is told before it is read.

PyYAML takes seconds, and then the end of Python's stack, for some thousand brackets in each other.
"""

from __future__ import annotations

import re

import yaml

DEEPEST = 100
_INSIDE = re.compile(
    rf"(?:[\[{{][^\[\]{{}}]*){{{DEEPEST + 1}}}|(?m:^ *(?:[-?:][ \t]+){{{DEEPEST + 1}}})"
)


def require_flat(text: str) -> None:
    """Refuse text in which more than `DEEPEST` lists or mappings stand in each other.

    Raises:
        yaml.YAMLError: They do.
    """
    if _INSIDE.search(text):
        raise yaml.YAMLError(f"more than {DEEPEST} lists in each other")
