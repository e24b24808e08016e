"""Models by tasks: what was found where. Rows of the graph put together, a cell a model and task.

Fingerprints of the same weights are one model. A cell in which nothing is says whether it was asked
for: nothing found and nothing asked are not the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from graph_schema.documents import Rung, RungState
from graph_schema.documents.model import NO_WEIGHTS
from graph_schema.store.connection import Row
from graph_schema.store.records.overview import Overview

NO_TASK = ""
"""Of imported circuits nobody may know the task."""
RUNGS = tuple(rung.value for rung in Rung)


@dataclass(frozen=True)
class MotifState:
    """What the latest verdict says of a motif in a model, rung by rung, from the bottom."""

    motif: str
    states: tuple[str, ...]
    verdict_id: str | None
    """None where no job judged it, so that it has no report."""

    @property
    def words(self) -> str:
        """For whoever does not see the marks."""
        said = ", ".join(f"{r} {s}" for r, s in zip(RUNGS, self.states, strict=True))
        return f"{self.motif}: {said}"


@dataclass(frozen=True)
class Cell:
    """What there is of a model and a task.

    Attributes:
        forms: Of the task: the same name with other parameters is another one.
        best: The largest faithfulness on held-out pairs.
        job: State and id of the newest job that was asked for and is not done, or failed.
    """

    circuits: int = 0
    forms: int = 0
    best: float | None = None
    tests: int = 0
    roles: Mapping[str, int] = field(default_factory=dict[str, int])
    motifs: tuple[MotifState, ...] = ()
    job: tuple[str, str] | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.circuits or self.tests or self.roles or self.motifs)


@dataclass(frozen=True)
class ModelRow:
    """A model: its names (the first is shown), its fingerprints, its cells by task."""

    names: tuple[str, ...]
    fingerprints: tuple[str, ...]
    family: str
    n_layers: int
    known: bool
    """Whether it has weights that somebody here can load."""
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class FamilyRows:
    """A family: by task, in how many of its models there is a circuit.

    `wired`: by task and motif, in how many the wiring is present, of those where it was testable.
    """

    name: str
    models: tuple[ModelRow, ...]
    with_circuits: Mapping[str, int]
    wired: Mapping[str, Mapping[str, tuple[int, int]]]


@dataclass(frozen=True)
class Table:
    """All of it: tasks from the one with most models on, families in order."""

    tasks: tuple[str, ...]
    families: tuple[FamilyRows, ...]
    motifs: tuple[str, ...]
    circuits: int

    @property
    def models(self) -> int:
        return sum(len(each.models) for each in self.families)


def put_together(rows: Overview, motif: str | None = None) -> Table:
    """The table of an overview; `motif` leaves out what verdicts say of others."""
    cells: dict[tuple[str, str], Cell] = {}
    identity = {row["fingerprint"]: row["identity"] for row in rows.models}

    def add(row: Row, change: Mapping[str, object]) -> None:
        of = identity.get(row["fingerprint"])
        if of is not None:
            key = of, row["task"] or NO_TASK
            cells[key] = replace(cells.get(key, Cell()), **change)

    def there(row: Row) -> Cell:
        of = identity.get(row["fingerprint"], "")
        return cells.get((of, row["task"] or NO_TASK), Cell())

    for row in rows.found:
        own = there(row)
        best = max((b for b in (own.best, row["best"]) if b is not None), default=None)
        n, forms = own.circuits + row["circuits"], max(own.forms, row["forms"])
        add(row, {"circuits": n, "forms": forms, "best": best})
    for row in rows.tested:
        add(row, {"tests": there(row).tests + row["tests"]})
    for row in rows.played:
        roles = dict(there(row).roles)
        add(row, {"roles": roles | {row["role"]: max(roles.get(row["role"], 0), row["members"])}})
    for row in sorted(rows.states, key=_judged, reverse=True):
        if motif in (None, row["motif"]):
            told = {each.motif: each for each in there(row).motifs}
            told.setdefault(row["motif"], _state(row))
            add(row, {"motifs": tuple(told.values())})
    for row in reversed(_asked(rows.asked)):
        add(row, {"job": (row["state"], row["job_id"])})
    return _table(rows, cells, motif)


def _judged(row: Row) -> int:
    """When the verdict was: the latest may be on another fingerprint of the same weights."""
    return row["state"]["judged_at"] or 0


def _state(row: Row) -> MotifState:
    state: Row = row["state"]
    told = tuple(state[rung] or RungState.UNTESTABLE.value for rung in RUNGS)
    return MotifState(row["motif"], told, state["verdict_id"] if state["job_id"] else None)


def _asked(rows: Iterable[Row]) -> list[Row]:
    """The jobs by model and task; a spec is read as JSON, whichever version wrote it."""
    found: list[Row] = []
    for row in rows:
        spec = json.loads(row["spec"])
        data = spec.get("data") or {}
        task = data.get("task") or ""
        found.append(
            {
                "fingerprint": (spec.get("model") or {}).get("fingerprint"),
                "task": task.get("name") if isinstance(task, dict) else task,
                "state": row["state"],
                "job_id": row["job_id"],
            }
        )
    return found


def _table(rows: Overview, cells: Mapping[tuple[str, str], Cell], motif: str | None) -> Table:
    by_identity: dict[str, list[Row]] = {}
    for row in rows.models:
        by_identity.setdefault(row["identity"], []).append(row)
    tasks = Counter(task for _, task in cells)
    order = tuple(sorted(tasks, key=lambda task: (task == NO_TASK, -tasks[task], task)))
    families: dict[str, list[ModelRow]] = {}
    for of, same in by_identity.items():
        own = {task: cells[of, task] for task in order if (of, task) in cells}
        row = ModelRow(
            tuple(dict.fromkeys(each["name"] for each in same)),
            tuple(each["fingerprint"] for each in same),
            same[0]["family"],
            same[0]["n_layers"],
            any(each["weights"] != NO_WEIGHTS for each in same),
            own,
        )
        families.setdefault(row.family, []).append(row)
    motifs = {row["motif"] for row in rows.states}
    return Table(
        order,
        tuple(_family(name, models) for name, models in sorted(families.items())),
        tuple(sorted(motifs)),
        sum(cell.circuits for cell in cells.values()),
    )


def _family(name: str, models: list[ModelRow]) -> FamilyRows:
    with_circuits = Counter(
        task for model in models for task, cell in model.cells.items() if cell.circuits
    )
    wired: dict[str, dict[str, tuple[int, int]]] = {}
    for model in models:
        for task, cell in model.cells.items():
            for each in cell.motifs:
                if each.states[-1] != RungState.UNTESTABLE.value:
                    k, n = wired.setdefault(task, {}).get(each.motif, (0, 0))
                    present = each.states[-1] == RungState.PRESENT.value
                    wired[task][each.motif] = k + present, n + 1
    return FamilyRows(name, tuple(models), with_circuits, wired)
