"""A circuit: kept edges with the evidence for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from graph_schema.documents.base import Document, later, sha256_hex
from graph_schema.documents.component import Channel, Component, ComponentKind
from graph_schema.documents.dictionary import DictionaryCheck, DictionaryDocument
from graph_schema.documents.evaluation import Evaluation
from graph_schema.documents.imported import CircuitMethod, Imported
from graph_schema.documents.method import (
    AblationSpec,
    AnySelection,
    Granularity,
    Metric,
    Receivers,
    ScoreKind,
)
from graph_schema.documents.model import ModelDocument
from graph_schema.documents.wiring import check_edge, check_names
from graph_schema.errors import SpecError


class CircuitEdge(Document):
    """A kept edge. Score = loss(patched) - loss(clean), mean over pairs, in metric units.

    Score and kind are null where a file says which edges are kept and not how much they matter.
    """

    sender: str
    receiver: str
    channel: Channel
    score: float | None
    score_kind: ScoreKind | None
    stability: float | None = None
    """Share of bootstrap draws over groups of pairs that keep the edge."""
    exact: float | None = later(None)
    """Of an attribution graph's edge, whose score is linear: what its target's value loses in truth
    where the source is taken out of what it reads."""

    @model_validator(mode="after")
    def _score_has_a_kind(self) -> CircuitEdge:
        if (self.score is None) is not (self.score_kind is None):
            raise ValueError(
                f"score is {self.score} and score_kind {self.score_kind}; expected both or neither"
            )
        return self

    @model_validator(mode="after")
    def _joins_components(self) -> CircuitEdge:
        try:
            check_names(self.sender, self.receiver, self.channel)
        except SpecError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def strength(self) -> float:
        """|score|, by which edges are ranked; 0 where there is none."""
        return abs(self.score or 0.0)

    @property
    def name(self) -> str:
        suffix = "" if self.channel is Channel.R else f"<{self.channel.value}>"
        return f"{self.sender}->{self.receiver}{suffix}"


_UNITS = (ComponentKind.NEURON, ComponentKind.FEATURE)


class NodeFigures(Document):
    """What is known of one node of a circuit beside its edges.

    Attributes:
        name: The node's, with its position where nodes have one: `m3.f1024@7`.
        effect: What ablating it alone does to the loss, to first order, mean over pairs, in the
            metric's units: positive where the behaviour relies on it. Of an attribution graph its
            influence on the logits.
        activation: Its mean |coefficient| on the clean prompts, over positions; of an attribution
            graph its activation at its position.
        label: What somebody, or the dictionary's authors, say it stands for.
        token: The token that an embedding or a logit node is of.
        probability: Of a logit node: what the model gives its token.
    """

    name: str
    effect: float | None = None
    activation: float | None = None
    label: str | None = None
    token: int | None = None
    probability: float | None = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        try:
            return Component.parse(name).name
        except SpecError as error:
            raise ValueError(str(error)) from error


class TracedPrompt(Document):
    """The one prompt that an attribution graph is of: its text, and its tokens as text."""

    text: str
    tokens: tuple[str, ...]


class GraphScores(Document):
    """How much of the logits an attribution graph's features account for, 1 is all.

    `replacement`: the share of influence that comes from tokens and not from errors.
    `completeness`: the share of what nodes read, weighted by their influence, that is not error. As
    circuit-tracer defines them, on the graph before it is pruned unless `pruned`.
    """

    replacement: float
    completeness: float
    pruned: bool = False


class ArtifactRef(Document):
    """A file in the artifact store: its key there and the SHA-256 of its bytes."""

    key: str
    sha256: str


class CircuitEvaluation(Document):
    """What an `evaluate` job found of a stored circuit; its id is the job's."""

    schema_version: Literal[1] = 1
    evaluation_id: str
    circuit_id: str
    task: str
    task_id: str
    dataset_sha256: str
    metric: Metric
    ablation: AblationSpec
    dtype: str
    seed: int
    evaluation: Evaluation
    notes: tuple[str, ...] = ()
    artifacts: dict[str, ArtifactRef] = Field(default_factory=dict)


class CircuitDocument(Document):
    """A circuit as one job found it, or as a file brought it.

    Write "a circuit": none is identifiable as the one. An imported circuit has no job, and a
    selection only where its importer chose by the file's scores; task, dataset, metric, ablation,
    dtype and seed are null as far as nobody said them. Its evaluation is null until an `evaluate`
    job on its task has judged it: the first one's figures stand here, with the dataset, metric,
    ablation, dtype and seed that they were measured with, and `evaluation_id` names it. Later ones
    are documents of their own (`CircuitEvaluation`).
    """

    schema_version: Literal[1] = 1
    circuit_id: str
    job_id: str | None
    model: ModelDocument
    task: str | None
    task_id: str | None
    dataset_sha256: str | None
    method: CircuitMethod
    selection: AnySelection | None
    metric: Metric | None
    ablation: AblationSpec | None
    dtype: str | None
    seed: int | None
    receivers: Receivers = later("query_head")
    granularity: Granularity = later("head")
    dictionaries: tuple[DictionaryDocument, ...] = later(())
    """Those whose features may be nodes; a feature is told apart by the one on its component."""
    dictionary_checks: tuple[DictionaryCheck, ...] = later(())
    nodes: tuple[NodeFigures, ...] = later(())
    prompt: TracedPrompt | None = later(None)
    """Of an attribution graph: one prompt's nodes, each at its position."""
    graph_scores: GraphScores | None = later(None)
    n_edges_scored: int
    edges: tuple[CircuitEdge, ...]
    evaluation: Evaluation | None
    evaluation_id: str | None = None
    notes: tuple[str, ...] = ()
    """What a reader must know: "threshold keeps nothing", "held-out split too small", ..."""
    artifacts: dict[str, ArtifactRef] = Field(default_factory=dict)

    @property
    def imported(self) -> Imported | None:
        """The file it comes from; None for a circuit that a job found."""
        return self.method if isinstance(self.method, Imported) else None

    @model_validator(mode="after")
    def _is_of_the_model(self) -> CircuitDocument:
        try:
            self.check_edges()
        except SpecError as error:
            raise ValueError(str(error)) from error
        return self

    def check_edges(self) -> None:
        """Return if the model has every edge, once: `model_copy` checks nothing.

        Raises:
            SpecError: It lacks one, or one is given twice.
        """
        seen: set[tuple[str, str, Channel]] = set()
        for edge in self.edges:
            ends = (edge.sender, edge.receiver, edge.channel)
            check_edge(*ends, self.model)
            if ends in seen:
                raise SpecError(f"edge {edge.name!r} is given twice")
            seen.add(ends)

    def dictionary_of(self, node: str) -> DictionaryDocument | None:
        """The dictionary that a node is cut out by; None of heads, whole MLPs and neurons."""
        part = Component.parse(node)
        if not part.fine or part.kind is ComponentKind.NEURON:
            return None
        return next((each for each in self.dictionaries if each.site.component == part.host), None)

    def labelled(self, labels: Mapping[str, str]) -> CircuitDocument:
        """The circuit with what its nodes are called; a node without figures gets its label."""
        if not labels:
            return self
        named = [
            node.model_copy(update={"label": labels.get(node.name, node.label)})
            for node in self.nodes
        ]
        known = {node.name for node in self.nodes}
        more = [NodeFigures(name=name, label=labels[name]) for name in labels if name not in known]
        return self.model_copy(update={"nodes": (*named, *more)})

    def judged(self, found: CircuitEvaluation) -> CircuitDocument:
        """The circuit with the figures of `found` as its headline, and what they stand on.

        Its task stays where it was known.
        """
        task = (self.task, self.task_id) if self.task else (found.task, found.task_id)
        update: dict[str, object] = {"task": task[0], "task_id": task[1]}
        for name in ("dataset_sha256", "metric", "ablation", "dtype", "seed", "evaluation"):
            update[name] = getattr(found, name)
        return self.model_copy(
            update=update
            | {
                "evaluation_id": found.evaluation_id,
                "notes": tuple(dict.fromkeys((*self.notes, *found.notes))),
                "artifacts": self.artifacts | found.artifacts,
            }
        )

    @property
    def of_one_prompt(self) -> bool:
        """Whether it is an attribution graph, though the file it comes from may lack the prompt."""
        return self.prompt is not None or any("@" in name for name in self.node_names)

    def token_at(self, node: str) -> str | None:
        """The prompt's token at a node's position; None where it has none, or nobody knows it."""
        at = Component.parse(node).position
        if self.prompt is None or at is None or at >= len(self.prompt.tokens):
            return None
        return self.prompt.tokens[at]

    @property
    def n_edges(self) -> int:
        return len(self.edges)

    @property
    def node_names(self) -> frozenset[str]:
        """What its edges join, and what has figures without an edge."""
        ends = {name for edge in self.edges for name in (edge.sender, edge.receiver)}
        return frozenset(ends.union(node.name for node in self.nodes))

    @property
    def unit_names(self) -> tuple[str, ...]:
        """The neurons and features among its nodes, in the order of the forward pass."""
        parts = map(Component.parse, self.nodes_in_order)
        return tuple(dict.fromkeys(part.unit for part in parts if part.kind in _UNITS))

    @property
    def nodes_in_order(self) -> tuple[str, ...]:
        """Its nodes in the order of the forward pass, those of one unit by position."""
        parts = map(Component.parse, self.node_names)
        ordered = sorted(parts, key=lambda part: part.place(self.model.n_layers))
        return tuple(part.name for part in ordered)


def circuit_id(job_id: str, selection_value: float, edge_names: Iterable[str]) -> str:
    """SHA-256 of job id, selection value and sorted edge names: no measured floats."""
    short = f"{selection_value:g}"
    # In full where six digits do not tell it; where they do, ids are as they always were.
    value = short if float(short) == selection_value else repr(float(selection_value))
    return sha256_hex("\n".join([job_id, value, *sorted(edge_names)]))
