"""What goes where a circuit or a job is deleted: told before, and returned after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

Ids = tuple[str, ...]
SHOWN = 3


@dataclass(frozen=True)
class Deletion:
    """What goes, and what was concluded from it and stays without what it rests on.

    Attributes:
        id: Of what was asked for, whole.
        jobs: Of the record: what found all that goes. Its checkpoints are then nobody's.
        edges: Stored edges of `circuits`.
        motif_tests: Tests of motifs in `circuits`; one that was of other circuits too stays.
        verdicts: Of a universality job, those that no other report has.
        artifacts: Keys of files that it refers to; `circuits gc` removes what nothing else does.
        resting_verdicts: Verdicts that name some of it as evidence; and so on.
        resting_matrices: Jobs that measured specificity by role tests that go.
    """

    id: str = ""
    circuits: Ids = ()
    jobs: Ids = ()
    edges: int = 0
    evaluations: Ids = ()
    role_tests: Ids = ()
    role_graphs: Ids = ()
    reports: Ids = ()
    verdicts: Ids = ()
    annotations: int = 0
    occurrences: int = 0
    motif_tests: Ids = ()
    artifacts: Ids = ()
    resting_verdicts: Ids = ()
    resting_reports: Ids = ()
    resting_role_graphs: Ids = ()
    resting_matrices: Ids = ()

    @property
    def is_evidence(self) -> bool:
        """Whether something was concluded from it."""
        return any(
            (
                self.resting_verdicts,
                self.resting_reports,
                self.resting_role_graphs,
                self.resting_matrices,
            )
        )

    def rests(self) -> str:
        """What was concluded from it, in a line."""
        told = (
            _told("verdict", self.resting_verdicts),
            _told("report", self.resting_reports),
            _told("role graph", self.resting_role_graphs),
            _told("specificity job", self.resting_matrices),
        )
        return ", ".join(each for each in told if each)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        edges = f" ({self.edges:,} edges)" if self.circuits else ""
        told = (
            f"{_told('circuit', self.circuits)}{edges}",
            _told("job", self.jobs),
            _told("evaluation", self.evaluations),
            _told("role test", self.role_tests),
            _told("role graph", self.role_graphs),
            _told("report", self.reports),
            _told("verdict", self.verdicts),
            _told("motif test", self.motif_tests),
            _counted(self.annotations, "label, note or tag", "labels, notes and tags"),
            _counted(self.occurrences, "occurrence of a motif", "occurrences of motifs"),
        )
        yield from (each for each in told if each)
        if self.artifacts:
            files = _counted(len(self.artifacts), "artifact file", "artifact files")
            yield f"{files}, which `circuits gc` removes where nothing else refers to them"
        if self.is_evidence:
            yield f"what rests on it and stays: {self.rests()}"


def _told(kind: str, ids: Ids) -> str:
    if not ids:
        return ""
    shown = ", ".join(each[:12] for each in ids[:SHOWN])
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"{_counted(len(ids), kind, f'{kind}s')}: {shown}{more}"


def _counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}" if n else ""
