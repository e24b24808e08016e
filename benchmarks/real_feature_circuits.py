"""ACDC between neurons of a real model against the ranking by the mask: docs/feature-circuits.md.

    python -m benchmarks.real_feature_circuits [--model smollm2-135m] [--task ioi] [--pairs 16]
        [--neurons 100] [--edges 1000] [--peers ../shared/peers] [--write]

Neurons by relevance become senders and receivers beside all heads; edges are ranked by integrated
gradients over the mask, on discovery pairs. Of the best of them ACDC decides: blocks first, the
edges between whole components that any of them lies in, in the graph of components, then what is
left, edge by edge. What it keeps is held against as many of the ranking's best, on held-out pairs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.page import cpu, peak_gb, put, versions
from benchmarks.real_features import PAGE
from benchmarks.real_tasks import SEED, cases, options
from benchmarks.shapes import REAL
from discovery.dictionaries.neurons import NeuronBasis
from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix, Graph
from discovery.engine.pair_values import values
from discovery.engine.splice import Splice
from discovery.methods.acdc import Pruner
from discovery.methods.candidates import choose
from discovery.methods.mask_gradients import mask_ig
from discovery.methods.node_scores import unit_scores
from discovery.methods.selection import top
from discovery.models import ModelAdapter
from discovery.tasks import MadePairs, TokenPair
from graph_schema.documents import Ablation, AblationSpec, Metric

STEPS, TAUS = 16, (1e-3, 3e-3)
"""Points of the mask's path; thresholds as shares of the gap."""


def whole(name: str) -> str:
    """The component of a part."""
    head, dot, last = name.rpartition(".")
    return head if dot and last[0] in "nfre" else name


class Blocks:
    """Edges between components, which edges between their parts lie in."""

    def __init__(self, parts: Graph, components: Graph) -> None:
        self._components = components
        inputs = {pair: number for number, pair in enumerate(components.receivers)}
        senders = [components.sender_names.index(whole(name)) for name in parts.sender_names]
        receivers = [inputs[whole(name), channel] for name, channel in parts.receivers]
        self._places = np.ix_(senders, receivers)

    def of(self, kept: BoolMatrix) -> BoolMatrix:
        """Those that kept edges of parts lie in."""
        found = self._components.none()
        np.logical_or.at(found, self._places, kept)
        return found

    def inside(self, kept: BoolMatrix, chosen: BoolMatrix) -> BoolMatrix:
        """Of kept edges of parts those in chosen blocks."""
        return kept & chosen[self._places]


@dataclass(frozen=True)
class Row:
    tau: float
    n_blocks: tuple[int, int]
    n_edges: int
    acdc: tuple[float, float]
    ranking: tuple[float, float]
    cpu_seconds: float


def faithfulness(
    experiment: Experiment, pairs: tuple[TokenPair, ...], circuits: list[BoolMatrix]
) -> list[float]:
    graph = experiment.graph
    found = values(experiment, pairs, [graph.upstream, graph.none(), *circuits])
    full, empty, *rest = [each.loss.mean() for each in found]
    return [float((empty - loss) / (empty - full)) for loss in rest]


def compare(
    adapter: ModelAdapter, made: MadePairs, n_neurons: int, n_edges: int
) -> tuple[list[Row], str]:
    spec = AblationSpec(kind=Ablation.CORRUPT)
    components = Experiment(adapter, Metric.LOGIT_DIFF, spec, made.discovery)
    neurons = [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]
    chosen = choose(unit_scores(components, neurons, made.discovery).units, n_neurons)
    splices = [Splice(each, units) for each, units in zip(neurons, chosen, strict=True)]
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, spec, made.discovery, splices=splices)
    graph, ranked = experiment.graph, list[np.ndarray]()
    seconds = cpu(lambda: ranked.append(mask_ig(experiment, made.discovery, steps=STEPS)))
    (scores,) = ranked
    proposed = top(graph, scores, n_edges, "abs")
    said = (
        f"{graph.n_edges:,} edges of {graph.n_senders:,} senders; ranked in {seconds:.0f} CPU s; "
        f"{int(proposed.sum()):,} proposed, with held-out faithfulness "
        f"{faithfulness(experiment, made.heldout, [proposed])[0]:.2f}"
    )
    blocks = Blocks(graph, components.graph)
    between = blocks.of(proposed)
    coarse, rows = Pruner(components, made.discovery, between), list[Row]()
    gap = coarse.mean_gap()
    for share in TAUS:
        kept: list[BoolMatrix] = []

        def prune(tau: float = share * gap, into: list[BoolMatrix] = kept) -> None:
            left = coarse.run(tau).kept
            into.append(left)
            fine = Pruner(experiment, made.discovery, blocks.inside(proposed, left))
            into.append(fine.run(tau).kept)

        seconds = cpu(prune)
        n_blocks = int(between.sum()), int(kept[0].sum())
        pruned = graph.trim(kept[1])
        size = int(pruned.sum())
        same = top(graph, scores, size, "abs")
        both = [pruned, same]
        found = faithfulness(experiment, made.discovery, both)
        held = faithfulness(experiment, made.heldout, both)
        rows.append(Row(share, n_blocks, size, (found[0], held[0]), (found[1], held[1]), seconds))
    return rows, said


def table(rows: list[Row]) -> str:
    lines = [
        "| τ, share of the gap | blocks, kept | edges | ACDC, discovery / held out | ranking, "
        "discovery / held out | CPU s |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        acdc, ranking = (" / ".join(f"{x:.2f}" for x in each) for each in (row.acdc, row.ranking))
        lines.append(
            f"| {row.tau:g} | {row.n_blocks[0]:,}, {row.n_blocks[1]:,} | {row.n_edges:,} | "
            f"{acdc} | {ranking} | {row.cpu_seconds:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_feature_circuits", description=__doc__
    )
    options(parser, REAL[:1], 16)
    parser.add_argument("--neurons", type=int, default=100)
    parser.add_argument("--edges", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="write docs/feature-circuits.md")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    sections: list[str] = []
    for case in cases(asked, REAL[:1]):
        rows, said = compare(case.adapter, case.made, asked.neurons, asked.edges)
        sections.append(f"### {case.model}, {case.task}, `corrupt`\n\n{said}.\n\n{table(rows)}")
        print(sections[-1], f"\n(peak {peak_gb():.1f} GB)\n", flush=True)
        if asked.write:
            head = (
                "## Pruning against ranking\n\n`python -m benchmarks.real_feature_circuits`: "
                f"{asked.neurons} neurons by relevance and all heads, {asked.pairs} pairs, as "
                f"many held out, seed {SEED}; {versions()}."
            )
            put("feature-pruning", "\n\n".join([head, *sections]), PAGE)


if __name__ == "__main__":
    main()
