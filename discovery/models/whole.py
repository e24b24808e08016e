"""Whether a checkpoint and the model that was made of it are one: nothing made up or left out.

The library loads what fits and writes the rest into its log. Here a weight of the model's own parts
that is missing or not read refuses the model, and what lies beside it (another head, code of its
own) goes into the notes of every circuit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph_schema.errors import ModelError
from graph_schema.models.config import ARCHITECTURES
from graph_schema.models.fingerprint import CONFIG_FILE

COMPUTED = ("masked_bias", "inv_freq")
"""Last names of what old checkpoints store though it is computed from the configuration."""


def configuration_notes(config: Any) -> tuple[str, ...]:
    """What a configuration asks for that is not done, in words for whoever reads a circuit."""
    notes: list[str] = []
    loaded = ARCHITECTURES[config.model_type]
    named: list[str] = getattr(config, "architectures", None) or []
    if named and loaded not in named:
        notes.append(f"{CONFIG_FILE} names {named[0]}; the model was read as {loaded}")
    if code := _code_of(config):
        notes.append(
            f"{CONFIG_FILE} names code of its own ({code}); it was not run: the model is "
            f"transformers' {loaded}"
        )
    return tuple(notes)


def _code_of(config: Any) -> str | None:
    """The class in the model's own folder that would compute it."""
    own: Mapping[str, Any] = getattr(config, "auto_map", None) or {}
    found = own.get("AutoModelForCausalLM")
    return None if found is None else str(found)


def require_whole(name: str, model: Any, report: Mapping[str, Any]) -> tuple[str, ...]:
    """Refuse a model that is more or less than its files; notes on what lies beside it.

    Args:
        name: What messages call the model.
        model: As loaded, before its weights are copied.
        report: What the library says of the weights: `missing_keys`, `unexpected_keys`.

    Raises:
        ModelError: Weights are missing, weights of its parts are not read, or output weights that
            the configuration ties to the embeddings are others.
    """
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"model {name!r} lacks {len(missing)} weights that its configuration asks for, "
            f"such as {missing[0]!r}; check that {CONFIG_FILE} and weights belong together"
        )
    unread = [
        key for key in sorted(report["unexpected_keys"]) if key.split(".")[-1] not in COMPUTED
    ]
    if own := [key for key in unread if _is_own(key, model)]:
        raise ModelError(
            f"model {name!r} has {len(own)} weights that {type(model).__name__} does not read by "
            f"its configuration, such as {own[0]!r}: it computes something else with them. Check "
            f"that {CONFIG_FILE} and weights belong together"
        )
    _require_tied(name, model)
    if not unread:
        return ()
    return (f"{len(unread)} weights of the model's files were not read, such as {unread[0]}",)


def _is_own(key: str, model: Any) -> bool:
    """Whether a weight's name is that of a part of this model, not of another head beside it."""
    base = getattr(model, model.base_model_prefix)
    parts = {name for name, _ in base.named_children()}
    heads = {name for name, _ in model.named_children()} - {model.base_model_prefix}
    first = key.removeprefix(f"{model.base_model_prefix}.").split(".")[0]
    return first in parts or key.split(".")[0] in heads


def _require_tied(name: str, model: Any) -> None:
    output, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if model.config.tie_word_embeddings and output.weight is not embeddings.weight:
        raise ModelError(
            f"model {name!r} has output weights of its own, and {CONFIG_FILE} says that they are "
            "its embeddings (tie_word_embeddings is true): one of them is wrong. Set "
            "tie_word_embeddings to false if the weights are right, or save the model again"
        )
