"""A motif along a training as text: since when each rung is there, then checkpoint by checkpoint.

A line of blocks shows a figure over the checkpoints at a glance; where nothing was measured it has
a gap.
"""

from __future__ import annotations

from collections.abc import Sequence

from graph_schema.documents.rungs import Rung
from graph_schema.documents.training import CheckpointFinding, Since, TrainingReport
from graph_schema.printable import printable
from graph_schema.reports.tables import table
from graph_schema.reports.universality_sections import interval, listed

BLOCKS, PLAIN_BLOCKS = "▁▂▃▄▅▆▇█", "_.-=+*#@"


def training_title(found: TrainingReport) -> str:
    return f"{found.motif} on {found.task}, along the training of {found.model}"


def training_text(found: TrainingReport, *, blocks: str = BLOCKS) -> str:
    """The whole report for a terminal or a file; `blocks` from low to high."""
    heading = printable(training_title(found))
    columns, rows = checkpoint_table(found)
    parts = [
        f"{heading}\n{'=' * len(heading)}",
        "\n".join(map(since_line, found.since)),
        _lines(found, blocks),
        table(columns, rows),
        *reasons(found),
        loss_note(found),
        f"cypher: {shares_cypher(found)}",
    ]
    return "\n\n".join(parts)


def since_line(found: Since) -> str:
    """`wiring: present from step 360 on (not yet at 300)`."""
    if found.step is None:
        return f"{found.rung.value}: not present at the last step, {found.after}"
    after = "from the first checkpoint on" if found.after is None else f"not yet at {found.after}"
    return f"{found.rung.value}: present from step {found.step} on ({after})"


def edge_names(found: TrainingReport) -> list[str]:
    """The protocol's super-edges in its order."""
    return [rule.name for rule in found.protocol.edges]


def shares(found: TrainingReport, name: str) -> list[float | None]:
    """A super-edge's share at each checkpoint; None where it was not measured."""
    return [
        next((e.edge.share for e in each.super_edges if e.name == name and e.edge), None)
        for each in found.checkpoints
    ]


def checkpoint_table(found: TrainingReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A row a checkpoint."""
    names = edge_names(found)
    rows = [
        (
            str(each.step),
            _short(each.loss),
            _short(each.behaviour.worst if each.behaviour else None),
            _short(each.behaviour.gap if each.behaviour else None),
            *(each.at(rung).state.value for rung in Rung),
            *(_share(each, name) for name in names),
        )
        for each in found.checkpoints
    ]
    return ("step", "loss", "accuracy", "gap", *(rung.value for rung in Rung), *names), rows


def reasons(found: TrainingReport) -> list[str]:
    """Why the rungs of a checkpoint are not present, each reason once."""
    lines: list[str] = []
    for each in found.checkpoints:
        told: dict[str, list[str]] = {}
        for finding in each.rungs:
            if finding.state.value != "present":
                told.setdefault(finding.reason, []).append(
                    f"{finding.rung.value} {finding.state.value}"
                )
        lines += [
            f"step {each.step}: {', '.join(what)}: {printable(why)}" for why, what in told.items()
        ]
    return ["\n".join(lines)] if lines else []


def loss_note(found: TrainingReport) -> str:
    """Where the loss comes from."""
    measured = (
        "accuracy: of the task's worst condition; gap: loss(empty) - loss(full), by "
        f"{found.protocol.metric.value}; both on the task's pairs"
    )
    if found.losses:
        return f"loss: of the training, mean of the last ten up to the step; {measured}"
    return (
        "loss: the training's is not known (no training.json or trainer_state.json), so only what "
        f"was measured of the task is shown; {measured}"
    )


def shares_cypher(found: TrainingReport) -> str:
    return (
        f"UNWIND {listed(each.jobs.get('effects') for each in found.checkpoints)} AS job "
        "MATCH (g:RoleGraph {job_id: job})-[:HAS_ROLE]->(a)-[e:CARRIES]->(b) "
        "RETURN g.model, a.role, e.channel, b.role, e.share, e.ci_low, e.ci_high"
    )


def sparkline(values: Sequence[float | None], blocks: str = BLOCKS) -> str:
    """A block a value, from the least to the largest; a blank where there is none."""
    there = [value for value in values if value is not None]
    if not there:
        return " " * len(values)
    low, high = min(0.0, *there), max(there)
    span = (high - low) or 1.0
    top = len(blocks) - 1
    return "".join(
        " " if value is None else blocks[round(top * (value - low) / span)] for value in values
    )


def _lines(found: TrainingReport, blocks: str) -> str:
    accuracy = [each.behaviour.worst if each.behaviour else None for each in found.checkpoints]
    figures: list[tuple[str, list[float | None]]] = [
        ("loss", [each.loss for each in found.checkpoints]),
        ("accuracy", accuracy),
        *((name, shares(found, name)) for name in edge_names(found)),
    ]
    width = max(len(name) for name, _ in figures)
    return "\n".join(
        f"{name:<{width}}  {sparkline(values, blocks)}"
        for name, values in figures
        if any(value is not None for value in values)
    )


def _share(found: CheckpointFinding, name: str) -> str:
    each = next((e for e in found.super_edges if e.name == name and e.edge), None)
    if each is None or each.edge is None:
        return ""
    return f"{'at most ' if each.edge.is_bound else ''}{interval(each.edge)}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
