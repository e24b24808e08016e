"""What formats with free fields say of nodes beside their names, and of an attribution graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from graph_schema.documents import CircuitDocument, GraphScores, NodeFigures, TracedPrompt
from graph_schema.exchange.base import MAX_LABEL, ExchangeError
from graph_schema.printable import clipped, printable, quoted

FIGURES = tuple(name for name in NodeFigures.model_fields if name != "name")
PROMPT_FIELDS = ("prompt", "prompt_tokens", "replacement", "completeness", "pruned")


def figures_in(name: str, fields: Mapping[str, Any]) -> NodeFigures | None:
    """The figures that a node's fields hold; None where there are none.

    Raises:
        ExchangeError: One is no figure, or the name none of a component.
    """
    known = {field: fields[field] for field in FIGURES if fields.get(field) is not None}
    if not known:
        return None
    if isinstance(label := known.get("label"), str):
        known["label"] = label[:MAX_LABEL]
    try:
        return NodeFigures.model_validate({"name": name, **known})
    except ValidationError as error:
        told = error.errors()[0]
        where = clipped(printable(f"node {name}"))
        field = told["loc"][0] if told["loc"] else "name"
        words = told["msg"].removeprefix("Value error, ")
        raise ExchangeError(
            f"{where}: {field} is {quoted(known.get(str(field)))}: {words}"
        ) from error


def prompt_fields(circuit: CircuitDocument) -> dict[str, str | float | bool]:
    """An attribution graph's prompt and scores as plain fields; its tokens are a JSON list."""
    fields: dict[str, str | float | bool] = {}
    if (prompt := circuit.prompt) is not None:
        tokens = json.dumps(prompt.tokens, ensure_ascii=False)
        fields |= {"prompt": prompt.text, "prompt_tokens": tokens}
    if (scores := circuit.graph_scores) is not None:
        fields |= scores.model_dump()
    return fields


def read_prompt(fields: Mapping[str, Any]) -> tuple[TracedPrompt | None, GraphScores | None]:
    """What `prompt_fields` has written.

    Raises:
        ExchangeError: It is none.
    """
    prompt, scores = None, None
    if "prompt_tokens" in fields:
        try:
            tokens = cast(object, json.loads(str(fields["prompt_tokens"])))
            prompt = TracedPrompt.model_validate({"text": fields.get("prompt"), "tokens": tokens})
        except (ValueError, RecursionError) as error:
            raise ExchangeError("prompt_tokens is no JSON list of a prompt's tokens") from error
    if "replacement" in fields:
        known = {name: fields[name] for name in GraphScores.model_fields if name in fields}
        try:
            scores = GraphScores.model_validate(known)
        except ValidationError as error:
            raise ExchangeError("replacement and completeness are no scores of a graph") from error
    return prompt, scores
