"""How far the overlap of nodes and edges misleads about wiring: docs/universality.md.

    python -m benchmarks.overlap MODEL MODEL … [--write]

The models (folders of the zoo, of compiled programs, …) are asked about induction by the ordinary
jobs of `circuits universality`, in the home that CIRCUITS_HOME names: what ended well there is not
done again. Then every pair of models is laid side by side: overlap of the nodes and edges of their
first circuits, by name, and agreement of their wiring (the weighted Jaccard index of what
super-edges carry, docs/universality.md). So is every pair of low-overlap circuits of one model.
`--write` puts the tables into the page and the picture beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu, spearmanr

from benchmarks.overlap_picture import Kind, Point, picture
from benchmarks.page import put, versions
from graph_schema.documents import CircuitDocument, Rung, RungState
from graph_schema.documents.universality import ModelEvidence, UniversalityReport
from graph_schema.motifs import CircuitGraph, bindings, find_motif
from workers.client import CircuitClient
from workers.kinds.universality_evidence import roles_of

PAGE = Path(__file__).parents[1] / "docs" / "universality.md"
PICTURE = PAGE.parent / "overlap.svg"
SEED = 0
Circuits = dict[str, tuple[CircuitDocument, ...]]


@dataclass(frozen=True)
class Pair:
    """Two models: overlap of their circuits, agreement of their wiring."""

    one: ModelEvidence
    two: ModelEvidence
    edges: float
    chance: float
    nodes: float
    agreement: float

    @property
    def states(self) -> tuple[RungState, RungState]:
        return self.one.at(Rung.WIRING).state, self.two.at(Rung.WIRING).state

    @property
    def same(self) -> bool:
        """Both have the motif's wiring."""
        return set(self.states) == {RungState.PRESENT}

    @property
    def other(self) -> bool:
        """One has it, the other lacks it."""
        return set(self.states) == {RungState.PRESENT, RungState.ABSENT}

    @property
    def kind(self) -> Kind:
        if RungState.ABSENT in self.states:
            return "without the wiring"
        return "within a family" if self.one.family == self.two.family else "across families"


def iou(one: set[str], two: set[str]) -> float:
    return len(one & two) / len(one | two)


def edge_names(circuit: CircuitDocument) -> set[str]:
    return {edge.name for edge in circuit.edges}


def node_names(circuit: CircuitDocument) -> set[str]:
    return {name for edge in circuit.edges for name in (edge.sender, edge.receiver)}


def by_chance(one: CircuitDocument, two: CircuitDocument) -> float:
    """The edge IoU of random circuits of these sizes among the edges of the larger model."""
    a, b = len(edge_names(one)), len(edge_names(two))
    shared = a * b / max(one.n_edges_scored, two.n_edges_scored)
    return shared / (a + b - shared)


def pairs_of(found: UniversalityReport, circuits: Circuits) -> list[Pair]:
    """Every two models with circuits and role graphs."""
    known = {frozenset(each.role_graph_ids): each.similarity for each in found.alignments}
    pairs: list[Pair] = []
    for one, two in combinations(found.models, 2):
        ids = frozenset(filter(None, (one.role_graph_id, two.role_graph_id)))
        if ids not in known or not circuits[one.fingerprint] or not circuits[two.fingerprint]:
            continue
        a, b = circuits[one.fingerprint][0], circuits[two.fingerprint][0]
        pairs.append(
            Pair(
                one,
                two,
                edges=iou(edge_names(a), edge_names(b)),
                chance=by_chance(a, b),
                nodes=iou(node_names(a), node_names(b)),
                agreement=known[ids],
            )
        )
    return pairs


def pair_table(pairs: Sequence[Pair]) -> list[str]:
    """Mean and range of every pair of families; those with a model without the wiring apart."""
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault((pair.kind, _pair_name(pair)), []).append(pair)
    lines = [
        "| models | pairs | edge IoU | by chance | node IoU | wiring agreement | both present |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (_, families), group in sorted(groups.items()):
        cells = [_span([getattr(pair, name) for pair in group]) for name in ("edges", "chance")]
        cells += [_span([getattr(pair, name) for pair in group]) for name in ("nodes", "agreement")]
        both = sum(pair.same for pair in group)
        lines.append(f"| {families} | {len(group)} | {' | '.join(cells)} | {both} |")
    return lines


def _pair_name(pair: Pair) -> str:
    """The families; of a model without the wiring its own name."""
    both = (pair.one, pair.two)
    lack = [each for each in both if each.at(Rung.WIRING).state is RungState.ABSENT]
    if not lack:
        return " and ".join(sorted(each.family for each in both))
    if len(lack) == 2:
        return f"{' and '.join(sorted(map(_short, lack)))}, both without the wiring"
    return f"{_short(lack[0])}, without the wiring, and others"


def _short(model: ModelEvidence) -> str:
    """`smeared 0` of a zoo's folder, the name of any other."""
    parts = model.name.split("-")
    return " ".join(parts[:2]) if len(parts) > 2 and parts[1].isdigit() else model.name


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    mean = f"{np.mean(values):.2f}"
    return mean if high - low < 0.005 else f"{mean} ({low:.2f} to {high:.2f})"


def circuit_table(
    found: UniversalityReport, circuits: Circuits, occurs: dict[str, bool]
) -> list[str]:
    """The low-overlap circuits of each model: how alike, and whether the motif occurs in each."""
    lines = [
        "| model | circuits | faithfulness | edge IoU | node IoU | motif in |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for model in sorted(found.models, key=_short):
        own = circuits[model.fingerprint]
        if len(own) < 2:
            continue
        two = list(combinations(own, 2))
        edges = [iou(edge_names(a), edge_names(b)) for a, b in two]
        nodes = [iou(node_names(a), node_names(b)) for a, b in two]
        values = ", ".join("" if each is None else f"{each:.2f}" for each in model.faithfulness)
        n = sum(occurs[each.circuit_id] for each in own)
        cells = (_short(model), str(len(own)), values, _span(edges), _span(nodes))
        lines.append(f"| {' | '.join(cells)} | {n} of {len(own)} |")
    return lines


def told(pairs: Sequence[Pair]) -> list[str]:
    """How far overlap misleads, in figures."""
    lines: list[str] = []
    for name, what in (("edges", "edge IoU"), ("nodes", "node IoU")):
        values = [getattr(pair, name) for pair in pairs]
        ranked: Any = spearmanr(values, [pair.agreement for pair in pairs])
        rho = float(ranked.statistic)
        lines.append(
            f"- {what} and wiring agreement over {len(pairs)} pairs: rank correlation {rho:.2f}"
            f"{_told_apart(pairs, name)}."
        )
    same = sorted((p for p in pairs if p.same), key=lambda pair: pair.edges)
    other = sorted((p for p in pairs if p.other), key=lambda pair: -pair.edges)
    if same:
        lines.append(f"- Same wiring, least overlap: {_example(same[0])}.")
    if other:
        lines.append(f"- Other wiring, most overlap: {_example(other[0])}.")
    if same and other:
        n = sum(pair.edges <= other[0].edges for pair in same)
        lines.append(f"- {n} of {len(same)} pairs with the same wiring overlap no more than that.")
    return lines


def _told_apart(pairs: Sequence[Pair], name: str) -> str:
    """How often a pair wired alike has the larger value than one wired otherwise."""
    same = [getattr(pair, name) for pair in pairs if pair.same]
    other = [getattr(pair, name) for pair in pairs if pair.other]
    if not same or not other:
        return ""
    right = float(mannwhitneyu(same, other).statistic) / (len(same) * len(other))
    wired = [pair.agreement for pair in pairs if pair.same]
    apart = [pair.agreement for pair in pairs if pair.other]
    agreed = float(mannwhitneyu(wired, apart).statistic) / (len(same) * len(other))
    return (
        f"; of a pair wired alike ({len(same)}) and one wired otherwise ({len(other)}), the former "
        f"has the larger one in {right:.0%} of choices (the larger agreement in {agreed:.0%})"
    )


def _example(pair: Pair) -> str:
    return (
        f"{_short(pair.one)} and {_short(pair.two)}: edge IoU {pair.edges:.2f} (by chance "
        f"{pair.chance:.2f}), node IoU {pair.nodes:.2f}, agreement {pair.agreement:.2f}"
    )


def measure(
    models: Sequence[str],
) -> tuple[UniversalityReport, Circuits, dict[str, bool]]:
    """The report on the models, their circuits, and in which of these the motif occurs."""
    with CircuitClient() as client:
        job = client.universality(
            "induction", models, task="induction", stress="none", seed=SEED
        ).wait()
        if (error := job.error) is not None:
            raise error
        found: UniversalityReport = job.outcome(progress=False).document
        motif = find_motif("induction")
        circuits: Circuits = {}
        occurs: dict[str, bool] = {}
        for model in found.models:
            own = tuple(client.circuit(each).document for each in model.circuits)
            circuits[model.fingerprint] = own
            played = client.job(model.jobs["roles"])
            if model.role_test_id is None:
                continue
            roles = roles_of(played.outcome(progress=False).document)
            for each in own:
                graph = CircuitGraph.of(each, roles)
                occurs[each.circuit_id] = bool(bindings(graph, motif))
    return found, circuits, occurs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found, circuits, occurs = measure(given.models)
    pairs = pairs_of(found, circuits)
    head = (
        f"`python -m benchmarks.overlap`, {len(found.models)} models, seed {SEED}, circuits of "
        f"`eap-ig` with a tenth of the edges; {versions('torch', 'scipy')}."
    )
    across = circuit_table(found, circuits, occurs)
    section = [head, "", *told(pairs), "", *pair_table(pairs), ""]
    section += ["Circuits of one model, each found with the edges of those before penalised:", ""]
    section += [*across, "", f"![Edge IoU and wiring agreement]({PICTURE.name})"]
    print("\n".join(section))
    if given.write:
        put("overlap", "\n".join(section), PAGE)
        points = [Point(p.edges, p.agreement, p.kind, _example(p)) for p in pairs]
        PICTURE.write_text(picture(points))


if __name__ == "__main__":
    main()
