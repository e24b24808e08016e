"""The pages' ES modules as one: a widget's script comes as text, and has no address to load from.

No bundler, for our modules are plain: imports of names from a file beside, each on a line of its
own, and exports of functions, classes and constants where they are written. Each module becomes a
function that is called once and returns what it exports, so that names do not meet.
"""

from __future__ import annotations

import re
from functools import cache

from workers import static

_IMPORT = re.compile(r'^import \{([^{}]*)\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b(?! default )", re.MULTILINE)


@cache
def one_module(name: str) -> str:
    """A file of the table with all that it imports, as one ES module.

    Raises:
        ValueError: A file imports or exports in another way than ours do.
    """
    before: dict[str, str] = {}
    text = _without_imports(name, before)
    return "".join((*before.values(), text))


def _without_imports(name: str, before: dict[str, str]) -> str:
    """The file's text with constants for what it imports; what it needs is put in `before`."""
    text = static.content(name).decode()
    for _, other in _IMPORT.findall(text):
        if other not in before:
            own = _without_imports(other, before)
            names = ", ".join(_EXPORT.findall(own))
            own = _EXPORT.sub("", own)
            before[other] = (
                f"const {_called(other)} = (() => {{\n{own}return {{ {names} }};\n}})();\n"
            )
    text = _IMPORT.sub(_constants, text)
    if (left := _LEFT.search(_EXPORT.sub("", text))) is not None:
        raise ValueError(f"{name} has {left[0]!r} in a way that is not understood here")
    return text


def _constants(found: re.Match[str]) -> str:
    return f"const {{{found[1].replace(' as ', ': ')}}} = {_called(found[2])};\n"


def _called(name: str) -> str:
    return "of_" + re.sub(r"\W", "_", name)
