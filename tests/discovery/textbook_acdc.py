"""ACDC as the paper's pseudo-code has it, written to be read: the whole model at every test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from discovery.engine.experiment import Bench
from discovery.engine.graph import BoolMatrix, Graph
from tests.discovery import textbook


def mean_loss(benches: Sequence[Bench], kept: BoolMatrix) -> float:
    losses = [bench.objective.loss(textbook.logits(bench, kept)) for bench in benches]
    total = sum(float(loss.double().sum()) for loss in losses)
    return total / sum(len(loss) for loss in losses)


def in_order(graph: Graph) -> Iterator[tuple[int, int]]:
    """(sender, receiver) of every edge as ACDC orders them, found by name."""
    receivers = ["logits"]
    for layer in reversed(range(graph.n_layers)):
        receivers.append(f"m{layer}")
        for channel in "qkv":
            receivers += [f"a{layer}.h{head}<{channel}>" for head in range(graph.n_heads)]
    senders: list[str] = []
    for layer in reversed(range(graph.n_layers)):
        senders.append(f"m{layer}")
        senders += [f"a{layer}.h{head}" for head in reversed(range(graph.n_heads))]
    senders += ["pos_embed", "embed"] if graph.split_embed else ["input"]
    for receiver in receivers:
        for sender in senders:
            s, r = graph.sender_names.index(sender), graph.receiver_names.index(receiver)
            if graph.upstream[s, r]:
                yield s, r


def patched_together(graph: Graph, receiver: int, group: int) -> list[int]:
    """The receivers whose keys, or values, are one: `group` query heads in a row share them."""
    name = graph.receiver_names[receiver]
    if not name.endswith(("<k>", "<v>")):
        return [receiver]
    layer, head = re.findall(r"\d+", name)
    first = int(head) // group * group
    return [graph.receiver_names.index(f"a{layer}.h{first + i}{name[-3:]}") for i in range(group)]


def acdc(
    benches: Sequence[Bench],
    threshold: float,
    candidates: BoolMatrix | None = None,
    group: int = 1,
) -> BoolMatrix:
    """What τ = `threshold` keeps, keys and values of `group` heads decided together."""
    graph = benches[0].experiment.graph
    kept = graph.upstream.copy() if candidates is None else candidates.copy()
    current = mean_loss(benches, kept)
    for sender, receiver in in_order(graph):
        together = patched_together(graph, receiver, group)
        if not kept[sender, receiver] or receiver != together[0]:
            continue
        kept[sender, together] = False
        without = mean_loss(benches, kept)
        if without - current < threshold:
            current = without
        else:
            kept[sender, together] = True
    return kept
