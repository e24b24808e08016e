"""Motifs as a person writes them: YAML, with edges as arrows.

```yaml
name: induction
description: A head that continues a repeated sequence.
nodes:
  previous: {role: previous_token}
  induction: {role: induction}
  out: {kind: logits}
edges:
  - previous -k-> induction -> out
depth:
  - previous < induction
```

An edge is `a -> b` (any channel), `a -k-> b`, `a -q|k-> b`, chains of these, or a mapping
`{from: a, to: b, channel: k, sign: "-"}`. `signs` lists rules such as
`{product: [a -> b, b -> c, a -> c], sign: "+"}`. `induced: true` forbids further edges.
Every error is a `SpecError` that says where and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar, cast

from pydantic import ValidationError

from graph_schema.documents.component import Channel, ComponentKind
from graph_schema.documents.motif import (
    DepthOrder,
    DepthRelation,
    EdgePattern,
    Motif,
    NodePattern,
    Sign,
    SignRule,
)
from graph_schema.documents.role import RoleName
from graph_schema.errors import SpecError
from graph_schema.yaml_text import read_yaml

MAX_BYTES = 64 * 1024
_ARROW = re.compile(r"\s*-(?:([^\s>]+)-)?>\s*")
_ORDER = re.compile(r"\s*(\S+)\s*(<=|<|=)\s*(\S+)\s*")
_KEYS = ("name", "description", "source", "nodes", "edges", "depth", "signs", "induced")
_Choice = TypeVar("_Choice", bound=StrEnum)


def parse_motif(text: str) -> Motif:
    """Read a motif from YAML.

    Raises:
        SpecError: Not YAML, a key, role, kind or channel we do not know, or not a pattern.
    """
    data, _ = read_yaml(text, "motif", MAX_BYTES)
    top = _mapping(data, "motif")
    name = top.get("name")
    where = f"motif {name!r}" if isinstance(name, str) else "motif"
    _known_keys(top, _KEYS, where)
    for key in ("name", "nodes", "edges"):
        if not top.get(key):
            raise SpecError(f"{where}: {key!r} is missing or empty; expected {_EXPECTED[key]}")
    return _motif(top, where)


_EXPECTED = {
    "name": "a name such as my_motif",
    "nodes": "variables with role or kind, such as `a: {role: induction}`",
    "edges": "a list of edges such as `- a -k-> b`",
}


def _motif(top: dict[str, object], where: str) -> Motif:
    nodes = [
        _node(variable, body, f"{where}: nodes.{variable}")
        for variable, body in _mapping(top["nodes"], f"{where}: nodes").items()
    ]
    edges: list[EdgePattern] = []
    for place, item in enumerate(_list(top["edges"], f"{where}: edges")):
        edges.extend(_edges(item, f"{where}: edges[{place}]"))
    depth = [
        _depth(item, f"{where}: depth[{place}]")
        for place, item in enumerate(_list(top.get("depth"), f"{where}: depth"))
    ]
    signs = [
        _sign_rule(item, edges, f"{where}: signs[{place}]")
        for place, item in enumerate(_list(top.get("signs"), f"{where}: signs"))
    ]
    induced = top.get("induced", False)
    if not isinstance(induced, bool):
        raise SpecError(f"{where}: induced is {induced!r}; expected true or false")
    try:
        return Motif(
            name=_text(top["name"], f"{where}: name"),
            description=_text(top.get("description", ""), f"{where}: description"),
            source=_text(top.get("source", ""), f"{where}: source"),
            nodes=tuple(nodes),
            edges=tuple(edges),
            depth=tuple(depth),
            signs=tuple(signs),
            induced=induced,
        )
    except ValidationError as error:
        raise SpecError(f"{where}: {_first(error)}") from error


def _node(variable: str, body: object, where: str) -> NodePattern:
    fields = _mapping(body, where) if body is not None else {}
    _known_keys(fields, ("role", "roles", "kind", "kinds"), where)
    roles = _choices(RoleName, _either(fields, "role", "roles", where), f"{where}: role")
    kinds = _choices(ComponentKind, _either(fields, "kind", "kinds", where), f"{where}: kind")
    try:
        return NodePattern(variable=variable, roles=roles, kinds=kinds)
    except ValidationError as error:
        raise SpecError(f"{where}: {_first(error)}") from error


def _edges(item: object, where: str) -> list[EdgePattern]:
    """The edges of an arrow chain or of a mapping."""
    if isinstance(item, str):
        return _arrows(item, where)
    fields = _mapping(item, where)
    _known_keys(fields, ("from", "to", "channel", "channels", "sign"), where)
    channels = _either(fields, "channel", "channels", where)
    sign = fields.get("sign")
    return [
        EdgePattern(
            sender=_variable(fields.get("from"), f"{where}: from"),
            receiver=_variable(fields.get("to"), f"{where}: to"),
            channels=_choices(Channel, channels, f"{where}: channel"),
            sign=None if sign is None else _choice(Sign, sign, f"{where}: sign"),
        )
    ]


def _arrows(text: str, where: str) -> list[EdgePattern]:
    parts = _ARROW.split(text)
    if len(parts) < 3:
        raise SpecError(f"{where}: {text!r} is not an edge; expected `a -> b` or `a -k-> b`")
    names = [_variable(name, where) for name in parts[::2]]
    found: list[EdgePattern] = []
    for place, letters in enumerate(parts[1::2]):
        # What the arrow names is None where it names nothing.
        words = cast(str | None, letters)
        channels = _choices(Channel, words.split("|") if words else None, f"{where}: channel")
        found.append(EdgePattern(sender=names[place], receiver=names[place + 1], channels=channels))
    return found


def _depth(item: object, where: str) -> DepthOrder:
    found = _ORDER.fullmatch(item) if isinstance(item, str) else None
    if found is None:
        raise SpecError(f"{where}: {item!r} is not an order; expected `a < b`, `a <= b` or `a = b`")
    left, right = _variable(found[1], where), _variable(found[3], where)
    relation = DepthRelation(found[2])
    if left == right and relation is not DepthRelation.BEFORE:  # which no motif may ask for
        raise SpecError(f"{where}: {item!r} compares {left} with itself; expected two variables")
    return DepthOrder(left=left, relation=relation, right=right)


def _sign_rule(item: object, edges: list[EdgePattern], where: str) -> SignRule:
    fields = _mapping(item, where)
    _known_keys(fields, ("product", "sign"), where)
    ends = [(edge.sender, edge.receiver) for edge in edges]
    places: list[int] = []
    for arrow in _list(fields.get("product"), f"{where}: product"):
        for edge in _arrows(_text(arrow, f"{where}: product"), f"{where}: product"):
            fits = [
                place
                for place, pair in enumerate(ends)
                if pair == (edge.sender, edge.receiver)
                and (not edge.channels or edge.channels == edges[place].channels)
            ]
            if len(fits) != 1:
                told = "is none of the motif's edges" if not fits else "fits several edges"
                raise SpecError(f"{where}: {edge.name!r} {told}")
            places.extend(fits)
    if not places:
        raise SpecError(f"{where}: product is empty; expected a list of edges, `[a -> b, b -> c]`")
    return SignRule(
        edges=tuple(places), product=_choice(Sign, fields.get("sign"), f"{where}: sign")
    )


def _choices(enum: type[_Choice], value: object, where: str) -> tuple[_Choice, ...]:
    if value is None:
        return ()
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return tuple(_choice(enum, item, where) for item in values)


def _choice(enum: type[_Choice], value: object, where: str) -> _Choice:
    known = [member.value for member in enum]
    if isinstance(value, str) and value in known:
        return enum(value)
    near = get_close_matches(str(value), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise SpecError(f"{where} {value!r} is not known; {hint}expected one of {', '.join(known)}")


def _either(fields: dict[str, object], one: str, many: str, where: str) -> object:
    if one in fields and many in fields:
        raise SpecError(f"{where}: give {one!r} or {many!r}, not both")
    return fields.get(one, fields.get(many))


def _known_keys(fields: dict[str, object], known: Iterable[str], where: str) -> None:
    for key in fields:
        if key not in known:
            near = get_close_matches(key, list(known), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise SpecError(f"{where}: unknown key {key!r}; {hint}expected {', '.join(known)}")


def _mapping(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SpecError(f"{where} is {_told(value)}; expected a mapping of keys to values")
    fields = cast("dict[object, object]", value)
    for key in fields:
        if not isinstance(key, str):
            # YAML reads `no:` and `1:` as other things than words.
            raise SpecError(f"{where}: the key {key!r} is not a word; put it in quotes")
    return cast("dict[str, object]", fields)


def _list(value: object, where: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise SpecError(f"{where} is {_told(value)}; expected a list, one `- item` a line")
    return cast("list[object]", value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise SpecError(f"{where} is {_told(value)}; expected text")
    return value


def _variable(value: object, where: str) -> str:
    name = _text(value, where).strip()
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise SpecError(
            f"{where}: {name!r} is not a variable; expected small letters, digits and _, such as a"
        )
    return name


def _told(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    message = found["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
