"""A specificity matrix as text: roles down, tasks across, what random heads are worth beside."""

from __future__ import annotations

from graph_schema.documents.evaluation import Split
from graph_schema.documents.role import RoleName
from graph_schema.documents.specificity import RoleDrop, Specificity
from graph_schema.printable import printable
from graph_schema.reports.tables import table

MOST_MEMBERS = 6


def specificity_text(found: Specificity) -> str:
    """What a specificity job measured, as a terminal shows it."""
    head = f"roles of {printable(found.model.name)} ({found.model.family}) on its tasks"
    parts = [head, *(f"  {printable(line)}" for line in columns_told(found))]
    if found.cells:
        columns = ("role", *(printable(f"on {each.task}") for each in found.tasks))
        rows = [
            (
                printable(label(found, of, role)),
                *(cell_text(found, of, role, on) for on in _on(found)),
            )
            for of, role in found.rows
        ]
        parts += ["", table(columns, rows), "", LEGEND]
    return "\n".join(parts)


LEGEND = (
    "share of the task's gap lost with all heads of the role ablated, 95 % interval over groups of "
    "pairs; ~ mean of as many random heads alike in depth [95 % of the sets], p, distinct sets"
)


def columns_told(found: Specificity) -> list[str]:
    """A line a task: what it was measured on, or why it was not."""
    lines: list[str] = []
    for each in found.tasks:
        if each.reason:
            lines.append(f"{each.task}: untestable: {each.reason}")
            continue
        kind = "held-out" if each.split is Split.HELDOUT else "discovery"
        pairs = f"{each.n_pairs} {kind} pairs"
        by = f"{each.metric.value}, ablation {each.ablation.kind.value}"
        none = f"; no roles: {each.no_roles}" if each.no_roles else ""
        lines.append(f"{each.task}: {pairs}, {by}{none}")
    return lines


def cell_text(found: Specificity, of: str, role: RoleName, on: str) -> str:
    """One cell; `untestable` in a column that could not be measured."""
    cell = found.at(of, role, on)
    if cell is None:
        return "untestable"
    return f"{cell.text} ~ {random_text(cell)}"


def random_text(cell: RoleDrop) -> str:
    """What random sets are worth, or that there are too few."""
    random = cell.random
    if random is None:
        return f"not available ({cell.sets} distinct sets)"
    bounds = f"[{random.low:.2f}, {random.high:.2f}]"
    return f"{random.mean:.2f} {bounds}, p {random.p:.2g}, {random.sets}"


def _on(found: Specificity) -> list[str]:
    return [each.roles_job for each in found.tasks]


def label(found: Specificity, of: str, role: RoleName) -> str:
    """A row's name: task, role and heads."""
    members = next(c.members for c in found.cells if (c.of, c.role) == (of, role))
    names = " ".join(members[:MOST_MEMBERS])
    more = len(members) - MOST_MEMBERS
    return f"{found.task(of).task}: {role.value} ({names}{f' and {more} more' if more > 0 else ''})"
