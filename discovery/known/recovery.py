"""Methods judged against circuits that are known because a program was compiled into a model.

`judge` runs one method on one case (ground_truth.py) with all of the case's pairs, and compares
what it finds with every truth of the case that holds under the ablation. What counts as nothing is
measured against what there is to explain, the gap loss(∅) - loss(M): a score under `ROUNDING` of it
is 0, and an edge is kept from `KEPT` of it on. ACDC keeps what τ = `KEPT` of the gap leaves.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.pair_values import values
from discovery.engine.state import State
from discovery.known.ground_truth import Case, load_case
from discovery.methods.acdc import Pruner
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.integrated_gradients import eap_ig
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, EapIg, Metric
from graph_schema.errors import SpecError

log = logging.getLogger(__name__)

METHODS = ("exact", "eap", "eap-ig", "acdc")
ABLATIONS = (Ablation.CORRUPT, Ablation.ZERO)
OF_ABLATION = {"resample_": Ablation.CORRUPT, "zero_": Ablation.ZERO}
"""Truths that hold under one ablation, by how their names begin; the others hold under both."""
ROUNDING = float(np.finfo(np.float32).eps)
"""The share of the gap under which a score is 0: the runs are float64, but the weights of a case
are float32, so less than this says nothing about the program."""
KEPT = 1e-5
"""The share of the gap from which an edge is kept. Compiled attention is a softmax and leaks a few
millionths; an edge that decides a single output has its share of all outputs, some 1/2000."""
SWEEP = np.geomspace(1e-6, 1, 25)
"""ACDC's thresholds as shares of the gap, four a decade."""
EAP_IG = EapIg(steps=20, endpoint="clean")
CHUNK = 50

Effects = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """What a method found in a case; the keys of `--json`.

    Attributes:
        auroc: By truth: how well |score| tells true edges from others; ties count half, None
            where the truth has every edge or none.
        kept: How many edges are kept (see `KEPT`).
        precision: By truth: the share of kept edges that are true; None where none is kept.
        recall: By truth: the share of true edges that are kept; None where there are none.
        max_logit_change: The largest change of an output, over pairs and defined positions, when
            every edge that is not kept is ablated: 0 where the program survives.
        cpu_seconds: Of finding scores and kept set; without reading the case and judging.
    """

    case: str
    method: str
    ablation: str
    auroc: dict[str, float | None]
    kept: int
    precision: dict[str, float | None]
    recall: dict[str, float | None]
    max_logit_change: float
    cpu_seconds: float


def case_folders(folder: Path) -> list[Path]:
    """The cases at or under a folder, by path; links are followed, each folder is taken once.

    Raises:
        SpecError: There is no such folder, or no case in it.
    """
    if not folder.is_dir():
        raise SpecError(f"{str(folder)!r} is not a folder; expected one with compiled cases")
    found: list[Path] = []
    seen: set[str] = set()
    for path, folders, files in os.walk(folder, onerror=_left_out, followlinks=True):
        folders.sort()
        if (real := os.path.realpath(path)) in seen:
            folders.clear()
        elif "case.json" in files:
            found.append(Path(path))
        seen.add(real)
    if not found:
        raise SpecError(
            f"no compiled case in {str(folder)!r}; expected folders with case.json and weights.npz"
        )
    return sorted(found)


def _left_out(error: OSError) -> None:
    log.warning("folder %s is left out: %s", error.filename, error.strerror)


def read_cases(folder: Path) -> list[Case]:
    """Every case at or under a folder.

    Raises:
        SpecError: There is none, or one of them cannot be read.
    """
    return [read_case(each) for each in case_folders(folder)]


def read_case(folder: Path) -> Case:
    """A case in float64.

    Raises:
        SpecError: It cannot be read.
    """
    return load_case(folder, dtype=torch.float64)


def judge(case: Case, method: str, ablation: Ablation) -> Judged:
    """Run a method on all pairs of a case (`read_cases`), and judge it by the case's truths.

    Raises:
        SpecError: The method is unknown, or a truth names an edge that the model does not have.
        NonFiniteError: A loss or a score is NaN or infinite.
    """
    experiment = Experiment(case.adapter, Metric.LINEAR, AblationSpec(kind=ablation), case.pairs)
    graph = experiment.graph
    truths = {
        name: graph.to_list(graph.kept(edges))
        for name, edges in case.truths.items()
        if holds_under(name, ablation)
    }
    started = time.process_time()
    strengths, chosen = find(experiment, case.pairs, method)
    seconds = time.process_time() - started
    return Judged(
        case=case.name,
        method=method,
        ablation=ablation.value,
        auroc={name: auroc(strengths, inside) for name, inside in truths.items()},
        kept=int(chosen.sum()),
        precision={name: share_of(inside, chosen) for name, inside in truths.items()},
        recall={name: share_of(chosen, inside) for name, inside in truths.items()},
        max_logit_change=max_logit_change(experiment, case.pairs, graph.to_matrix(chosen)),
        cpu_seconds=seconds,
    )


def holds_under(truth: str, ablation: Ablation) -> bool:
    """Whether a truth is about this ablation: which edges matter depends on it."""
    return all(ablation is kind for prefix, kind in OF_ABLATION.items() if truth.startswith(prefix))


def find(
    experiment: Experiment, pairs: Sequence[TokenPair], method: str
) -> tuple[Effects, NDArray[np.bool_]]:
    """How strong each edge is, and which are kept; one value an edge, as the edge list has them."""
    chunk, scale = min(CHUNK, experiment.fitting(pairs)), abs(mean_gap(experiment, pairs))
    match method:
        case "exact":
            scores = exact(experiment, pairs)
        case "eap":
            scores = eap(experiment, pairs, chunk=chunk)
        case "eap-ig":
            scores = eap_ig(experiment, pairs, EAP_IG, chunk=chunk)
        case "acdc":
            return prune(Pruner(experiment, pairs), scale)
        case _:
            raise SpecError(f"method {method!r} is unknown; expected one of {', '.join(METHODS)}")
    strengths = np.abs(scores).astype(np.float64)
    strengths[strengths <= ROUNDING * scale] = 0
    return strengths, strengths > KEPT * scale


def mean_gap(experiment: Experiment, pairs: Sequence[TokenPair]) -> float:
    """The mean loss(∅) - loss(M): with every edge ablated, less with none."""
    graph = experiment.graph
    empty, full = values(experiment, pairs, [graph.none(), graph.upstream])
    return float((empty.loss - full.loss).mean())


def prune(pruner: Pruner, scale: float) -> tuple[Effects, NDArray[np.bool_]]:
    """ACDC: the largest τ of the sweep that keeps each edge (0: none does), and what is kept."""
    scale = scale or float(np.finfo(np.float64).tiny)  # τ = 0 would keep what does nothing

    def kept(share: float) -> NDArray[np.bool_]:
        return pruner.graph.to_list(pruner.run(scale * share).kept)

    strengths = np.zeros(pruner.graph.n_edges)
    for share in SWEEP.tolist():
        strengths[kept(share)] = scale * share
    return strengths, kept(KEPT)


def auroc(strengths: Effects, inside: NDArray[np.bool_]) -> float | None:
    """The chance that a random edge inside outranks a random one outside; a tie is half of one."""
    ours, others = strengths[inside], strengths[~inside]
    if not len(ours) or not len(others):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):  # the p of values that are all alike
        won = mannwhitneyu(ours, others, method="asymptotic").statistic
    return float(won / (len(ours) * len(others)))


def share_of(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    """Which share of the edges `among` is in `of`."""
    return float(of[among].mean()) if among.any() else None


def max_logit_change(experiment: Experiment, pairs: Sequence[TokenPair], kept: BoolMatrix) -> float:
    """The largest change of an output, at the defined positions, with only the kept edges."""
    graph, largest = experiment.graph, 0.0
    for examples in experiment.chunks(pairs, experiment.fitting(pairs)):
        bench = experiment.bench(examples)
        full, circuit = State(bench, graph.upstream), State(bench, kept)
        weighted = bench.objective.target.weighted
        assert weighted is not None, "the metric of a case is linear"
        defined = weighted.real.any(-1, keepdim=True)
        largest = max(largest, float(((circuit.logits - full.logits).abs() * defined).max()))
    return largest
