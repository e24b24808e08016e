"""Labels that say by themselves where a unit is active, so that they can be held to the data.

`tokens: Mary, John` says: on prompts that have one of these tokens. Blanks around a token do not
count; one that has a comma, or is a blank, is put in double quotes.
"""

from __future__ import annotations

import re

from graph_schema.documents.feature import DetectionScore, Features

START = "tokens:"
_ITEMS = re.compile(r'(?:"[^"]*"|[^,"]|")+')
_QUOTED = re.compile(r'"[^"]+"')


def rule_tokens(text: str) -> frozenset[str] | None:
    """The tokens that a label names; None where it is no such rule."""
    start, colon, listed = text.strip().partition(":")
    if f"{start.strip().lower()}{colon}" != START:
        return None
    found: set[str] = set()
    for item in _ITEMS.findall(listed):
        if '"' in item and not _QUOTED.fullmatch(item.strip()):
            return None
        if token := item.strip().strip('"'):
            found.add(_alike(token))
    return frozenset(found) or None


def rule_score(text: str, name: str, features: Features) -> DetectionScore | None:
    """How well a label tells the held-out prompts on which a unit is active.

    None where the label is no rule, or nothing is known of the unit.
    """
    tokens, unit = rule_tokens(text), features.by_name.get(name)
    if tokens is None or unit is None:
        return None
    start = 0 if unit.counts_first else 1
    told = [any(_alike(token) in tokens for token in prompt[start:]) for prompt in features.heldout]
    on = set(unit.heldout_active)
    return DetectionScore.of("label", told, [i in on for i in range(len(told))])


def _alike(token: str) -> str:
    return token.strip() or token
