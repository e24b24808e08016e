"""The client: ask for circuits and roles, follow jobs, read circuits, ask the graph.

What it asks for is in the files that it builds on, `requests.py` and on.
Nothing heavy is loaded by importing this; the driver comes in with the first call that needs the
graph, and torch never does.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graph_schema.documents import Annotation
from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.errors import SpecError
from workers.client.backup_requests import BackupRequests
from workers.client.job import Job
from workers.client.motifs import Motifs
from workers.client.remarks import RemarkRequests
from workers.requests.checking import choice, kind_named, validated
from workers.requests.labels import Labelled, author_or_user, one_row
from workers.requests.since import moment
from workers.results.circuit import Circuit
from workers.results.cleared import Cleared
from workers.results.comparison import Compared
from workers.results.deletion import Deletion
from workers.results.evaluation import Evaluated
from workers.results.job_facts import job_facts
from workers.results.rows import Rows

if TYPE_CHECKING:
    from graph_schema.store.questions.summary import SchemaSummary
    from graph_schema.store.records.circuit_list import CircuitSummary

MOST_COMPARED = 50


class CircuitClient(RemarkRequests, BackupRequests):
    """Submits jobs and reads what they found.

    Without URLs it uses the local service of `CIRCUITS_HOME` and starts it where none runs. It
    connects when it is first needed. Leaving it never ends a job.

    Args:
        broker: `redis://…`, `rediss://…` or `filesystem:///FOLDER`.
        graph: `bolt://…` or `neo4j://…`.
        graph_user: Who logs in to the graph.
        graph_password: Their password; better in CIRCUITS_GRAPH_PASSWORD_FILE.
        artifacts: fsspec URL of the artifact store that the workers use.
        home: Folder of the local service, in place of CIRCUITS_HOME.
        worker: Start a worker with a local service.
        settings: All settings at once, in place of the environment's.
    """

    def evaluations(self, circuit: str) -> list[Evaluated]:
        """What `evaluate` jobs found of a circuit, the oldest first.

        The figures of the job that found it are not among them: those are `circuit.evaluation`.

        Raises:
            NotFoundError: No circuit, or more than one, has the id.
        """
        return self.service.evaluations(self.service.circuit(circuit).circuit_id)

    def compare(self, *circuits: str, checkpoints: bool = False) -> Compared:
        """Circuits side by side: overlap, scores and pairs inside one model, figures across.

        Args:
            circuits: Ids of at least two circuits, or their first digits.
            checkpoints: Their models are checkpoints of one training run, in this order. Models
                that the graph knows to be (`derived_from`) need not be said to be.

        Raises:
            SpecError: Fewer than two; or models that cannot be checkpoints of one run.
            NotFoundError: No circuit, or more than one, has an id.
        """
        if not 2 <= len(circuits) <= MOST_COMPARED:
            raise SpecError(f"{len(circuits)} circuits; expected 2 to {MOST_COMPARED} to compare")
        return self.service.compare(circuits, checkpoints)

    def derived_from(self, later: str, earlier: str) -> None:
        """Remember that one stored model was trained on from another: checkpoints of one run.

        Args:
            later: The first digits of its fingerprint.
            earlier: Likewise.

        Raises:
            NotFoundError: There is no such model, or more than one.
            SpecError: Their sizes or families differ.
        """
        self.service.derived(later, earlier)

    def job(self, job_id: str) -> Job:
        """The job with this id, or with the one id that starts so.

        Raises:
            NotFoundError: None, or more than one.
        """
        return Job(self, self.service.job(job_id))

    def jobs(
        self,
        state: JobState | str | None = None,
        limit: int = 100,
        *,
        model: str | None = None,
        task: str | None = None,
        method: str | None = None,
        since: str | None = None,
        tag: str | None = None,
        kind: str | None = None,
    ) -> list[Job]:
        """Jobs, the newest first.

        Args:
            state: Only those in this state.
            limit: At most so many.
            model: Only of this model: as it was asked for, the last part of that, or a fingerprint.
            task: Only for this task; `method`, only by this method.
            since: Submitted since then: `12h`, `3d` ago, or a date.
            tag: Only those with this tag.
            kind: Only of this kind; None for all but shards, which are parts of others.

        Raises:
            SpecError: There is no such state or time.
        """
        if limit < 1:
            raise SpecError(f"limit is {limit}; expected 1 or more")
        states = tuple(JobState) if state is None else (choice("state", JobState, state),)
        kind = kind and kind_named(kind)
        now = time.time()
        after = 0.0 if since is None else moment(since, now)
        having = None if tag is None else self.service.tagged(tag)

        def wanted(record: JobRecord) -> bool:
            facts = job_facts(record, now)
            return facts.passes(model, task, method) and (having is None or record.job_id in having)

        return [Job(self, each) for each in self.service.jobs(states, limit, after, wanted, kind)]

    def circuit(self, circuit_id: str) -> Circuit:
        """The circuit with this id, or with the one id that starts so.

        Raises:
            NotFoundError: None, or more than one.
        """
        return self.service.circuit(circuit_id)

    def circuits(self, **wanted: Any) -> list[CircuitSummary]:
        """Summaries of circuits, the newest first.

        Args:
            wanted: What to pick: `task`, `model` (name, family or fingerprint), `method`,
                `job_id`, `tag`, `min_faithfulness`, `max_edges`, `limit` (50), `skip`.

        Raises:
            SpecError: There is no such filter, or not with such a value.
        """
        from graph_schema.store.records.circuit_list import CircuitFilter

        return list(self.service.circuits(validated(CircuitFilter, wanted)))

    def label(
        self,
        circuit: str,
        node: str,
        text: str,
        *,
        author: str | None = None,
        score: float | None = None,
    ) -> Labelled:
        """Say what a node of a circuit stands for: what it is called from now on.

        A later run of its job leaves it. A label `tokens: Mary, John` is a rule: its score is
        computed on the held-out prompts, where the circuit's units are described.

        Args:
            circuit: Its id, or the first digits.
            node: `m3.f1024`, `m3.n217`, `a5.h1`; with its position where nodes have one.
            text: At most 500 characters, on one line.
            author: Who says it (default: the user who runs this).
            score: How well the label tells where the node is active, 0 to 1, where known.

        Raises:
            NotFoundError: There is no such circuit or node.
            SpecError: The text, the author or the score is none.
        """
        row, who = one_row(node, text, score), author_or_user(author)
        from workers.client.labelling import label_nodes

        return label_nodes(self.service, circuit, [row], who)

    def labels(self, circuit: str) -> list[Annotation]:
        """The label that each labelled node of a circuit has, with its author, score and time.

        Raises:
            NotFoundError: There is no such circuit.
        """
        from workers.client.labelling import labels_now

        return labels_now(self.service, circuit)

    def label_table(self, circuit: str) -> str:
        """A CSV table of a circuit's units, with what is known of each, to write labels into.

        Raises:
            NotFoundError: There is no such circuit.
        """
        from workers.client.labelling import label_table

        return label_table(self.service, circuit)

    def read_labels(self, circuit: str, table: bytes, *, author: str | None = None) -> Labelled:
        """Label nodes by such a table's `new_label` (and `score`), all of them or none.

        Raises:
            NotFoundError: There is no such circuit.
            SpecError: A line names no node of the circuit or holds no label; the message has them.
        """
        from graph_schema.exchange.labels import read_label_table
        from workers.client.labelling import label_nodes

        rows, who = read_label_table(table), author_or_user(author)
        return label_nodes(self.service, circuit, rows, who)

    def deletion(self, id: str) -> Deletion:
        """What goes where a circuit or a job is deleted, and what rests on it; deletes nothing.

        Raises:
            NotFoundError: No circuit or job, or more than one, has the id.
            SpecError: It is queued or running, or needed by what is.
        """
        from workers.client.deleting import deletion

        return deletion(self.service, id)

    def delete(self, id: str, *, even_evidence: bool = False) -> Deletion:
        """Delete a circuit, or a job with all that it found; returns what went.

        Args:
            id: Of a circuit or a job, or its first digits; not `last`.
            even_evidence: Also what a verdict, a report, a role graph or a specificity matrix
                rests on; these stay, without it.

        Raises:
            NotFoundError: No circuit or job, or more than one, has the id.
            SpecError: It is queued or running, or needed by what is; or others rest on it.
        """
        from workers.client.deleting import delete

        return delete(self.service, id, even_evidence=even_evidence)

    def gc(self, *, dry_run: bool = False) -> Cleared:
        """Remove what has gathered and nothing refers to; returns what, and how many bytes.

        Old failed jobs (`keep_failed_days`), circuits that nobody went on storing, checkpoints of
        ended jobs, artifacts that no circuit refers to, old logs.

        Args:
            dry_run: Only say what.

        Raises:
            ResourceError: The artifact store cannot be listed.
            SpecError: Of graph and artifact store only one is that of the local service.
        """
        from workers.client.clearing import clear

        return clear(self.service, dry_run=dry_run)

    def schema(self) -> SchemaSummary:
        """The data model, with how much of each is stored and an example query for each."""
        return self.service.schema()

    def cypher(self, text: str, /, **parameters: Any) -> Rows:
        """The answer to a reading query; `parameters` are its `$name`s.

        Raises:
            CypherError: The query is refused or fails; the message says what and why.
        """
        from graph_schema.store.user_cypher.guard import guard

        guard(text)  # again where it is run; here before a service is started for nothing
        return self.service.cypher(text, parameters)

    def query(self, name: str, /, **parameters: Any) -> Rows:
        """The answer to a named question (docs/queries.md, `circuits query`).

        Raises:
            SpecError: No such question or parameter, or one is missing or not with such a value.
            NotFoundError: The graph has no circuit, model, … of this name or id.
        """
        from graph_schema.store.questions.ask import check, find_question

        check(find_question(name), parameters)  # before a service is started for nothing
        return self.service.query(name, parameters)

    @cached_property
    def motifs(self) -> Motifs:
        """What there is to do with motifs: list, add, find, test."""
        return Motifs(self)
