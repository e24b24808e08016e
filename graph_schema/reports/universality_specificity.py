"""What a universality report's models lose on each task without each task's roles, as a matrix."""

from __future__ import annotations

from graph_schema.documents.role import RoleName
from graph_schema.documents.specificity import Specificity
from graph_schema.documents.universality import UniversalityReport
from graph_schema.reports.specificity import LEGEND, cell_text, columns_told, label
from graph_schema.reports.universality_sections import Section, listed

TITLE = "Specificity of roles"


def specificity(found: UniversalityReport) -> Section:
    """A row a model and role, a column a task."""
    known = [(model, model.specificity) for model in found.models if model.specificity]
    asked = [model for model in found.models if "specificity" in model.jobs]
    if not asked:
        none = "No other task was asked for: what these roles do elsewhere is not known."
        return Section(TITLE, (none,))
    tasks = list(dict.fromkeys(each.task for _, matrix in known for each in matrix.tasks))
    rows = tuple(
        (
            model.name,
            label(matrix, of, role),
            *(_cell(matrix, of, role, task) for task in tasks),
            model.jobs["specificity"][:12],
        )
        for model, matrix in known
        for of, role in matrix.rows
    )
    lines = [LEGEND[:1].upper() + LEGEND[1:] + "."]
    told: dict[str, list[str]] = {}  # what holds for several models stands once
    for model, matrix in known:
        for line in columns_told(matrix):
            told.setdefault(line, []).append(model.name)
    lines += [f"{', '.join(names)}: {line}" for line, names in told.items()]
    lines += [
        f"{model.name}: not measured: {model.failures.get('specificity', '')}"
        for model in asked
        if model.specificity is None
    ]
    return Section(
        TITLE,
        tuple(lines),
        ("model", "role", *(f"on {task}" for task in tasks), "job"),
        rows,
        f"UNWIND {listed(m.jobs.get('specificity') for m in asked)} AS job "
        "MATCH (t:RoleTest)-[e:ABLATED_ON {job_id: job}]->(k:Task) "
        "RETURN t.fingerprint, t.task, e.role, e.members, k.name, e.share, e.ci_low, e.ci_high, "
        "e.random_mean, e.random_low, e.random_high, e.p, e.control_sets",
    )


def _cell(matrix: Specificity, of: str, role: RoleName, task: str) -> str:
    on = next((each.roles_job for each in matrix.tasks if each.task == task), None)
    return "" if on is None else cell_text(matrix, of, role, on)
