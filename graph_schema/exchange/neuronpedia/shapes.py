"""What Neuronpedia's published schema asks of a graph file ("Anthropic Attribution Graph" 1.0.0).

Written out here as data, and checked by a walker of our own: every complaint has its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from graph_schema.printable import quoted

DEEPEST = 32
"""Levels of lists and objects that are kept of what the schema leaves open."""
MOST = 50
"""Complaints that are told; the others are counted."""


@dataclass(frozen=True)
class Shape:
    """What a value may be.

    Attributes:
        kinds: By JSON Schema's names; a whole number such as 3.0 is an `integer`.
        fields: What is asked of an object's values, by key; others may be anything.
        required: The keys that an object must have.
        items: What is asked of each item of an array.
        length: How many items it has.
        others: What is asked of the values of an object whose keys are free.
    """

    kinds: tuple[str, ...]
    fields: Mapping[str, Shape] = field(default_factory=dict[str, "Shape"])
    required: tuple[str, ...] = ()
    items: Shape | None = None
    length: int | None = None
    others: Shape | None = None


@dataclass
class Complaints:
    """What is wrong with a file, each with its place; the first `MOST` are kept."""

    told: list[str] = field(default_factory=list[str])
    n: int = 0

    def add(self, place: str, words: str) -> None:
        self.n += 1
        if len(self.told) < MOST:
            self.told.append(f"{place}: {words}")

    def summary(self) -> str:
        """The first few, in one line."""
        more = f" (and {self.n - 3:,} more)" if self.n > 3 else ""
        return "; ".join(self.told[:3]) + more


_TEXT, _NUMBER, _WHOLE = Shape(("string",)), Shape(("number",)), Shape(("integer",))
_NUMBER_OR_NULL = Shape(("number", "null"))
_LAYER = Shape(("string", "integer"))
_FEATURE = Shape(("integer", "null"))
_PAIRS = Shape(("array",), items=Shape(("array",), length=2))
_TRIPLES = Shape(("array",), items=Shape(("array",), length=3))
_QK = {
    "pair_wise_contributors": _TRIPLES,
    "top_q_marginal_contributors": _PAIRS,
    "top_k_marginal_contributors": _PAIRS,
}
_INFO = Shape(
    ("object",),
    {
        "description": _TEXT,
        "creator_name": _TEXT,
        "creator_url": _TEXT,
        "source_urls": Shape(("array",)),
        "generator": Shape(("object",), dict.fromkeys(("name", "version", "url", "email"), _TEXT)),
        "create_time_ms": _NUMBER,
    },
)
_GENERATION = Shape(
    ("object",),
    {
        "max_n_logits": _WHOLE,
        "desired_logit_prob": _NUMBER,
        "batch_size": _WHOLE,
        "max_feature_nodes": _WHOLE,
    },
)
_DETAILS = Shape(
    ("object",),
    dict.fromkeys(
        ("feature_json_base_url", "neuronpedia_source_set", "neuronpedia_lorsa_source_set"), _TEXT
    ),
)
_METADATA = Shape(
    ("object",),
    {
        "slug": _TEXT,
        "scan": _TEXT,
        "prompt_tokens": Shape(("array",), items=_TEXT),
        "prompt": _TEXT,
        "feature_details": _DETAILS,
        "node_threshold": _NUMBER,
        "info": _INFO,
        "generation_settings": _GENERATION,
        "pruning_settings": Shape(
            ("object",), {"node_threshold": _NUMBER, "edge_threshold": _NUMBER}
        ),
    },
    required=("slug", "scan", "prompt_tokens", "prompt"),
)
_QPARAMS = Shape(
    ("object",),
    {
        "pinnedIds": Shape(("array",), items=_TEXT),
        "supernodes": Shape(("array",)),
        "linkType": _TEXT,
        "clickedId": _TEXT,
        "sg_pos": _TEXT,
    },
)
_NODE_FIELDS = {
    "node_id": _TEXT,
    "feature": _FEATURE,
    "layer": _LAYER,
    "ctx_idx": _WHOLE,
    "feature_type": _TEXT,
    "jsNodeId": _TEXT,
    "clerp": _TEXT,
    "activation": _NUMBER_OR_NULL,
}
_ALWAYS = ("node_id", "feature_type", "layer", "ctx_idx", "jsNodeId", "clerp")
_NODE = Shape(
    ("object",),
    {
        **_NODE_FIELDS,
        "influence": _NUMBER_OR_NULL,
        "qk_tracing_results": Shape(("object",), _QK, required=tuple(_QK)),
    },
    required=(*_ALWAYS, "feature"),
)
_LINK = Shape(
    ("object",),
    {"source": _TEXT, "target": _TEXT, "weight": _NUMBER},
    required=("source", "target", "weight"),
)
GRAPH = Shape(
    ("object",),
    {
        "metadata": _METADATA,
        "qParams": _QPARAMS,
        "nodes": Shape(("array",), items=_NODE),
        "links": Shape(("array",), items=_LINK),
        "qk_only_nodes": Shape(
            ("object",), others=Shape(("object",), _NODE_FIELDS, required=_ALWAYS)
        ),
    },
    required=("metadata", "qParams", "nodes", "links"),
)


def check_shape(value: object, shape: Shape, place: str, complaints: Complaints) -> None:
    """Hold a value to a shape, and all that is asked of what it holds.

    Numbers must be finite (NaN is no JSON) and text whole (half a surrogate pair is none).
    """
    kind = kind_of(value)
    if kind not in shape.kinds and not (kind == "integer" and "number" in shape.kinds):
        expected = " or ".join(shape.kinds)
        complaints.add(place, f"{quoted(value)} is no {expected}")
        return
    if isinstance(value, float) and not math.isfinite(value):
        complaints.add(place, f"{value} is not a finite number")
    elif isinstance(value, str) and not whole_text(value):
        complaints.add(place, f"{quoted(value)} holds half a character")
    elif isinstance(value, list):
        items = cast("list[object]", value)
        if shape.length is not None and len(items) != shape.length:
            complaints.add(place, f"has {len(items):,} items; expected {shape.length}")
        for number, item in enumerate(items):
            if shape.items is not None:
                check_shape(item, shape.items, f"{place}[{number}]", complaints)
            else:
                check_plain(item, f"{place}[{number}]", complaints)
    elif isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        for key in shape.required:
            if key not in fields:
                complaints.add(place, f"has no {key!r}")
        for key, held in fields.items():
            inside = f"{place}.{key}" if place and key in shape.fields else key
            if key not in shape.fields:
                inside = f"{place}[{quoted(key)}]"
            if (asked := shape.fields.get(key, shape.others)) is not None:
                check_shape(held, asked, inside, complaints)
            else:
                check_plain(held, inside, complaints)


def check_plain(value: object, place: str, complaints: Complaints) -> None:
    """Hold a value that nothing is asked of to what can be kept and written again."""
    waiting = [(value, 1)]
    while waiting:
        held, depth = waiting.pop()
        if depth > DEEPEST:
            complaints.add(place, f"is nested more than {DEEPEST} deep")
            return
        if isinstance(held, float) and not math.isfinite(held):
            complaints.add(place, f"holds {held}, which is not a finite number")
            return
        if isinstance(held, str) and not whole_text(held):
            complaints.add(place, f"{quoted(held)} holds half a character")
            return
        if isinstance(held, list):
            waiting.extend((each, depth + 1) for each in cast("list[object]", held))
        elif isinstance(held, dict):
            fields = cast("dict[str, object]", held)
            waiting.extend((each, depth + 1) for each in (*fields, *fields.values()))


def kind_of(value: object) -> str:
    """A JSON value's kind by JSON Schema's name, the narrowest."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    for kind, name in ((float, "number"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "null"


def whole_text(text: str) -> bool:
    """Whether text can be written at all: no half of a pair of surrogates stands alone."""
    return text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text)
