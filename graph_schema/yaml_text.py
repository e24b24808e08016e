"""YAML as a person writes it, read as plain values, with the line that each stands on.

Safe by what it leaves out: tags (so nothing but plain values comes of it), aliases (by which a file
of a kilobyte can stand for more than a machine holds), keys given twice (which YAML would silently
overwrite), and text over a bound.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import cast

import yaml

from graph_schema.errors import SpecError
from graph_schema.printable import whole_number

YamlPath = tuple[str | int, ...]
"""Where a value stands: keys and places in lists, from the top."""

DEEPEST = 100
MOST_BITS = 1_000
"""Of a whole number."""
_INSIDE = re.compile(
    rf"(?:[\[{{][^\[\]{{}}]*){{{DEEPEST + 1}}}|(?m:^ *(?:[-?:][ \t]+){{{DEEPEST + 1}}})"
)


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        refused = "aliases" if isinstance(event, yaml.AliasEvent) else None
        # Also of YAML's own: `!!int ""` ends PyYAML in Python's errors, `!!set` is no plain value.
        refused = "tags" if getattr(event, "tag", None) is not None else refused
        if refused is not None:
            problem = f"{refused} are not read here"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        value = self.construct_yaml_int(node)
        if value.bit_length() > MOST_BITS:  # in hexadecimal digits it would be read, and not shown
            problem = f"{whole_number(value)}; expected at most {MOST_BITS} bits"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return value

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        seen: set[object] = set()
        for key, _ in node.value:
            word = cast(object, key.value)
            if isinstance(key, yaml.ScalarNode) and word in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {word!r} is given twice", problem_mark=key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(word)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)


def _require_flat(text: str) -> None:
    """Refuse text in which more than `DEEPEST` lists or mappings stand in each other.

    PyYAML takes seconds, and then the end of Python's stack, for some thousand brackets.

    Raises:
        yaml.YAMLError: They do.
    """
    if _INSIDE.search(text):
        raise yaml.YAMLError(f"more than {DEEPEST} lists in each other")


def read_yaml(text: str, what: str, max_bytes: int) -> tuple[object, dict[YamlPath, int]]:
    """The values in a text of YAML, and the line of each, counted from 1.

    Args:
        text: Of one document.
        what: What it is, for messages: `motif`, `sweep.yaml`.
        max_bytes: More is not read.

    Raises:
        SpecError: It is too long, or not YAML, or has an alias, a tag, or a key twice; where.
    """
    lines: dict[YamlPath, int] = {}
    try:
        if (size := len(text.encode(errors="surrogatepass"))) > max_bytes:
            raise SpecError(f"{what}: {size} bytes; expected at most {max_bytes}")
        _require_flat(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            # A SafeLoader, so only plain values come out of it.
            data: object = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
        if node is not None:
            _note_lines(node, (), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = error.problem or error.context
        raise SpecError(f"{what} is not YAML: {where}{problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{what} is not YAML: {error}") from error
    return data, lines


def _note_lines(node: yaml.Node, path: YamlPath, lines: dict[YamlPath, int]) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(cast(object, key.value)))
            _note_lines(value, inner, lines)
            lines[inner] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            _note_lines(value, (*path, place), lines)
