"""Effects of roles on roles: the super-edges of a motif in one model.

Every figure is the loss change of a `Patch` (`group_effects.py`) as a share of loss(∅) - loss(M),
with an interval over groups of pairs. What is asked of a split is run together, so that patches of
the same senders share what follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from discovery.engine.graph import Graph
from discovery.engine.pair_values import values
from discovery.roles import mediators
from discovery.roles.cast import Cast
from discovery.roles.controls import controls
from discovery.roles.group_effects import losses
from discovery.roles.path_patching import Patch
from discovery.roles.shares import Shares
from discovery.tasks.base import TokenPair
from graph_schema.documents import ControlShare
from graph_schema.documents.jobs.effects import AskedEdge
from graph_schema.documents.role import Share
from graph_schema.documents.role_graph import POSITION_GAP, Mediator, SuperEdge


@dataclass(frozen=True)
class Asked:
    """A super-edge and its patches."""

    edge: AskedEdge
    whole: Patch
    direct: Patch
    everywhere: Patch
    controls: Mapping[str, Sequence[Patch]]
    blocks: Mapping[tuple[int, ...], Patch]

    @classmethod
    def of(cls, cast: Cast, edge: AskedEdge, pairs: Sequence[TokenPair], seed: int) -> Asked:
        senders, inputs = cast.senders(edge.sender), cast.inputs(edge.receiver, [edge.channel])
        played = cast.is_played(edge.sender) and cast.is_played(edge.receiver)
        return cls(
            edge,
            whole=Patch(senders, inputs),
            direct=Patch(senders, inputs, senders),
            everywhere=Patch(senders, (cast.graph.logits,)),
            controls=controls(cast, edge, pairs, seed) if played else {},
            blocks={
                block: mediators.through(cast, edge, block)
                for block in (mediators.blocks(cast, edge) if played else ())
            },
        )

    @property
    def patches(self) -> list[Patch]:
        """All that are known beforehand, those of a world in a row."""
        several = [patch for each in self.controls.values() for patch in each]
        return [self.whole, self.everywhere, self.direct, *self.blocks.values(), *several]


def super_edges(
    cast: Cast,
    asked: Sequence[AskedEdge],
    shares: Shares,
    *,
    on_discovery: Shares | None = None,
    apart: Sequence[TokenPair] | None = None,
) -> tuple[SuperEdge, ...]:
    """The super-edges of a motif, measured.

    Args:
        cast: Who plays what; a role without members is bounded by all heads.
        asked: The super-edges.
        shares: Of the pairs that they are measured on.
        on_discovery: Of the pairs that roles were assigned on, for comparison.
        apart: The pairs with something else between what repeats, in the same order.
    """
    split = shares.split
    each = [Asked.of(cast, edge, split.pairs, split.seed) for edge in asked]
    shares.run([patch for one in each for patch in one.patches])
    if on_discovery:
        on_discovery.run([one.whole for one in each])
    gaps = _pulled_apart(cast, each, shares, apart) if apart else {}
    return tuple(_super_edge(cast, one, shares, on_discovery, gaps.get(one.edge)) for one in each)


def _super_edge(
    cast: Cast, one: Asked, shares: Shares, on_discovery: Shares | None, gap: Share | None
) -> SuperEdge:
    sender, channel, receiver = one.edge
    played = cast.is_played(sender) and cast.is_played(receiver)
    share = shares.of_gap(one.whole)
    found = {name: shares.of_gap(*patches) for name, patches in one.controls.items()}
    if gap is not None:
        found[POSITION_GAP] = gap
    # Parts of what may be nothing are noise.
    telling = played and share.ci_low > mediators.FLOOR
    return SuperEdge(
        sender=sender,
        receiver=receiver,
        channel=channel,
        **share.model_dump(),
        controls=tuple(
            ControlShare(name=name, **each.model_dump()) for name, each in found.items()
        ),
        direct=shares.part(one.direct, one.whole) if telling else None,
        mediators=_mediators(cast.graph, cast, one, shares) if telling else (),
        everywhere=shares.of_gap(one.everywhere) if played else None,
        is_bound=not played,
        on_discovery=on_discovery.of_gap(one.whole) if on_discovery else None,
    )


def _mediators(graph: Graph, cast: Cast, one: Asked, shares: Shares) -> tuple[Mediator, ...]:
    """The components that carry the floor or more, for or against; the strongest first."""

    def carries(patch: Patch) -> bool:
        part = shares.part(patch, one.whole)
        return part is not None and abs(part.share) >= mediators.FLOOR

    telling = [block for block, patch in one.blocks.items() if carries(patch)]
    single = {n: mediators.through(cast, one.edge, [n]) for block in telling for n in block}
    shares.run(list(single.values()))
    parts = {n: shares.part(patch, one.whole) for n, patch in single.items()}
    found = [
        Mediator(component=graph.sender_names[n], **part.model_dump())
        for n, part in parts.items()
        if part is not None and abs(part.share) >= mediators.FLOOR
    ]
    return tuple(sorted(found, key=lambda each: -abs(each.share)))


def _pulled_apart(
    cast: Cast, each: Sequence[Asked], shares: Shares, apart: Sequence[TokenPair]
) -> dict[AskedEdge, Share]:
    """What the super-edges carry on the pairs pulled apart, as shares of the gap of the pairs.

    Of their own gap a share would explode where the model does not do them, and a shortcut by
    distance would pass.
    """
    split, graph = shares.split, cast.graph
    experiment, chunk = split.experiment, shares.chunk
    if not experiment.ablator.covers(apart).all():
        return {}
    (full,) = values(experiment, apart, [graph.upstream], chunk=chunk)
    played = [
        one for one in each if cast.is_played(one.edge.sender) and cast.is_played(one.edge.receiver)
    ]
    found = losses(
        experiment, apart, [one.whole for one in played], chunk=chunk, progress=shares.report
    )
    shown = {
        one.edge: shares.share(loss - full.loss) for one, loss in zip(played, found, strict=True)
    }
    return {edge: share for edge, share in shown.items() if share is not None}
