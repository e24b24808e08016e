"""Made circuits and motifs for hypothesis, and a circuit whose occurrences are known."""

from __future__ import annotations

from hypothesis import strategies as st
from pydantic import ValidationError

from graph_schema.documents import (
    Channel,
    Component,
    ComponentKind,
    DepthOrder,
    DepthRelation,
    Edge,
    EdgePattern,
    Motif,
    NodePattern,
    RoleName,
    Sign,
    SignRule,
)
from graph_schema.motifs import CircuitGraph, GraphEdge, GraphNode

N_LAYERS = 4
ROLES = [RoleName.PREVIOUS_TOKEN, RoleName.INDUCTION]
KINDS = [ComponentKind.HEAD, ComponentKind.MLP, ComponentKind.LOGITS]


def node(name: str, *roles: RoleName, n_layers: int = N_LAYERS) -> GraphNode:
    part = Component.parse(name)
    return GraphNode(name, part.kind, part.layer, part.depth(n_layers), frozenset(roles))


def graph_of(*edges: str, roles: dict[str, RoleName] | None = None) -> CircuitGraph:
    """A graph from edges such as `a0.h0->a1.h0<k>` or, with a score, `m0->logits=-0.5`."""
    parsed: list[GraphEdge] = []
    for text in edges:
        name, _, score = text.partition("=")
        edge = Edge.parse(name)
        parsed.append(GraphEdge(edge.sender, edge.receiver, edge.channel, float(score or 1)))
    names = {name for edge in parsed for name in (edge.sender, edge.receiver)}
    return CircuitGraph.build(
        [node(name, *([roles[name]] if roles and name in roles else [])) for name in names], parsed
    )


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 7, max_edges: int = 14) -> CircuitGraph:
    """A small circuit with parallel channels, either sign, zeros, and roles on some heads."""
    pool = ["input", "logits"]
    pool += [f"m{layer}" for layer in range(N_LAYERS)]
    pool += [f"a{layer}.h{head}" for layer in range(N_LAYERS) for head in range(2)]
    names = draw(st.lists(st.sampled_from(pool), min_size=2, max_size=max_nodes, unique=True))
    possible: list[tuple[str, str, Channel]] = []
    for sender in names:
        for receiver in names:
            first, second = Component.parse(sender), Component.parse(receiver)
            if first.order(N_LAYERS) < second.order(N_LAYERS):
                head = second.kind is ComponentKind.HEAD
                channels = [Channel.Q, Channel.K, Channel.V] if head else [Channel.R]
                possible += [(sender, receiver, channel) for channel in channels]
    chosen: list[tuple[str, str, Channel]] = []
    if possible:
        chosen = draw(st.lists(st.sampled_from(possible), max_size=max_edges, unique=True))
    scores = st.sampled_from([-1.0, -1e-300, 0.0, 1e-300, 0.5, 1.0])
    edges = [GraphEdge(*ends, score=draw(scores)) for ends in chosen]
    roles = st.sampled_from([(), *((role,) for role in ROLES), tuple(ROLES)])
    return CircuitGraph.build([node(name, *draw(roles)) for name in names], edges)


@st.composite
def motifs(draw: st.DrawFn, max_nodes: int = 5) -> Motif:
    """Any pattern the document allows, its choices kept few so that some of them match."""
    size = draw(st.integers(2, max_nodes))
    variables = [f"x{index}" for index in range(size)]
    nodes = [
        NodePattern(
            variable=variable,
            roles=tuple(draw(st.sets(st.sampled_from(ROLES), max_size=1))),
            kinds=tuple(draw(st.sets(st.sampled_from(KINDS), max_size=2))),
        )
        for variable in variables
    ]
    ends = {(draw(st.integers(0, second - 1)), second) for second in range(1, size)}
    every = [(one, two) for two in range(size) for one in range(two)]
    ends |= draw(st.sets(st.sampled_from(every), max_size=2))
    channels = st.sampled_from([(), (), (Channel.Q,), (Channel.K, Channel.R)])
    signs = st.sampled_from([None, None, Sign.POSITIVE, Sign.NEGATIVE])
    upward = draw(st.booleans())
    edges = [
        EdgePattern(
            sender=variables[one if upward else two],
            receiver=variables[two if upward else one],
            channels=draw(channels),
            sign=draw(signs),
        )
        for one, two in sorted(ends)
    ]
    depth: list[DepthOrder] = []
    for _ in range(draw(st.integers(0, 2))):
        left, right = draw(st.permutations(variables))[:2]
        relation = draw(st.sampled_from(DepthRelation))
        depth.append(DepthOrder(left=left, relation=relation, right=right))
    rules: list[SignRule] = []
    if draw(st.booleans()):
        places = draw(st.sets(st.integers(0, len(edges) - 1), min_size=1))
        rules = [SignRule(edges=tuple(sorted(places)), product=draw(st.sampled_from(Sign)))]
    fields: dict[str, object] = {
        "name": "made",
        "nodes": tuple(nodes),
        "edges": tuple(edges),
        "signs": tuple(rules),
        "induced": draw(st.booleans()),
    }
    try:
        return Motif.model_validate(fields | {"depth": tuple(depth)})
    except ValidationError:  # the depth rules contradict the edges, or each other
        return Motif.model_validate(fields)


@st.composite
def planted(draw: st.DrawFn) -> tuple[CircuitGraph, Motif]:
    """A circuit and a pattern that generalises a piece of it, so that it mostly occurs."""
    graph = draw(graphs().filter(lambda made: bool(made.edges)))
    seed = draw(st.sampled_from(graph.edges))
    names = [seed.sender, seed.receiver]
    for _ in range(draw(st.integers(0, 2))):
        near = [n.name for name in names for n in graph.below[name] + graph.above[name]]
        names.append(draw(st.sampled_from(near)))
    inside = {
        ends: edges
        for ends, edges in graph.between.items()
        if ends[0] in names and ends[1] in names
    }
    names = draw(st.permutations(sorted(set(names))))
    variables = {name: f"x{place}" for place, name in enumerate(names)}
    of = {n.name: n for n in graph.nodes}
    nodes = [
        NodePattern(
            variable=variable,
            roles=tuple(sorted(of[name].roles))[:1] if draw(st.booleans()) else (),
            kinds=(of[name].kind,) if draw(st.integers(0, 3)) == 0 else (),
        )
        for name, variable in variables.items()
    ]
    edges: list[EdgePattern] = []
    for (sender, receiver), parallel in inside.items():
        edge = draw(st.sampled_from(parallel))
        sign = Sign.POSITIVE if edge.score > 0 else Sign.NEGATIVE
        edges.append(
            EdgePattern(
                sender=variables[sender],
                receiver=variables[receiver],
                channels=(edge.channel,) if draw(st.integers(0, 2)) == 0 else (),
                sign=sign if edge.score and draw(st.integers(0, 2)) == 0 else None,
            )
        )
    rules: list[SignRule] = []
    if draw(st.booleans()):
        product = draw(st.sampled_from(Sign))
        rules = [SignRule(edges=tuple(range(len(edges))), product=product)]
    depths = {variables[name]: of[name].depth for name in names}
    depth: list[DepthOrder] = []
    for _ in range(draw(st.integers(0, 2)) if len(names) > 1 else 0):
        left, right = sorted(draw(st.permutations(list(depths)))[:2], key=lambda v: depths[v])
        if depths[left] < depths[right]:
            relation = draw(st.sampled_from([DepthRelation.BEFORE, DepthRelation.NOT_AFTER]))
        else:
            relation = draw(st.sampled_from([DepthRelation.SAME, DepthRelation.NOT_AFTER]))
        depth.append(DepthOrder(left=left, relation=relation, right=right))
    return graph, Motif(
        name="planted",
        nodes=tuple(nodes),
        edges=tuple(edges),
        depth=tuple(depth),
        signs=tuple(rules),
        induced=draw(st.booleans()),
    )


CASES = st.one_of(planted(), st.tuples(graphs(), motifs()))

# Every motif of the catalogue occurs here; KNOWN_COUNTS were found by hand.
KNOWN = graph_of(
    "a0.h0->a2.h0<k>=0.5",
    "a0.h0->a2.h0<v>=0.1",
    "a0.h0->a2.h1<k>=0.4",
    "a0.h0->a1.h0<v>=0.2",
    "a1.h0->a2.h0<k>=0.3",
    "a2.h0->logits=0.9",
    "a2.h1->logits=0.8",
    "a0.h1->a1.h1<v>=0.6",
    "a1.h1->a2.h2<q>=0.6",
    "a1.h1->a2.h3<q>=0.2",
    "a2.h2->logits=1.2",
    "a2.h3->logits=0.1",
    "a2.h2->a3.h0<q>=-0.3",
    "a3.h0->logits=-0.7",
    "a0.h1->m1=0.2",
    "m1->logits=0.2",
    "m1->a3.h0<k>=0.1",
    "a0.h1->logits=0.3",
    roles={
        "a0.h0": RoleName.PREVIOUS_TOKEN,
        "a1.h0": RoleName.PREVIOUS_TOKEN,
        "a2.h0": RoleName.INDUCTION,
        "a2.h1": RoleName.INDUCTION,
        "a0.h1": RoleName.DUPLICATE_TOKEN,
        "a1.h1": RoleName.S_INHIBITION,
        "a2.h2": RoleName.NAME_MOVER,
        "a2.h3": RoleName.BACKUP_NAME_MOVER,
        "a3.h0": RoleName.COPY_SUPPRESSION,
    },
)
KNOWN_COUNTS = {
    "induction": 3,
    "indirect_object": 1,
    "previous_token_chain": 1,
    "previous_token_chain_induction": 1,
    "coherent_feed_forward_loop": 3,  # a0.h0 a1.h0 a2.h0; a0.h1 m1 logits; a2.h2 a3.h0 logits
    "incoherent_feed_forward_loop": 1,  # m1 a3.h0 logits
    "bi_fan": 1,  # a2.h2 and m1 both send to a3.h0 and the logits
    "q_composition": 3,
    "k_composition": 3,
    "v_composition": 3,
    "backup_heads": 1,
    "copy_suppression": 1,
    "skip_path": 1,
    "mlp_relay": 1,  # a0.h1 m1 a3.h0
    "triad_chain": 9,  # sum of in-degree x out-degree is 13, less the four loops
    "triad_fan_out": 5,  # 9 pairs of receivers, less the loops
    "triad_fan_in": 19,  # 23 pairs of senders, less the loops
    "triad_feed_forward": 4,
}
