"""Which component of ours a node of a file is, and what a component of ours is called there.

A node's id is opaque but for the spellings that tools agree on: `LAYER_INDEX_POSITION` of a
feature, `E_TOKEN_POSITION`, `LAYER_TOKEN_POSITION` of a logit. Errors are `0_LAYER_POSITION` or
`LAYER_-1_POSITION`, the first of which can be a feature's as well: `feature_type` tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from graph_schema.documents.component import (
    FEATURE_DIGITS,
    Component,
    ComponentKind,
    error_name,
    feature_name,
    logit_name,
    placed_name,
    rest_name,
)
from graph_schema.errors import SpecError
from graph_schema.exchange.neuronpedia.numbers import EXACT, index_of, paired
from graph_schema.printable import quoted

COMPONENT = "component"
"""The key that our own files name a node's component by."""
FEATURE, LORSA = "cross layer transcoder", "lorsa"
ERROR, LORSA_ERROR = "mlp reconstruction error", "lorsa error"
EMBEDDING, LOGIT, BIAS, UNKNOWN = "embedding", "logit", "bias", "unknown"
ERRORS = (ERROR, LORSA_ERROR)

_INT = re.compile(r"-?[0-9]{1,9}")
_SPELLED = re.compile(rf"(?:.*_)?([0-9]{{1,{FEATURE_DIGITS}}})_(-?[0-9]+)")


class NamingError(Exception):
    """A node is none that a circuit can hold; the message says why."""


def name_of(node: Mapping[str, Any], *, version: int, scan: str) -> str:
    """The name of a node's component, with its position.

    Args:
        node: As the file has it, of the published shape.
        version: The file's `schema_version`, 0 where it has none.
        scan: The file's.

    Raises:
        NamingError: It has none.
    """
    if isinstance(own := node.get(COMPONENT), str):
        try:
            return Component.parse(own).name
        except SpecError as error:
            raise NamingError(str(error)) from error
    position = int(node["ctx_idx"])
    if not 0 <= position < 10**9:
        raise NamingError(f"ctx_idx {position} is no position of a prompt")
    kind = node["feature_type"]
    if kind == EMBEDDING:
        return placed_name(ComponentKind.INPUT.value, position)
    if kind == LOGIT:
        token = _token(node)
        unit = ComponentKind.LOGITS.value if token is None else logit_name(token)
        return placed_name(unit, position)
    host = f"{'a' if _of_attention(node) else 'm'}{layer_of(node)}"
    if kind in ERRORS:
        return placed_name(error_name(host), position)
    number = node["feature"]
    if kind == BIAS or (kind not in (FEATURE, LORSA) and (number is None or number < 0)):
        return placed_name(rest_name(host), position)
    if number is None or number < 0:
        raise NamingError(f"feature is {quoted(number)}, and it is a {kind}; expected its number")
    number, layer = int(number), layer_of(node)
    if version >= 1 and number > EXACT:
        raise NamingError(
            f"feature {quoted(number)} is beyond 2^53, where pairs of layer and index are rounded "
            "by the tools of this format; expected at most 9007199254740992"
        )
    index = index_of(number, layer, spelled_number(node), version=version, scan=scan)
    if index >= 10**FEATURE_DIGITS:
        raise NamingError(f"feature {quoted(number)} has more than {FEATURE_DIGITS} digits")
    return placed_name(feature_name(host, index), position)


def token_of(node: Mapping[str, Any]) -> int | None:
    """The token that an embedding or a logit is of, where the file says it."""
    return _token(node) if node["feature_type"] in (EMBEDDING, LOGIT) else None


def layer_of(node: Mapping[str, Any]) -> int:
    """A node's layer, which files write as a number or as text.

    Raises:
        NamingError: It is none.
    """
    layer = node["layer"]
    said = str(int(layer)) if isinstance(layer, float) else str(layer)
    if not _INT.fullmatch(said) or int(said) < 0:
        raise NamingError(f"layer is {quoted(layer)}; expected a number from 0 on")
    return int(said)


def spelled_number(node: Mapping[str, Any]) -> int | None:
    """The number before the position in the node's id, where the id is spelled as usual."""
    found = _SPELLED.fullmatch(node["node_id"])
    if found is None or found[2] != str(int(node["ctx_idx"])):
        return None
    return int(found[1])


def _token(node: Mapping[str, Any]) -> int | None:
    token, number = spelled_number(node), node["feature"]
    if token is None and number is not None and number >= 0:
        token = int(number)
    return None if token is None or token >= 10**9 else token


def _of_attention(node: Mapping[str, Any]) -> bool:
    kind = node["feature_type"]
    if kind in (FEATURE, ERROR):
        return False
    spelled = re.split(r"[_.]", node["node_id"])
    return kind in (LORSA, LORSA_ERROR) or any(part in ("attn", "lorsa", "lor") for part in spelled)


def node_of(name: str, n_layers: int, token: int | None = None) -> dict[str, Any]:
    """The fields that say what a component of ours is, as circuit-tracer would write it.

    Where positions are summed all nodes stand at position 0. Whatever the format has no words for
    (heads, whole MLPs, what no feature stands for) is told apart by its id; `component` has its
    name, by which our own reader goes.
    """
    part = Component.parse(name)
    position = part.position or 0
    host, layer = part.host, part.layer
    attention = host.startswith("a")
    number: int | None = None
    if part.kind is ComponentKind.LOGITS:
        layer, kind = n_layers + 1, LOGIT
        number = part.index
        spelled = "logits" if number is None else str(number)
    elif layer is None:
        kind, spelled = EMBEDDING, host if token is None else str(token)
        if part.fine:
            kind, spelled = UNKNOWN, part.unit
    elif part.kind in (ComponentKind.FEATURE, ComponentKind.NEURON):
        kind = LORSA if attention else FEATURE
        number = paired(layer, part.index or 0)
        number = number if number <= EXACT else None
        spelled = f"{_prefix(part)}{part.index}"
    elif part.fine:
        # What no feature stands for is what a reader of graphs calls an error.
        kind = LORSA_ERROR if attention else ERROR
        spelled = "-1" if part.unit == f"m{layer}.error" else f"{part.kind}_{host}"
    else:
        kind = UNKNOWN
        spelled = f"head_{part.head}" if part.head is not None else "mlp"
    row = "E" if layer is None else str(layer)
    return {
        "node_id": f"{row}_{spelled}_{position}",
        "feature": number,
        "layer": row,
        "ctx_idx": position,
        "feature_type": kind,
        "jsNodeId": f"{row}_{spelled}-{position}",
        COMPONENT: name,
    }


def _prefix(part: Component) -> str:
    """What tells a unit from an MLP's feature of the same number."""
    if part.kind is ComponentKind.NEURON:
        return f"neuron_{part.host}_"
    return "" if part.host == f"m{part.layer}" else f"{part.host}_"
