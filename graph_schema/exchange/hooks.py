"""Edges as pairs of TransformerLens hooks, the spelling of much published code.

A sender is read at a hook and written to the residual stream, a receiver is a hook that splits the
stream for one input: `blocks.3.attn.hook_result[:, :, 5]->blocks.7.hook_q_input[:, :, 2]`. An index
picks the head. The original ACDC code writes `COL` for a colon; both are read.

`input` is the stream before the first block, `blocks.0.hook_resid_pre`: where a model adds learned
positions (GPT-2) `hook_embed` is the tokens' part of it alone, and `hook_pos_embed` the rest. Where
the two send apart, each has its own hook.
"""

from __future__ import annotations

import re

from graph_schema.documents.component import Channel, Component, ComponentKind, Edge
from graph_schema.errors import SpecError
from graph_schema.printable import quoted

_INPUT = "blocks.0.hook_resid_pre"
_EMBEDDINGS = {
    "input": _INPUT,
    "embed": "hook_embed",
    "pos_embed": "hook_pos_embed",
}
_INT = r"(0|[1-9][0-9]{0,8})"
_HEAD = rf"\[(?::|COL), ?(?::|COL), ?{_INT}\]"
_START = re.compile(r"blocks\.0\.hook_resid_pre(?:\[(?::|COL)\])?")
_SENDER = re.compile(
    rf"blocks\.{_INT}\.(?:attn\.hook_result{_HEAD}|(hook_mlp_out))(?:\[(?::|COL)\])?"
)
_RECEIVER = re.compile(
    rf"blocks\.{_INT}\.(?:hook_([qkv])_input{_HEAD}|(hook_mlp_in|hook_resid_post))"
    r"(?:\[(?::|COL)\])?"
)


def hook_edge(edge: Edge, n_layers: int) -> str:
    """The edge between hooks.

    Raises:
        SpecError: It joins features, which have no hook.
    """
    sender, receiver = Component.parse(edge.sender), Component.parse(edge.receiver)
    for part in (sender, receiver):
        if part.fine:
            raise SpecError(f"edge {edge.name!r}: {part.name!r} has no TransformerLens hook")
    if sender.kind is ComponentKind.HEAD:
        start = f"blocks.{sender.layer}.attn.hook_result[:, :, {sender.head}]"
    elif sender.kind is ComponentKind.MLP:
        start = f"blocks.{sender.layer}.hook_mlp_out"
    else:
        start = _EMBEDDINGS[sender.name]
    if receiver.kind is ComponentKind.HEAD:
        end = f"blocks.{receiver.layer}.hook_{edge.channel.value}_input[:, :, {receiver.head}]"
    elif receiver.kind is ComponentKind.MLP:
        end = f"blocks.{receiver.layer}.hook_mlp_in"
    else:
        end = f"blocks.{n_layers - 1}.hook_resid_post"
    return f"{start}->{end}"


def read_hook_edge(text: str, n_layers: int | None, *, split_embed: bool = False) -> Edge:
    """Read an edge between hooks.

    Args:
        text: As `hook_edge` writes it, or with `COL` for a colon.
        n_layers: Says which `hook_resid_post` is the logits' input; None takes any layer's.
        split_embed: Whether `hook_embed` is `embed`, beside `pos_embed`, or the whole `input`, as
            earlier versions wrote it.

    Raises:
        SpecError: A hook that is no sender's or receiver's.
    """
    start, arrow, end = (part.strip() for part in text.partition("->"))
    if not arrow:
        raise SpecError(f"{quoted(text)} is not of the form HOOK->HOOK")
    receiver, channel = _receiver(end, n_layers)
    return Edge(_sender(start, split_embed), receiver, channel)


def last_layer(text: str) -> int | None:
    """The layer whose `hook_resid_post` an edge between hooks ends in; None where it does not."""
    found = _RECEIVER.fullmatch(text.partition("->")[2].strip())
    return int(found[1]) if found and found[4] == "hook_resid_post" else None


def _sender(hook: str, split_embed: bool) -> str:
    if _START.fullmatch(hook):
        return "input"
    if hook == "hook_embed":
        return "embed" if split_embed else "input"
    if hook == "hook_pos_embed" and split_embed:
        return "pos_embed"
    found = _SENDER.fullmatch(hook)
    if found is None:
        raise SpecError(f"{quoted(hook)} is no hook of a sender; expected such as {_SENDERS}")
    return f"m{found[1]}" if found[3] else f"a{found[1]}.h{found[2]}"


_SENDERS = "blocks.0.hook_resid_pre, blocks.3.attn.hook_result[:, :, 5], blocks.3.hook_mlp_out"
_RECEIVERS = "blocks.7.hook_q_input[:, :, 2], blocks.7.hook_mlp_in, blocks.11.hook_resid_post"


def _receiver(hook: str, n_layers: int | None) -> tuple[str, Channel]:
    found = _RECEIVER.fullmatch(hook)
    if found is None:
        raise SpecError(f"{quoted(hook)} is no hook of a receiver; expected such as {_RECEIVERS}")
    layer = int(found[1])
    if found[4] == "hook_mlp_in":
        return f"m{layer}", Channel.R
    if found[4] == "hook_resid_post":
        if n_layers is not None and layer != n_layers - 1:
            raise SpecError(
                f"{quoted(hook)} is no receiver: of {n_layers} layers only the last one's is"
            )
        return "logits", Channel.R
    return f"a{layer}.h{found[3]}", Channel(found[2])
