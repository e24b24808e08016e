"""What a client says of circuits and jobs as a whole: notes and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from graph_schema.documents.base import LAST
from graph_schema.documents.remark import Remark
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.printable import quoted
from workers.client.sweeps import SweepRequests
from workers.requests.labels import author_or_user
from workers.requests.remarks import check_room, checked_note, checked_tag

if TYPE_CHECKING:
    from graph_schema.store.connection import GraphStore


class RemarkRequests(SweepRequests):
    """A connection that notes and tags."""

    def note(self, target: str, text: str, *, author: str | None = None) -> list[Remark]:
        """Write a note on a circuit or a job; returns all that was written on it.

        It survives every further run of the job, and goes with what it is on (`delete`).

        Args:
            target: Id of a circuit or a job, or its first digits; not `last`.
            text: At most 2,000 characters, on one line.
            author: Who says it (default: the user who runs this).

        Raises:
            NotFoundError: No circuit or job has the id, or several.
            SpecError: The text or the author is none, or there are 100 notes already.
        """
        return self._write(target, "note", [checked_note(text)], author_or_user(author))

    def tag(self, target: str, *tags: str, author: str | None = None) -> list[Remark]:
        """Tag a circuit or a job; returns all that was written on it. As `note`.

        `circuits(tag=…)` and `jobs(tag=…)` pick by it, and `gc` keeps a tagged job.

        Args:
            target: Id of a circuit or a job, or its first digits; not `last`.
            tags: One word each, at most 50 characters.
            author: Who says it (default: the user who runs this).

        Raises:
            NotFoundError: No circuit or job has the id, or several.
            SpecError: A tag or the author is none, or there would be more than 100 tags.
        """
        words = [checked_tag(each) for each in tags]
        return self._write(target, "tag", words, author_or_user(author))

    def remove_remarks(
        self, target: str, kind: Literal["note", "tag"], *texts: str
    ) -> list[Remark]:
        """Remove the notes or tags with these texts, whoever wrote them; returns what is left.

        Raises:
            NotFoundError: No circuit or job has the id, or several; or it has no such remark.
        """
        from graph_schema.store.records.remarks import remove_remarks

        said = self.remarks(target)
        there = [each for each in said if each.kind == kind]
        for text in texts:
            if text not in {each.text for each in there}:
                raise NotFoundError(
                    f"{target!r} has no {kind} {quoted(text)}; circuits {kind} {target} lists them"
                )
        going = [each for each in there if each.text in texts]
        self.service.store.write(lambda tx: remove_remarks(tx, going))
        return [each for each in said if each not in going]

    def remarks(self, target: str) -> list[Remark]:
        """The notes and tags of a circuit or a job, the oldest first.

        Raises:
            NotFoundError: No circuit or job has the id, or several.
        """
        from graph_schema.store.records.remarks import read_remarks

        return list(read_remarks(self.service.store, [_target(self.service.store, target)[1]]))

    def _write(
        self, target: str, kind: Literal["note", "tag"], texts: list[str], author: str
    ) -> list[Remark]:
        from graph_schema.store.records.remarks import read_remarks, write_remarks

        store = self.service.store
        on, id = _target(store, target)
        check_room(kind, [e.text for e in read_remarks(store, [id]) if e.kind == kind], texts)
        new = [Remark(on=on, id=id, kind=kind, text=text, author=author) for text in texts]
        store.write(lambda tx: write_remarks(tx, new))
        return list(read_remarks(store, [id]))


def _target(store: GraphStore, id: str) -> tuple[Literal["circuit", "job"], str]:
    """What has this id, or the one that starts so."""
    from graph_schema.store import jobs
    from graph_schema.store.records.circuits import resolve_circuit

    if id == LAST:
        raise SpecError(
            "the last one of circuits or of jobs? Give the id: `circuits list` and `circuits jobs` "
            "show it"
        )
    found: list[tuple[Literal["circuit", "job"], str]] = []
    said: list[str] = []
    for on, resolve in (
        ("circuit", lambda: store.read(lambda tx: resolve_circuit(tx, id))),
        ("job", lambda: jobs.get(store, id).job_id),
    ):
        try:
            found.append(("circuit" if on == "circuit" else "job", resolve()))
        except NotFoundError as error:
            said.append(str(error))
    if len(found) == 2:
        raise NotFoundError(
            f"id {id!r} is the start of circuit {found[0][1]} and of job {found[1][1]}; give more "
            "digits"
        )
    if not found:
        raise NotFoundError("; ".join(said))
    return found[0]
