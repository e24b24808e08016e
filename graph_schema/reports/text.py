"""A circuit in words and tables: plain text, the same on a screen and in a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from graph_schema.documents import (
    Channel,
    CircuitDocument,
    CircuitEdge,
    Component,
    ComponentKind,
    ModelDocument,
)
from graph_schema.reports.quality import headline_facts, quality_facts
from graph_schema.reports.tables import fact_lines, number, table
from graph_schema.reports.traces import trace_facts

MIN_WIDTH = 40


def summary(circuit: CircuitDocument) -> str:
    """What was asked, on what, and how good the circuit is; one fact a line."""
    model = circuit.model
    dtype = f", {circuit.dtype}" if circuit.dtype else ""
    facts = [("circuit", circuit.circuit_id)]
    if circuit.job_id is not None:
        facts.append(("job", circuit.job_id))
    facts += [
        ("model", f"{model.name} ({_model_words(model)}{dtype})"),
        ("fingerprint", model.fingerprint),
        *([] if circuit.prompt is not None else [("task", task_words(circuit))]),
        ("method", ", ".join([_with_parameters(circuit), *conditions(circuit)])),
        ("edges", _edge_words(circuit)),
        *headline(circuit),
    ]
    if (quality := circuit.evaluation) is not None:
        facts += quality_facts(quality)
    facts.extend(("note", note) for note in circuit.notes)
    return fact_lines(facts)


def _model_words(model: ModelDocument) -> str:
    if not model.has_weights:
        return f"known by its name alone, {model.n_layers} layers as far as its nodes go"
    return f"{model.family}, {model.n_layers} layers x {model.n_heads} heads, {model.weights}"


def headline(circuit: CircuitDocument) -> list[tuple[str, str]]:
    """Faithfulness on both splits, or that nobody has measured it."""
    quality = circuit.evaluation
    if quality is None and circuit.of_one_prompt:
        why = "none: a graph of one prompt has no pairs to be judged on"
        return [*trace_facts(circuit), ("faithfulness", why)]
    if quality is None:
        how = f"not evaluated yet: circuits evaluate {circuit.circuit_id[:12]}"
        return [("faithfulness", how)]
    return headline_facts(quality)


def conditions(circuit: CircuitDocument) -> list[str]:
    """`metric logit_diff`, `ablation corrupt`, `seed 0`: as far as they are known."""
    known = {
        "metric": circuit.metric,
        "ablation": circuit.ablation and circuit.ablation.kind,
        "seed": circuit.seed,
    }
    return [f"{name} {value}" for name, value in known.items() if value is not None]


def task_words(circuit: CircuitDocument) -> str:
    """The task and its dataset, as far as they are known."""
    task = circuit.task or "unknown"
    return f"{task}, dataset {circuit.dataset_sha256}" if circuit.dataset_sha256 else task


def _edge_words(circuit: CircuitDocument) -> str:
    kept = f"{circuit.n_edges:,} kept of {circuit.n_edges_scored:,} scored"
    if (chosen := circuit.selection) is None:
        return kept
    return f"{kept} ({chosen.kind} {chosen.value:g} by {chosen.by})"


def layer_table(circuit: CircuitDocument, width: int = 100) -> str:
    """One row a layer, from the input to the logits.

    Counts the edges that enter the layer by channel and sums their |score|; names the components
    that take part, the ones with the largest |score| on their edges first.
    """
    into: dict[int, list[CircuitEdge]] = defaultdict(list)
    strength: dict[str, float] = defaultdict(float)
    for edge in circuit.edges:
        into[_row(edge.receiver, circuit)].append(edge)
        for end in (edge.sender, edge.receiver):
            strength[end] += edge.strength
    members: dict[int, list[str]] = defaultdict(list)
    for name in sorted(strength, key=lambda name: (-strength[name], name)):
        members[_row(name, circuit)].append(name)
    heading = f"{'layer':>6} {'in':>6} {'q':>5} {'k':>5} {'v':>5} {'sum|score|':>11}  components"
    room = max(width, MIN_WIDTH) - heading.index("components")
    lines = [heading]
    for row in sorted(members):
        edges = into[row]
        by_channel = {
            channel: sum(edge.channel is channel for edge in edges) or "" for channel in Channel
        }
        total = number(sum(edge.strength for edge in edges)) if edges else ""
        lines.append(
            f"{_layer_label(row, circuit):>6} {len(edges) or '':>6} {by_channel[Channel.Q]:>5} "
            f"{by_channel[Channel.K]:>5} {by_channel[Channel.V]:>5} {total:>11}  "
            f"{fitted(members[row], room)}"
        )
    return "\n".join(lines)


def edge_table(circuit: CircuitDocument, top: int | None = 20) -> str:
    """The strongest edges by |score|; `top=None` shows all."""
    edges = strongest(circuit.edges)[:top]
    columns = ["", "edge", "score", "kind"]
    rows = [[rank, edge.name, edge.score, edge.score_kind] for rank, edge in enumerate(edges, 1)]
    if any(edge.exact is not None for edge in circuit.edges):
        columns.append("exact")
        rows = [[*row, edge.exact] for row, edge in zip(rows, edges, strict=True)]
    return table(columns, rows)


def strongest(edges: Iterable[CircuitEdge]) -> list[CircuitEdge]:
    """Edges by falling |score|, ties by name."""
    return sorted(edges, key=lambda edge: (-edge.strength, edge.name))


def fitted(words: Sequence[str], width: int) -> str:
    """As many words as fit, then how many were left out: `h5 h1 +6`."""
    text = " ".join(words)
    kept = min(len(words), width + 1)  # no more than that can fit
    if kept < len(words):
        text = " ".join([*words[:kept], f"+{len(words) - kept}"])
    while len(text) > width and kept > 1:
        kept -= 1
        text = " ".join([*words[:kept], f"+{len(words) - kept}"])
    return text


def _row(name: str, circuit: CircuitDocument) -> int:
    component = Component.parse(name)
    if component.layer is not None:
        return component.layer + 1
    return circuit.model.n_layers + 1 if component.kind is ComponentKind.LOGITS else 0


def _layer_label(row: int, circuit: CircuitDocument) -> str:
    if row == 0:
        return "input"
    return "logits" if row == circuit.model.n_layers + 1 else str(row - 1)


def _with_parameters(circuit: CircuitDocument) -> str:
    if (file := circuit.imported) is not None:
        return f"imported ({file.format} file, SHA-256 {file.sha256[:12]}…)"
    values = circuit.method.model_dump(mode="json", exclude={"name", "version"})
    listed = ", ".join(f"{key} {value}" for key, value in values.items())
    return f"{circuit.method.name} ({listed})" if listed else circuit.method.name
