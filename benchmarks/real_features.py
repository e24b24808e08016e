"""How many neurons a behaviour of a real model needs: docs/feature-circuits.md.

    python -m benchmarks.real_features [--model smollm2-135m] [--task ioi] [--pairs 32]
        [--peers ../shared/peers] [--write]

For each model, task and ablation: neurons of all MLPs ranked on discovery pairs by relevance, by
integrated gradients and by gradient; whole MLPs, ranked by the gradients of theirs; and units of
TopK SAEs on two MLPs, trained here on text of the task. Sets of 15 sizes are judged on held-out
pairs: the set kept and all other units ablated for every reader, and the other way round. Heads
stay. Tasks are those of real_tasks.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.page import cpu, peak_gb, put, versions
from benchmarks.real_tasks import SEED, cases, options
from benchmarks.shapes import REAL
from discovery.dictionaries.checks import explained_variance, rows_at
from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.dictionaries.training import train_topk
from discovery.engine.experiment import Experiment, pad
from discovery.evaluation.node_sets import Kept, mlp_set_losses, unit_set_losses
from discovery.methods.candidates import choose
from discovery.methods.node_scores import By, unit_scores
from discovery.models import ModelAdapter
from discovery.tasks import MadePairs
from graph_schema.documents import Ablation, AblationSpec, Metric
from graph_schema.documents.dictionary import Place, Site

PAGE = Path(__file__).parent.parent / "docs" / "feature-circuits.md"
ABLATIONS = (Ablation.CORRUPT, Ablation.MEAN)
SHARES = np.geomspace(1e-4, 1, 15)
"""Sizes of sets as shares of all units."""
WAYS: tuple[By, ...] = ("relp", "ig", "gradient")
STEPS, ENOUGH = 8, 0.8
SAE_WIDTH, SAE_K, SAE_STEPS = 512, 16, 500


@dataclass(frozen=True)
class Curve:
    """Held-out faithfulness of sets of growing size, and of all that is outside of each."""

    nodes: str
    way: str
    sizes: list[int]
    kept: list[float]
    complement: list[float]
    cpu_seconds: float

    @property
    def enough(self) -> float | None:
        """The size at which `ENOUGH` is reached for good, between two sizes on a log scale."""
        reached = np.array(self.kept) >= ENOUGH
        if not reached[-1]:
            return None
        first = int(len(reached) - np.argmin(reached[::-1])) if not reached.all() else 0
        if first == 0:
            return float(self.sizes[0])
        low, high = self.kept[first - 1], self.kept[first]
        part = (ENOUGH - low) / (high - low) if high > low else 1.0
        sizes = np.log(np.maximum(1, [self.sizes[first - 1], self.sizes[first]]))
        return float(np.exp(sizes[0] + part * (sizes[1] - sizes[0])))


def sizes_of(n: int) -> list[int]:
    """15 sizes up to all, evenly on a log scale; fewer where there are fewer nodes."""
    return sorted({max(1, round(share * n)) for share in SHARES})


def masks(scores: Sequence[NDArray[np.float32]], n: int) -> Kept:
    """The units with the `n` largest scores; if fewer are other than 0, all those."""
    chosen = choose(scores, n) if n < sum(map(len, scores)) else None
    return [
        np.ones(len(each), dtype=np.bool_)
        if chosen is None
        else np.isin(np.arange(len(each)), chosen[place])
        for place, each in enumerate(scores)
    ]


class Judge:
    """One model, task and ablation."""

    def __init__(self, experiment: Experiment, made: MadePairs) -> None:
        self.experiment, self.made = experiment, made

    def units(
        self,
        nodes: str,
        way: str,
        dictionaries: Sequence[Dictionary],
        scores: Sequence[NDArray[np.float32]],
        seconds: float,
    ) -> Curve:
        """The curve of sets by |score|; 0 is all units ablated, 1 the model."""
        total = sum(map(len, scores))
        sizes = sizes_of(total)
        kept = [masks(scores, n) for n in sizes]
        nothing = [np.zeros(len(each), dtype=np.bool_) for each in scores]
        sets = [nothing, *kept, *([~mask for mask in each] for each in kept)]
        losses = unit_set_losses(self.experiment, dictionaries, self.made.heldout, sets).mean(1)
        return self._curve(nodes, way, sizes, losses, seconds)

    def mlps(self, scores: NDArray[np.float64], seconds: float) -> Curve:
        n = len(scores)
        order = np.argsort(-np.abs(scores), kind="stable")
        sizes = sorted({max(1, round(n * (i + 1) / 15)) for i in range(15)})
        kept = [np.isin(np.arange(n), order[:size]) for size in sizes]
        sets = [np.zeros(n, dtype=np.bool_), *kept, *(~mask for mask in kept)]
        losses = mlp_set_losses(self.experiment, self.made.heldout, sets).mean(1)
        return self._curve("MLPs", "gradient", sizes, losses, seconds)

    def _curve(
        self, nodes: str, way: str, sizes: list[int], losses: NDArray[np.float64], seconds: float
    ) -> Curve:
        # All of them is the model, whatever dictionaries miss.
        n = self.experiment.adapter.shape.n_layers
        full = mlp_set_losses(
            self.experiment, self.made.heldout, [np.ones(n, dtype=np.bool_)]
        ).mean()
        shares = (losses[0] - losses[1:]) / (losses[0] - full)
        half = len(sizes)
        return Curve(nodes, way, sizes, shares[:half].tolist(), shares[half:].tolist(), seconds)


def saes(adapter: ModelAdapter, made: MadePairs) -> tuple[list[Dictionary], list[float]]:
    """TopK SAEs on the MLPs of two layers, a quarter and two thirds up, and what they explain.

    Trained on the discovery pairs' clean and corrupt prompts.
    """
    n = adapter.shape.n_layers
    prompts = [prompt for pair in made.discovery for prompt in pair.prompts]
    layers = (n // 4, 2 * n // 3)
    sites = [Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=layer) for layer in layers]
    rows = rows_at(adapter, pad(adapter, prompts), sites, n_tokens=100_000)
    trained = [
        train_topk(rows.read(site), site, width=SAE_WIDTH, k=SAE_K, steps=SAE_STEPS, seed=SEED)
        for site in sites
    ]
    held = rows_at(adapter, pad(adapter, [pair.clean for pair in made.heldout]), sites, 100_000)
    explained: list[float] = []
    for dictionary, site in zip(trained, sites, strict=True):
        x = held.read(site)
        explained.append(explained_variance(x, dictionary.decode(dictionary.encode(x), x)))
    return list(trained), explained


def curves(
    adapter: ModelAdapter, made: MadePairs, ablation: Ablation, trained: Sequence[Dictionary]
) -> list[Curve]:
    spec = AblationSpec(kind=ablation)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, spec, made.discovery, seed=SEED)
    judge, found = Judge(experiment, made), list[Curve]()
    neurons: list[Dictionary] = [NeuronBasis(adapter, i) for i in range(adapter.shape.n_layers)]
    for way in WAYS:
        scores: list[Any] = []

        def score(by: By = way, into: list[Any] = scores) -> None:
            into.append(unit_scores(experiment, neurons, made.discovery, by=by, steps=STEPS).units)

        seconds = cpu(score)
        found.append(judge.units("neurons", way, neurons, scores[0], seconds))
        if way == "gradient":
            whole = np.array([each.astype(np.float64).sum() for each in scores[0]])
            found.append(judge.mlps(whole, seconds))
    best = unit_scores(experiment, trained, made.discovery, by="relp").units
    found.append(judge.units("features of two MLPs", "relp", trained, best, 0.0))
    return found


def row_of(curve: Curve) -> str:
    enough = "not reached" if curve.enough is None else f"{curve.enough:,.0f}"
    both = zip(curve.kept, curve.complement, strict=True)
    cells = [f"{kept:.2f} / {other:.2f}" for kept, other in both]
    return f"| {' | '.join([f'{curve.nodes}, {curve.way}', enough, *cells])} |"


def report(
    model: str, task: str, ablation: Ablation, found: list[Curve], explained: list[float], note: str
) -> str:
    """Each family of sets with its own sizes: kept / complement."""
    lines = [f"### {model}, {task}, `{ablation.value}`", "", note, ""]
    for sizes in dict.fromkeys(tuple(curve.sizes) for curve in found):
        same = [curve for curve in found if tuple(curve.sizes) == sizes]
        head = " | ".join(f"{size:,}" for size in sizes)
        lines += [f"| nodes, ranked by | for {ENOUGH} | {head} |"]
        lines += ["| --- | ---: |" + " ---: |" * len(sizes), *map(row_of, same), ""]
    seconds = ", ".join(f"{c.way} {c.cpu_seconds:.1f}" for c in found if c.nodes == "neurons")
    shares = ", ".join(f"{each:.2f}" for each in explained)
    lines.append(
        f"Scores of all neurons, CPU s: {seconds}. The SAEs explain {shares} of the variance held "
        "out."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_features", description=__doc__)
    options(parser, REAL, 32)
    parser.add_argument("--write", action="store_true", help="write docs/feature-circuits.md")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    sections: list[str] = []
    for case in cases(asked, REAL):
        made = case.made
        note = (
            f"{case.note} {len(made.discovery)} pairs to rank, {len(made.heldout)} held out, of "
            f"{len(made.discovery[0].clean)} tokens."
        )
        trained, explained = saes(case.adapter, made)
        for ablation in ABLATIONS:
            found = curves(case.adapter, made, ablation, trained)
            sections.append(report(case.model, case.task, ablation, found, explained, note))
            print(sections[-1], f"\n(peak {peak_gb():.1f} GB)\n", flush=True)
            if asked.write:
                put("feature-sets", _page(sections), PAGE)


def _page(sections: list[str]) -> str:
    return (
        "`python -m benchmarks.real_features`: held-out faithfulness of sets of nodes, kept / "
        "complement, by the number of nodes kept, logit difference; seed "
        f"{SEED}, IG with {STEPS} steps, SAEs of {SAE_WIDTH} units, {SAE_K} a position; "
        f"{versions()}.\n\n" + "\n\n".join(sections)
    )


if __name__ == "__main__":
    main()
