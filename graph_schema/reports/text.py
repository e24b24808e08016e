"""A circuit in words and tables: plain text, the same on a screen and in a file."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from graph_schema.documents import (
    Channel,
    CircuitDocument,
    CircuitEdge,
    CircuitEvaluation,
    Component,
    Evaluation,
    Figure,
    Stability,
)
from graph_schema.printable import printable
from graph_schema.reports.values import graph_text

MIN_WIDTH = 40
_NUMBER = re.compile(r"-?[\d,]*\.?\d+(e[+-]?\d+)?")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under their headings, columns aligned, numbers to the right; no cell is ever cut."""
    columns = [cell(heading) for heading in columns]
    cells = [[cell(value) for value in row] for row in rows]
    numeric = [_is_numeric(value) for value in zip(*cells, strict=True)] if cells else []
    numeric = numeric or [False] * len(columns)
    widths = [
        max(len(heading), *(len(row[i]) for row in cells)) if cells else len(heading)
        for i, heading in enumerate(columns)
    ]

    def line(values: Sequence[str]) -> str:
        parts = [
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(columns), rule, *(line(row) for row in cells)])


def cell(value: object) -> str:
    """A value as a table shows it: one line, floats in four digits, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if text := graph_text(value):
        return printable(text)
    if isinstance(value, list | tuple) and any(graph_text(item) for item in value):
        return ", ".join(cell(item) for item in value)
    if isinstance(value, dict | list | tuple):
        return printable(json.dumps(value, ensure_ascii=False))
    return printable(" ".join(str(value).split()))


def number(value: float) -> str:
    """A float in four significant digits."""
    return f"{value:#.4g}".rstrip(".") if value else "0"


def figure(value: Figure) -> str:
    """`0.931 [0.872, 0.968]  heldout, 32 pairs`, or the reason why there is no number."""
    where = f"{value.split.value}, {value.n} pairs"
    if value.value is None:
        return f"none ({value.reason or f'not measured; {where}'})"
    interval = (
        f" [{value.ci_low:.3f}, {value.ci_high:.3f}]"
        if value.ci_low is not None and value.ci_high is not None
        else ""
    )
    return f"{value.value:.3f}{interval}  {where}"


def summary(circuit: CircuitDocument) -> str:
    """What was asked, on what, and how good the circuit is; one fact a line."""
    model = circuit.model
    dtype = f", {circuit.dtype}" if circuit.dtype else ""
    facts = [("circuit", circuit.circuit_id)]
    if circuit.job_id is not None:
        facts.append(("job", circuit.job_id))
    facts += [
        (
            "model",
            f"{model.name} ({model.family}, {model.n_layers} layers x {model.n_heads} heads, "
            f"{model.weights}{dtype})",
        ),
        ("fingerprint", model.fingerprint),
        ("task", task_words(circuit)),
        ("method", ", ".join([_with_parameters(circuit), *conditions(circuit)])),
        ("edges", _edge_words(circuit)),
        *headline(circuit),
    ]
    if (quality := circuit.evaluation) is not None:
        facts += _quality(quality)
    facts.extend(("note", note) for note in circuit.notes)
    return _lines(facts)


def evaluation_summary(found: CircuitEvaluation) -> str:
    """What a circuit was judged on, and how good it is there; one fact a line."""
    conditions = f"{found.metric}, ablation {found.ablation.kind}, seed {found.seed}"
    return _lines(
        [
            ("evaluation", found.evaluation_id),
            ("circuit", found.circuit_id),
            ("task", f"{found.task}, dataset {found.dataset_sha256}"),
            ("metric", f"{conditions}, {found.dtype}"),
            ("faithfulness", figure(found.evaluation.faithfulness)),
            ("held out", figure(found.evaluation.heldout_faithfulness)),
            *_quality(found.evaluation),
            *(("note", note) for note in found.notes),
        ]
    )


def _lines(facts: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{label:<14}{printable(text)}" for label, text in facts)


def _quality(quality: Evaluation) -> list[tuple[str, str]]:
    """What is measured beside the headline."""
    facts = [
        ("complement", figure(quality.complement_faithfulness)),
        ("cmd", figure(quality.cmd)),
        ("cpr", figure(quality.cpr)),
    ]
    if chance := quality.random_circuits:
        facts.append(
            (
                "by chance",
                f"{chance.mean:.3f} [{chance.low:.3f}, {chance.high:.3f}]  faithfulness of "
                f"{chance.n} random circuits of this size, discovery",
            )
        )
    return facts + _evidence(quality)


def headline(circuit: CircuitDocument) -> list[tuple[str, str]]:
    """Faithfulness on both splits, or that nobody has measured it."""
    quality = circuit.evaluation
    if quality is None:
        how = f"not evaluated yet: circuits evaluate {circuit.circuit_id[:12]}"
        return [("faithfulness", how)]
    return [
        ("faithfulness", figure(quality.faithfulness)),
        ("held out", figure(quality.heldout_faithfulness)),
    ]


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


_CHANCE = {
    "paths": "random circuits",
    "layer_pairs": "with the same edges per layer pair",
    "activation_difference": "by activation difference",
    "shuffled_pairs": "found on shuffled pairs",
}


def _evidence(quality: Evaluation) -> list[tuple[str, str]]:
    """What preset `full` adds, a line a fact; nothing for `quick`."""
    facts: list[tuple[str, str]] = []
    if quality.redundant_share is not None:
        facts.append(("redundant", figure(quality.redundant_share)))
    for chance in quality.chance:
        rule = _CHANCE[chance.rule]
        if chance.mean is None or chance.low is None or chance.high is None:
            facts.append(("chance", f"none ({rule}: {chance.reason})"))
        else:
            interval = f" [{chance.low:.3f}, {chance.high:.3f}]" if chance.n > 1 else ""
            facts.append(
                (
                    "chance",
                    f"{chance.mean:.3f}{interval}  {chance.n} {rule}, {chance.n_at_least} at "
                    f"least as faithful, {chance.split.value}",
                )
            )
    for test in quality.tests:
        if test.p_value is None or test.power is None:
            facts.append(("test", f"{test.name}: {test.outcome} ({test.reason})"))
        else:
            facts.append(
                (
                    "test",
                    f"{test.name}: {test.outcome}, p {test.p_value:.3g}, n {test.n}, power "
                    f"{test.power:.2f} if {test.power_at}; H0: {test.null}; {test.split.value}",
                )
            )
    if (stable := quality.stability) is not None:
        facts.append(("stability", _stability(stable)))
    return facts


def _stability(stable: Stability) -> str:
    if stable.frequency is None or stable.sign_stability is None:
        return f"none ({stable.reason})"
    overlaps = (
        f", Jaccard {stable.jaccard_halves:.2f} between halves, {stable.jaccard_groups:.2f} "
        "between groups"
        if stable.jaccard_halves is not None and stable.jaccard_groups is not None
        else ""
    )
    return (
        f"edges kept in {stable.frequency:.0%} and of the same sign in "
        f"{stable.sign_stability:.0%} of {stable.draws} resamples of {stable.n_groups} groups"
        f"{overlaps}"
    )


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
            strength[end] += abs(edge.score)
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
        total = number(sum(abs(edge.score) for edge in edges)) if edges else ""
        lines.append(
            f"{_layer_label(row, circuit):>6} {len(edges) or '':>6} {by_channel[Channel.Q]:>5} "
            f"{by_channel[Channel.K]:>5} {by_channel[Channel.V]:>5} {total:>11}  "
            f"{fitted(members[row], room)}"
        )
    return "\n".join(lines)


def edge_table(circuit: CircuitDocument, top: int | None = 20) -> str:
    """The strongest edges by |score|; `top=None` shows all."""
    edges = strongest(circuit.edges)[:top]
    rows = [(rank, edge.name, edge.score, edge.score_kind) for rank, edge in enumerate(edges, 1)]
    return table(("", "edge", "score", "kind"), rows)


def strongest(edges: Iterable[CircuitEdge]) -> list[CircuitEdge]:
    """Edges by falling |score|, ties by name."""
    return sorted(edges, key=lambda edge: (-abs(edge.score), edge.name))


def fitted(words: Sequence[str], width: int) -> str:
    """As many words as fit, then how many were left out: `h5 h1 +6`."""
    text = " ".join(words)
    kept = len(words)
    while len(text) > width and kept > 1:
        kept -= 1
        text = " ".join([*words[:kept], f"+{len(words) - kept}"])
    return text


def _row(name: str, circuit: CircuitDocument) -> int:
    component = Component.parse(name)
    if component.layer is not None:
        return component.layer + 1
    return circuit.model.n_layers + 1 if name == "logits" else 0


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


def _is_numeric(values: Sequence[str]) -> bool:
    filled = [value for value in values if value]
    return bool(filled) and all(_NUMBER.fullmatch(value) for value in filled)
