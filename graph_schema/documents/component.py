"""Names of components, channels and edges of a model's computational graph.

A *sender* writes to the residual stream, a *receiver* reads from it, an *edge* joins them:
`a3.h5->a7.h2<q>`. A head reads on three channels (query, key, value); everything else on one,
the residual channel `r`, which is not written out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from graph_schema.errors import SpecError
from graph_schema.printable import quoted


class Channel(StrEnum):
    """How a receiver reads: a head's query, key or value input, or the residual stream."""

    Q = "q"
    K = "k"
    V = "v"
    R = "r"


class ComponentKind(StrEnum):
    """What a component is."""

    INPUT = "input"
    EMBED = "embed"
    POS_EMBED = "pos_embed"
    HEAD = "head"
    MLP = "mlp"
    LOGITS = "logits"
    NEURON = "neuron"
    FEATURE = "feature"
    ERROR = "error"
    REST = "rest"


INPUTS = (ComponentKind.INPUT, ComponentKind.EMBED, ComponentKind.POS_EMBED)
"""What stands before all blocks and reads nothing."""
UNNAMED = (ComponentKind.ERROR, ComponentKind.REST)
"""What of a component's write no unit of its own has."""
_WHOLE = {
    kind.value: kind
    for kind in ComponentKind
    if kind.value in ("input", "embed", "pos_embed", "logits")
}
# One number, one spelling: no leading zeros, no digits of other scripts.
DIGITS = 9
_INT = f"0|[1-9][0-9]{{0,{DIGITS - 1}}}"
_TOO_LONG = re.compile(f"[1-9][0-9]{{{DIGITS},}}")
FEATURE_DIGITS = 18
"""What other tools number features by is long and opaque; a store's integers have 18 digits."""
_FEATURE = f"0|[1-9][0-9]{{0,{FEATURE_DIGITS - 1}}}"
_BLOCK = re.compile(
    rf"(?:a(?P<attn>{_INT})(?:\.h(?P<head>{_INT}))?|m(?P<mlp>{_INT})|(?P<whole>input|embed|pos_embed))"
    rf"(?:\.(?:n(?P<neuron>{_INT})|f(?P<feature>{_FEATURE})|(?P<error>error)|(?P<rest>rest)))?"
)
_TOKEN = re.compile(rf"logits\.t(?P<token>{_INT})")
_PLACED = re.compile(rf"(?P<unit>[^@]*)@(?P<position>{_INT})")
_FINE = {
    "neuron": ComponentKind.NEURON,
    "feature": ComponentKind.FEATURE,
    "error": ComponentKind.ERROR,
    "rest": ComponentKind.REST,
}
_RECEIVER = re.compile(r"(?P<name>.+?)(?:<(?P<channel>[qkv])>|\.(?P<dotted>[qkv]))?")


@dataclass(frozen=True)
class Component:
    """A node of the computational graph.

    Attributes:
        name: As it is spelled, with the position where it has one: `m3.f1024@7`.
        layer: None for what stands outside the blocks.
        index: The neuron's or feature's; of the logits a token's.
        position: Which token of a prompt it is at; None where it stands for all positions.
    """

    name: str
    kind: ComponentKind
    layer: int | None = None
    head: int | None = None
    index: int | None = None
    position: int | None = None

    @classmethod
    def parse(cls, name: str) -> Component:
        """Read a name: `a3.h5`, `m3`, `m3.f1024`, `m3.n217`, `a1.h0.f12`, `m3.error`, `m3.rest`.

        With one node a position each is followed by it, `m3.f1024@7`, and one token's logit is
        `logits.t42@7`.

        Raises:
            SpecError: The name is none of these.
        """
        if placed := _PLACED.fullmatch(name):
            found = cls.parse(placed["unit"])
            return replace(found, name=name, position=int(placed["position"]))
        if kind := _WHOLE.get(name):
            return cls(name, kind)
        if token := _TOKEN.fullmatch(name):
            return cls(name, ComponentKind.LOGITS, index=int(token["token"]))
        found = _BLOCK.fullmatch(name)
        if found is None and _BLOCK.fullmatch(_TOO_LONG.sub("1", name)):
            raise SpecError(
                f"component {quoted(name)} holds a number of more than {DIGITS} digits; expected "
                "an index that the model has"
            )
        if found is None:
            raise SpecError(
                f"component {quoted(name)} is not a name we know; expected input, embed, "
                "pos_embed, logits, a head such as a3.h5, an MLP such as m3, or a feature such "
                "as m3.f17"
            )
        part = found.groupdict()
        whole = part["whole"]
        layer = None if whole else int(part["attn"] or part["mlp"])
        head = int(part["head"]) if part["head"] else None
        index = part["neuron"] or part["feature"]
        fine = next((kind for key, kind in _FINE.items() if part[key]), None)
        if whole and fine is ComponentKind.NEURON:
            raise SpecError(
                f"component {quoted(name)}: {whole} has no neurons; expected {whole}.f0"
            )
        if fine is None and part["attn"] and head is None:
            raise SpecError(
                f"component {quoted(name)} names a layer's attention; expected a head, a3.h5"
            )
        kind = fine or (ComponentKind.MLP if part["mlp"] else ComponentKind.HEAD)
        return cls(name, kind, layer, head, int(index) if index else None)

    @property
    def fine(self) -> bool:
        """Whether it is a part of another: neuron, feature, what a dictionary misses, the rest."""
        return self.kind in _RANK

    @property
    def unit(self) -> str:
        """Its name at whatever position: `m3.f17` of `m3.f17@4`."""
        return self.name.partition("@")[0]

    @property
    def host(self) -> str:
        """What it is a part of: `m3` of `m3.f17`, `a1.h0` of `a1.h0.error`; itself where whole."""
        if self.kind is ComponentKind.LOGITS:
            return ComponentKind.LOGITS.value
        return self.unit.rpartition(".")[0] if self.fine else self.unit

    def place(self, n_layers: int) -> tuple[int, int, str, int, int, int]:
        """What to sort by: forward pass, head, host; then whole, units by number, error, rest."""
        head = -1 if self.head is None else self.head
        rank, position = _RANK.get(self.kind, 0), -1 if self.position is None else self.position
        return (self.order(n_layers), head, self.host, rank, self.index or 0, position)

    def order(self, n_layers: int) -> int:
        """Where it stands in the forward pass: input 0, heads 2l+1, MLPs 2l+2, logits last."""
        if self.kind is ComponentKind.LOGITS:
            return 2 * n_layers + 1
        if self.layer is None:
            return 0
        return 2 * self.layer + (2 if self.name.startswith("m") else 1)

    def depth(self, n_layers: int) -> float:
        """Relative depth in [0, 1]: input 0, logits 1, layer l of L at (l + .5) / L."""
        if self.kind is ComponentKind.LOGITS:
            return 1.0
        return 0.0 if self.layer is None else (self.layer + 0.5) / n_layers


_RANK = {kind: rank for rank, kind in enumerate(_FINE.values(), 1)}


def placed_name(unit: str, position: int | None) -> str:
    """`m3.f17@4`: a node at one position; the unit itself where it stands for all."""
    return unit if position is None else f"{unit}@{position}"


def logit_name(token: int) -> str:
    """`logits.t42`: one token's logit."""
    return f"logits.t{token}"


def neuron_name(host: str, index: int) -> str:
    """`m3.n217`: one input of the MLP's down projection."""
    return f"{host}.n{index}"


def feature_name(host: str, index: int) -> str:
    """`m3.f1024`, `a1.h0.f12`: a dictionary's unit."""
    return f"{host}.f{index}"


def error_name(host: str) -> str:
    """`m3.error`: what the dictionary of a component misses of its write."""
    return f"{host}.error"


def rest_name(host: str) -> str:
    """`m3.rest`: what a component's units that are no candidates write together."""
    return f"{host}.rest"


def head_name(layer: int, head: int) -> str:
    return f"a{layer}.h{head}"


def mlp_name(layer: int) -> str:
    return f"m{layer}"


def receiver_name(component: str, channel: Channel) -> str:
    """`a7.h2<q>` for a head's input, the bare component name on the residual channel."""
    return component if channel is Channel.R else f"{component}<{channel.value}>"


@dataclass(frozen=True)
class Edge:
    """A sender, the component it reaches, and the channel it reaches it on."""

    sender: str
    receiver: str
    channel: Channel

    @property
    def name(self) -> str:
        return f"{self.sender}->{receiver_name(self.receiver, self.channel)}"

    @classmethod
    def parse(cls, name: str) -> Edge:
        """Read `a3.h5->a7.h2<q>`; the spelling `a7.h2.q` is read too.

        Raises:
            SpecError: Not an edge, or a head without a channel.
        """
        sender, arrow, receiver = name.partition("->")
        found = _RECEIVER.fullmatch(receiver)
        if not arrow or not sender or found is None:
            raise SpecError(
                f"edge {quoted(name)} is not of the form SENDER->RECEIVER, a3.h5->a7.h2<q>"
            )
        Component.parse(sender)
        target = Component.parse(found["name"])
        letter = found["channel"] or found["dotted"]
        if target.kind is ComponentKind.HEAD and letter is None:
            raise SpecError(
                f"edge {quoted(name)} ends in a head; say which input: {target.name}<q>"
            )
        if letter is not None and not target.name.startswith("a"):
            raise SpecError(
                f"edge {quoted(name)}: {target.name} has no {letter} input, only heads do"
            )
        return cls(sender, target.name, Channel(letter) if letter else Channel.R)
