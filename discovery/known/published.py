"""Circuits that papers published, held to what eap-ig finds on the same model and task.

A file names components (`nodes`, `heads_by_class`, `groups`, `secondary`) and edges (`edges_*`),
with `embed` for the two embeddings together. `compare` scores every edge and says how well the
scores find what is published, and how faithful the published edges are by themselves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import Graph
from discovery.engine.pair_values import values
from discovery.known.recovery import auroc
from discovery.methods.integrated_gradients import eap_ig
from discovery.models import LoadedModel
from discovery.tasks.base import PairSet
from graph_schema.documents import (
    AblationSpec,
    Component,
    DocstringTask,
    EapIg,
    GenderedPronounTask,
    GreaterThanTask,
    IoiTask,
    Metric,
)
from graph_schema.documents.task import AnyTask
from graph_schema.errors import SpecError


@dataclass(frozen=True)
class Setting:
    """What a file's circuit is of; `hub` is None where the weights are in no format of ours."""

    task: AnyTask
    metric: Metric
    hub: str | None


GPT2 = "openai-community/gpt2"
SETTINGS: Mapping[str, Setting] = {
    "ioi_gpt2_small": Setting(IoiTask(), Metric.LOGIT_DIFF, GPT2),
    "greaterthan_gpt2_small": Setting(GreaterThanTask(), Metric.PROB_DIFF, GPT2),
    "gendered_pronouns_gpt2_small": Setting(GenderedPronounTask(), Metric.LOGIT_DIFF, GPT2),
    "docstring_attn_only_4l": Setting(DocstringTask(), Metric.LOGIT_DIFF, None),
}


@dataclass(frozen=True)
class Published:
    """A file: component names, and lists of edges by name in the project's spelling."""

    name: str
    setting: Setting
    components: frozenset[str]
    edges: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class EdgesFound:
    """How well scores find a list of n edges.

    Attributes:
        found: The share of the list among the n strongest edges.
        faithfulness: Of the published edges by themselves.
        faithfulness_found: Of the n strongest.
    """

    n: int
    auroc: float | None
    found: float
    faithfulness: float
    faithfulness_found: float


@dataclass(frozen=True)
class Compared:
    """What eap-ig finds of a published circuit; a component is as strong as its strongest write."""

    edges: dict[str, EdgesFound]
    components_auroc: float | None
    n_pairs: int
    cpu_seconds: float


def read_published(folder: Path) -> list[Published]:
    """The circuits of a folder that we know the task of, by name.

    Raises:
        SpecError: There is none, or one cannot be read.
    """
    found = [file for file in sorted(folder.glob("*.json")) if file.stem in SETTINGS]
    if not found:
        raise SpecError(
            f"no published circuit in {str(folder)!r}; expected files {', '.join(SETTINGS)} (.json)"
        )
    return [_read(file) for file in found]


def _read(file: Path) -> Published:
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SpecError(f"published circuit {str(file)!r} cannot be read ({error})") from error
    named: list[Iterable[str]] = [content.get("nodes", ())]
    for key in ("heads_by_class", "groups", "secondary"):
        named += content.get(key, {}).values()
    return Published(
        file.stem,
        SETTINGS[file.stem],
        frozenset(name for names in named for name in names),
        {
            key: tuple(_ours(edge) for edge in edges)
            for key, edges in content.items()
            if key.startswith("edges_") and isinstance(edges, list)
        },
    )


def _ours(edge: str) -> str:
    return edge.replace("embed->", "input->", 1) if edge.startswith("embed->") else edge


def compare(published: Published, model: LoadedModel, pairs: PairSet) -> Compared:
    """Score every edge on the discovery pairs and compare.

    Raises:
        SpecError: The circuit names an edge that the model does not have.
    """
    adapter = model.adapter
    experiment = Experiment(adapter, published.setting.metric, AblationSpec(), pairs.discovery)
    graph, started = experiment.graph, time.process_time()
    kept = {name: graph.kept(edges) for name, edges in published.edges.items()}
    scores = np.abs(eap_ig(experiment, pairs.discovery, EapIg())).astype(np.float64)
    seconds = time.process_time() - started
    order = np.argsort(-scores, kind="stable")
    edges: dict[str, EdgesFound] = {}
    for name, theirs in kept.items():
        inside = graph.to_list(theirs)
        n = int(inside.sum())
        strongest = np.zeros(graph.n_edges, dtype=np.bool_)
        strongest[order[:n]] = True
        circuits = [graph.none(), graph.upstream, theirs, graph.to_matrix(strongest)]
        measured = values(experiment, pairs.discovery, circuits)
        empty, full, published_loss, found_loss = (each.loss.mean() for each in measured)
        edges[name] = EdgesFound(
            n,
            auroc(scores, inside),
            float((inside & strongest).sum() / max(n, 1)),
            float((empty - published_loss) / (empty - full)),
            float((empty - found_loss) / (empty - full)),
        )
    return Compared(
        edges,
        _components_auroc(graph, scores, published.components),
        len(pairs.discovery),
        seconds,
    )


def _components_auroc(
    graph: Graph, scores: NDArray[np.float64], components: frozenset[str]
) -> float | None:
    """AUROC of the published components among all of the kinds that are published."""
    kinds = {Component.parse(name).kind for name in components}
    strongest = graph.to_matrix(scores).max(axis=1)
    rows = [i for i, n in enumerate(graph.sender_names) if Component.parse(n).kind in kinds]
    inside = np.array([graph.sender_names[row] in components for row in rows], dtype=np.bool_)
    return auroc(strongest[rows], inside)
