"""Larger made circuits: with degrees as real ones have, drawn from the null, or with a plant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graph_schema.documents import Channel, Component, ComponentKind, RoleName
from graph_schema.motifs import CircuitGraph, GraphEdge, GraphNode
from graph_schema.motifs.draws import Draws
from graph_schema.motifs.relabelling import relabelled
from graph_schema.motifs.rewiring import rewired

ROLES = list(RoleName)


def random_circuit(
    rng: np.random.Generator, *, n_layers: int, n_heads: int, n_edges: int
) -> CircuitGraph:
    """Edges between nodes of uneven weight; four heads in ten have a role."""
    names = ["input", "logits", *(f"m{layer}" for layer in range(n_layers))]
    names += [f"a{layer}.h{head}" for layer in range(n_layers) for head in range(n_heads)]
    parts = [Component.parse(name) for name in names]
    weight = rng.exponential(size=len(names)) + 0.2
    weight[: 2 + n_layers] *= 3
    share = weight / weight.sum()
    edges: dict[tuple[str, str, Channel], GraphEdge] = {}
    while len(edges) < n_edges:
        one, two = rng.choice(len(names), 2, p=share)
        if parts[one].order(n_layers) < parts[two].order(n_layers):
            head = parts[two].kind is ComponentKind.HEAD
            channel = Channel("qkv"[rng.integers(3)]) if head else Channel.R
            ends = (names[one], names[two], channel)
            edges[ends] = GraphEdge(*ends, score=float(rng.normal()))
    nodes = [
        GraphNode(
            part.name,
            part.kind,
            part.layer,
            part.depth(n_layers),
            frozenset([ROLES[rng.integers(len(ROLES))]])
            if part.kind is ComponentKind.HEAD and rng.random() < 0.4
            else frozenset(),
        )
        for part in parts
    ]
    return CircuitGraph.build(nodes, edges.values())


def graph_in(draws: Draws, draw: int) -> CircuitGraph:
    """One draw as a graph by itself; scores become its signs."""
    names, channels = [node.name for node in draws.nodes], list(Channel)
    columns = (draws.sender, draws.receiver, draws.channel, draws.sign)
    rows = zip(*(column[draw].tolist() for column in columns), strict=True)
    edges = [GraphEdge(names[s], names[r], channels[c], float(sign)) for s, r, c, sign in rows]
    nodes = [
        replace(node, roles=draws.role_sets[code])
        for node, code in zip(draws.nodes, draws.roles[draw].tolist(), strict=True)
    ]
    return CircuitGraph.build(nodes, edges)


def null_circuits(base: CircuitGraph, n: int, rng: np.random.Generator) -> list[CircuitGraph]:
    """`n` circuits drawn from both nulls: rewired, and then the roles dealt out anew."""
    wired = [
        graph_in(part, draw)
        for part in rewired(base, n, rng, bare=False).parts
        for draw in range(part.n_draws)
    ]
    dealt = [list(relabelled(graph, 1, rng).parts)[-1] for graph in wired]
    return [graph_in(part, part.n_draws - 1) for part in dealt]


def plant_loops(graph: CircuitGraph, n: int, rng: np.random.Generator) -> CircuitGraph:
    """`n` feed-forward loops more, between nodes drawn at random."""
    edges = {(e.sender, e.receiver, e.channel): e for e in graph.edges}
    before = len(edges)
    while len(edges) < before + 3 * n:
        picked = sorted(
            rng.choice(len(graph.nodes), 3, replace=False).tolist(),
            key=lambda i: (graph.nodes[i].depth, graph.nodes[i].kind is ComponentKind.MLP),
        )
        nodes = [graph.nodes[i] for i in picked]
        if len({node.depth for node in nodes}) < 3:
            continue
        for sender, receiver in ((0, 1), (1, 2), (0, 2)):
            channel = Channel.K if nodes[receiver].kind is ComponentKind.HEAD else Channel.R
            ends = (nodes[sender].name, nodes[receiver].name, channel)
            edges[ends] = GraphEdge(*ends, score=1.0)
    return CircuitGraph.build(graph.nodes, edges.values())


def plant_induction(graph: CircuitGraph, n: int, rng: np.random.Generator) -> CircuitGraph:
    """Roles as of previous-token and induction heads on the ends of `n` K edges, logits reached.

    All other heads lose theirs.
    """
    of = {node.name: node for node in graph.nodes}
    heads = ComponentKind.HEAD
    able = [e for e in graph.edges if e.channel is Channel.K and of[e.sender].kind is heads]
    roles: dict[str, RoleName] = {}
    edges = list(graph.edges)
    to_logits = {e.sender for e in graph.edges if e.receiver == "logits"}
    for place in rng.permutation(len(able)).tolist():
        edge = able[place]
        if len(roles) >= 2 * n:
            break
        if edge.sender in roles or edge.receiver in roles:
            continue
        roles[edge.sender] = RoleName.PREVIOUS_TOKEN
        roles[edge.receiver] = RoleName.INDUCTION
        if edge.receiver not in to_logits:
            edges.append(GraphEdge(edge.receiver, "logits", Channel.R, 1.0))
    nodes = [
        replace(node, roles=frozenset([roles[node.name]] if node.name in roles else []))
        for node in graph.nodes
    ]
    return CircuitGraph.build(nodes, edges)
