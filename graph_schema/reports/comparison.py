"""Circuits side by side, as text: what they are, what they share, where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graph_schema.documents import Comparison, Comparisons, Overlap, Scope, ScoreAgreement
from graph_schema.documents.comparison import PairDifferences, Side
from graph_schema.reports.tables import cell, number, table

SCOPES = {
    Scope.ONE_MODEL: "one model: nodes, edges and scores are compared",
    Scope.CHECKPOINTS: "checkpoints of one training run: nodes, edges and scores are compared",
    Scope.ACROSS_MODELS: (
        "different models: a head of one is not the head of the same name in another, so only "
        "figures and kinds stand side by side"
    ),
}
TOP = 10


def letters(n: int) -> list[str]:
    """A, B, …, Z, then AA, AB, …: what the circuits are called in tables."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [(alphabet[i // 26 - 1] if i >= 26 else "") + alphabet[i % 26] for i in range(n)]


def comparison_text(found: Comparisons, top: int = TOP) -> str:
    """Everything of two circuits, the overlaps of several; `top` edges of each kind."""
    names = letters(len(found.sides))
    parts = [SCOPES[found.scope], side_table(found.sides, names)]
    if found.training:
        parts.append(training_table(found, names))
    elif len(found.pairs) > 1:
        parts.append(pair_table(found, names))
    if len(found.pairs) == 1:
        parts += _in_full(found.pairs[0], top)
    notes = dict.fromkeys((*found.notes, *(note for pair in found.pairs for note in pair.notes)))
    if notes:
        parts.append("\n".join(f"note: {note}" for note in notes))
    return "\n\n".join(parts)


def side_table(sides: Sequence[Side], names: Sequence[str]) -> str:
    """A column a circuit: what it is and how good it is."""
    return table(("", *names), [(label, *values) for label, values in side_rows(sides)])


def side_rows(sides: Sequence[Side]) -> list[tuple[str, list[str | None]]]:
    """What circuits are and how good they are: a row a fact, with each circuit's."""
    return [
        ("circuit", [side.circuit_id[:12] for side in sides]),
        ("model", [side.model for side in sides]),
        ("fingerprint", [side.fingerprint[:12] for side in sides]),
        ("family", [side.family for side in sides]),
        ("task", [side.task for side in sides]),
        ("method", [side.method for side in sides]),
        ("metric", [side.metric for side in sides]),
        ("ablation", [side.ablation for side in sides]),
        ("edges", [_edges(side) for side in sides]),
        ("nodes", [_counts(side.nodes_by_kind) for side in sides]),
        ("channels", [_counts(side.edges_by_channel) for side in sides]),
        (
            "faithfulness",
            [_figure(side.faithfulness, side.faithfulness_interval) for side in sides],
        ),
        ("held out", [_figure(side.heldout_faithfulness, side.heldout_interval) for side in sides]),
        *(
            [("error, rest", [_figure(side.error_share) for side in sides])]
            if any(side.error_share is not None for side in sides)
            else []
        ),
        ("cmd", [_figure(side.cmd) for side in sides]),
        ("cpr", [_figure(side.cpr) for side in sides]),
    ]


def pair_table(found: Comparisons, names: Sequence[str]) -> str:
    """A row for every two circuits."""
    places = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    rows = [
        (
            f"{a}, {b}",
            pair.scope.value,
            pair.edges and pair.edges.n_both,
            pair.edges and pair.edges.jaccard,
            pair.edges and pair.edges.p,
            pair.nodes and pair.nodes.jaccard,
            pair.scores and pair.scores.pearson,
            pair.all_scores and pair.all_scores.spearman,
            ", ".join(pair.differs),
        )
        for (a, b), pair in zip(places, found.pairs, strict=True)
    ]
    headings = ("", "scope", "shared edges", "Jaccard", "p", "nodes' Jaccard", "Pearson")
    return table((*headings, "Spearman, all edges", "differ in"), rows)


def training_table(found: Comparisons, names: Sequence[str]) -> str:
    """A row a checkpoint: against the one before, and against the last."""
    rows = [
        (
            name,
            step.edges_before and step.edges_before.jaccard,
            step.scores_before and step.scores_before.spearman,
            step.edges_last and step.edges_last.jaccard,
            step.scores_last and step.scores_last.spearman,
            side.faithfulness,
            side.heldout_faithfulness,
        )
        for name, step, side in zip(names, found.training, found.sides, strict=True)
    ]
    headings = ("", "Jaccard with the one before", "Spearman", "Jaccard with the last", "Spearman")
    return table((*headings, "faithfulness", "held out"), rows)


def _in_full(pair: Comparison, top: int) -> list[str]:
    parts: list[str] = []
    if pair.differs:
        parts.append(f"they also differ in: {', '.join(pair.differs)}")
    if pair.edges is not None and pair.nodes is not None:
        rows = [_overlap("edges", pair.edges), _overlap("nodes", pair.nodes)]
        headings = ("shared", "A", "B", "both", "by chance", "Jaccard", "p (hypergeometric)")
        parts.append(table(headings, rows))
    agreements = [
        (label, found)
        for label, found in (("edges in both", pair.scores), ("all edges", pair.all_scores))
        if found is not None
    ]
    if agreements:
        rows = [_agreement(label, found) for label, found in agreements]
        parts.append(table(("scores", "edges", "Pearson", "Spearman", "same sign"), rows))
    for name, edges, nodes in (
        ("A", pair.only_a, pair.nodes_only_a),
        ("B", pair.only_b, pair.nodes_only_b),
    ):
        if edges or nodes:
            rows = [(edge.name, edge.score) for edge in edges[:top]]
            more = f" (of {len(edges):,})" if len(edges) > top else ""
            listed = table((f"only in {name}{more}", "score"), rows) if edges else ""
            alone = f"nodes only in {name}: {', '.join(nodes)}" if nodes else ""
            parts.append("\n".join(part for part in (listed, alone) if part))
    if (pairs := pair.pairs) is not None:
        parts.append(
            f"metric of a pair, B - A: {_difference(pairs)}\n"
            + table(
                ("pair", "A", "B", "B - A"),
                [(each.pair, each.a, each.b, each.difference) for each in pairs.largest],
            )
        )
    return parts


def _difference(found: PairDifferences) -> str:
    """`0.12 [0.05, 0.19], 32 heldout pairs in 12 groups`, or why there is no interval."""
    groups = "" if found.n_groups is None else f" in {found.n_groups} groups"
    where = f"{found.n} {found.split.value} pairs{groups}"
    if found.ci_low is None or found.ci_high is None:
        return f"{found.mean:.4g}, {where}; no interval: {found.reason}"
    return f"{found.mean:.4g} [{found.ci_low:.4g}, {found.ci_high:.4g}], {where}"


def _overlap(label: str, found: Overlap) -> tuple[Any, ...]:
    sizes = (label, found.n_a, found.n_b, found.n_both)
    return (*sizes, found.expected, found.jaccard, found.p)


def _agreement(label: str, found: ScoreAgreement) -> tuple[Any, ...]:
    return (label, found.n, found.pearson, found.spearman, found.same_sign)


def _edges(side: Side) -> str:
    share = side.share_of_edges
    return f"{side.n_edges:,}" if share is None else f"{side.n_edges:,} ({share:.2%})"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items())


def _figure(value: float | None, interval: tuple[float, float] | None = None) -> str:
    if value is None:
        return ""
    low_high = f" [{cell(interval[0])}, {cell(interval[1])}]" if interval else ""
    return f"{number(value)}{low_high}"
