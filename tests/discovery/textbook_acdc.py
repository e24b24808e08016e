"""ACDC as the paper's pseudo-code has it, written to be read: the whole model at every test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from discovery.bench import Bench
from discovery.graph import BoolMatrix, Graph
from tests.discovery import textbook


def mean_loss(benches: Sequence[Bench], kept: BoolMatrix) -> float:
    losses = [bench.objective.loss(textbook.logits(bench, kept)) for bench in benches]
    total = sum(float(loss.double().sum()) for loss in losses)
    return total / sum(len(loss) for loss in losses)


def in_order(graph: Graph) -> Iterator[tuple[int, int]]:
    """(sender, receiver) of every edge as DESIGN §7 orders them, found by name."""
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


def acdc(
    benches: Sequence[Bench], threshold: float, candidates: BoolMatrix | None = None
) -> BoolMatrix:
    """What τ = `threshold` keeps."""
    graph = benches[0].experiment.graph
    kept = graph.upstream.copy() if candidates is None else candidates.copy()
    current = mean_loss(benches, kept)
    for sender, receiver in in_order(graph):
        if not kept[sender, receiver]:
            continue
        kept[sender, receiver] = False
        without = mean_loss(benches, kept)
        if without - current < threshold:
            current = without
        else:
            kept[sender, receiver] = True
    return kept
