"""The client: submit jobs, follow them, read circuits, ask the graph.

Nothing heavy is loaded by importing this; the driver comes in with the first call that needs the
graph, and torch never does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from graph_schema.documents.jobs import JobState
from graph_schema.errors import SpecError
from workers.client.circuit import Circuit
from workers.client.comparison import Compared
from workers.client.evaluation import Evaluated
from workers.client.job import Job
from workers.client.motifs import Motifs
from workers.client.rows import Rows
from workers.evaluations import EvaluateRequest
from workers.exchange import ImportRequest, read_request
from workers.settings import Settings, read_settings
from workers.specs import DiscoverRequest, build_submission, choice, validated

if TYPE_CHECKING:
    from graph_schema.store.circuits import CircuitSummary
    from graph_schema.store.schema import SchemaSummary
    from workers.client.service import Service

MOST_COMPARED = 50


class CircuitClient:
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

    def __init__(
        self,
        broker: str | None = None,
        graph: str | None = None,
        *,
        graph_user: str | None = None,
        graph_password: str | None = None,
        artifacts: str | None = None,
        home: str | Path | None = None,
        worker: bool = True,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or read_settings(
            broker=broker,
            graph=graph,
            graph_user=graph_user,
            graph_password=graph_password,
            artifacts=artifacts,
            home=Path(home) if home is not None else None,
        )
        self._worker = worker
        self._open = ExitStack()

    def submit(
        self,
        *,
        model: str,
        task: str | None = None,
        dataset: str | Path | None = None,
        heldout: str | Path | None = None,
        method: str = "eap-ig",
        n_edges: int | None = None,
        threshold: float | Sequence[float] | None = None,
        metric: str = "logit_diff",
        ablation: str = "corrupt",
        pairs: int | None = None,
        seed: int = 0,
        revision: str | None = None,
        label: str | None = None,
        task_params: Mapping[str, Any] | None = None,
        method_params: Mapping[str, Any] | None = None,
        by: Literal["abs", "signed"] = "abs",
        draws: int = 1,
        add_bos: bool | None = None,
        answers: Literal["single", "first_difference"] = "single",
        misfits: Literal["refuse", "leave_out"] = "refuse",
        receivers: Literal["query_head", "kv_group"] = "query_head",
        exact_top: int | None = None,
        keep_pair_scores: bool = False,
        evaluation: Literal["quick", "full"] = "quick",
        dtype: str = "float32",
        device: str = "cpu",
        chunk: int | None = None,
        priority: int = 5,
        force: bool = False,
    ) -> Job:
        """Ask for a circuit; the same request twice is one job.

        Give exactly one of `task` and `dataset`, and exactly one of `n_edges` and `threshold`.

        Args:
            model: Hub id, folder (absolute, `./…`, `~/…`) or `.gguf` file.
            task: A built-in task; `task_params` are its parameters, `pairs` how many it makes.
            dataset: Your own pairs, a JSONL file, filed under `label` (default: its name).
            heldout: Pairs to judge the circuit on, in place of a part of `dataset`.
            method: `exact`, `eap`, `eap-ig` or `acdc`, with `method_params` (`steps`,
                `endpoint`, `over`; `candidates`, `proposed_by`).
            n_edges: How many edges to keep.
            threshold: The score that an edge must reach to be kept, in the metric's units; of
                several, each gives a circuit (`job.results()`).
            metric: What is measured on a pair.
            ablation: What takes an edge's place, with `draws` where it is `resample`.
            seed: Seed of everything random.
            revision: Branch, tag or commit of a hub model.
            by: Rank edges by `abs` or `signed` score.
            add_bos: Force a BOS token on or off; None leaves it to the tokenizer.
            answers: Answers are `single` tokens, or the `first_difference` of several is taken.
            misfits: Pairs of a dataset that do not fit the tokenizer `refuse` the dataset, or
                `leave_out` just these.
            receivers: Patch every `query_head`'s inputs alone, or the keys, and the values, of a
                whole `kv_group` (grouped queries).
            exact_top: Test so many of the best edges that `eap` or `eap-ig` keeps exactly.
            keep_pair_scores: Store every edge's score on every pair (`circuit.pair_scores()`).
            evaluation: `quick`, or `full` with tests and stability.
            dtype: What the model computes in.
            device: Where it runs; with `chunk` and `priority` outside the job's identity.
            chunk: Pairs computed at once.
            priority: 0 to 9, on Redis.
            force: Run again what has ended before.

        Raises:
            SpecError: The request is wrong; nothing was sent.
            MissingExtraError: The local service has no torch to work with.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        request = DiscoverRequest(
            model=model,
            revision=revision,
            task=task,
            task_params=task_params,
            dataset=dataset,
            heldout=heldout,
            label=label,
            pairs=pairs,
            method=method,
            method_params=method_params,
            n_edges=n_edges,
            threshold=threshold,
            by=by,
            metric=metric,
            ablation=ablation,
            draws=draws,
            add_bos=add_bos,
            answers=answers,
            misfits=misfits,
            receivers=receivers,
            exact_top=exact_top,
            keep_pair_scores=keep_pair_scores,
            evaluation=evaluation,
            dtype=dtype,
            seed=seed,
            device=device,
            chunk=chunk,
            priority=priority,
        )
        return self.submit_request(request, force=force)

    def submit_request(self, request: DiscoverRequest, *, force: bool = False) -> Job:
        """`submit`, with the request as one value."""
        submission = build_submission(request, self.settings.limits, self.settings.cache_dir)
        self._require_worker()
        return Job(self, self.service.submit(submission, force=force))

    def evaluate(
        self,
        circuit: str,
        *,
        task: str | None = None,
        dataset: str | Path | None = None,
        heldout: str | Path | None = None,
        model: str | None = None,
        revision: str | None = None,
        metric: str | None = None,
        ablation: str | None = None,
        pairs: int | None = None,
        seed: int | None = None,
        label: str | None = None,
        task_params: Mapping[str, Any] | None = None,
        draws: int | None = None,
        add_bos: bool | None = None,
        answers: Literal["single", "first_difference"] | None = None,
        evaluation: Literal["quick", "full"] = "quick",
        dtype: str | None = None,
        device: str = "cpu",
        chunk: int | None = None,
        priority: int = 5,
        force: bool = False,
    ) -> Job:
        """Judge a stored circuit, ours or imported; `job.evaluation()` is what was found.

        What is left out is the circuit's own: the pairs of its job or its import, the metric,
        ablation, dtype and seed that its figures stand on. The other arguments are `submit`'s.

        Args:
            circuit: Its id, or the first digits.
            model: Where its model lies now; the same model, by its fingerprint.

        Raises:
            SpecError: The request is wrong, or nobody has said what the circuit is for.
            NotFoundError: No circuit, or more than one, has the id.
            MissingExtraError: The local service has no torch to work with.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        request = EvaluateRequest(
            circuit=circuit,
            task=task,
            task_params=task_params,
            dataset=dataset,
            heldout=heldout,
            label=label,
            pairs=pairs,
            model=model,
            revision=revision,
            metric=metric,
            ablation=ablation,
            draws=draws,
            add_bos=add_bos,
            answers=answers,
            evaluation=evaluation,
            dtype=dtype,
            seed=seed,
            device=device,
            chunk=chunk,
            priority=priority,
        )
        return self.evaluate_request(request, force=force)

    def evaluate_request(self, request: EvaluateRequest, *, force: bool = False) -> Job:
        """`evaluate`, with the request as one value."""
        self._require_worker()
        return Job(self, self.service.submit(self.service.evaluate(request), force=force))

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

    def _require_worker(self) -> None:
        if self.settings.local:
            from workers.local import require_worker

            require_worker(self.settings)  # before the service is started for nothing

    def job(self, job_id: str) -> Job:
        """The job with this id, or with the one id that starts so.

        Raises:
            NotFoundError: None, or more than one.
        """
        return Job(self, self.service.job(job_id))

    def jobs(self, state: JobState | str | None = None, limit: int = 100) -> list[Job]:
        """Jobs, the newest first; `state` picks those in one state.

        Raises:
            SpecError: There is no such state.
        """
        if limit < 1:
            raise SpecError(f"limit is {limit}; expected 1 or more")
        states = tuple(JobState) if state is None else (choice("state", JobState, state),)
        return [Job(self, record) for record in self.service.jobs(states, limit)]

    def circuit(self, circuit_id: str) -> Circuit:
        """The circuit with this id, or with the one id that starts so.

        Raises:
            NotFoundError: None, or more than one.
        """
        return self.service.circuit(circuit_id)

    def import_circuit(
        self,
        file: str | Path,
        *,
        model: str,
        revision: str | None = None,
        format: str | None = None,
        task: str | None = None,
        dataset: str | Path | None = None,
        heldout: str | Path | None = None,
        label: str | None = None,
        task_params: Mapping[str, Any] | None = None,
        pairs: int | None = None,
        metric: str | None = None,
        ablation: str | None = None,
        draws: int | None = None,
    ) -> Circuit:
        """Store a circuit of another tool; the same file again is the same circuit.

        Until it is evaluated, importing it again may say anew what it is for; the rest stays.

        Args:
            file: EAP-IG's or MIB's JSON or `.pt`, node-link JSON, GraphML or CSV.
            model: Hub id, folder, or the first digits of a stored model's fingerprint.
            revision: Branch, tag or commit of a hub model.
            format: Where the file's name does not say it.
            task: What the circuit is for; or `dataset`, with `heldout` and `label`.
            dataset: Pairs that it is for, a JSONL file.
            heldout: Pairs to judge it on.
            label: What `dataset` is filed under.
            task_params: Parameters of the task.
            pairs: How many the task makes.
            metric: What its scores are of; else what the file says.
            ablation: What took an edge's place; else what the file says, with `draws`.

        Raises:
            SpecError: The request is wrong, the file corrupt or too large, or the circuit does not
                fit the model; nothing was stored.
            StoreUnavailable: The graph cannot be reached.
        """
        request = ImportRequest(
            file=file,
            model=model,
            revision=revision,
            format=format,
            task=task,
            task_params=task_params,
            dataset=dataset,
            heldout=heldout,
            label=label,
            pairs=pairs,
            metric=metric,
            ablation=ablation,
            draws=draws,
        )
        return self.import_request(request)

    def import_request(self, request: ImportRequest) -> Circuit:
        """`import_circuit`, with the request as one value."""
        read = read_request(request, self.settings.limits)  # before a service is started
        return self.circuit(self.service.import_circuit(request, read).circuit_id)

    def circuits(self, **wanted: Any) -> list[CircuitSummary]:
        """Summaries of circuits, the newest first.

        Args:
            wanted: What to pick: `task`, `model` (name, family or fingerprint), `method`,
                `job_id`, `min_faithfulness`, `max_edges`, `limit` (50).

        Raises:
            SpecError: There is no such filter, or not with such a value.
        """
        from graph_schema.store.circuits import CircuitFilter

        return list(self.service.circuits(validated(CircuitFilter, wanted)))

    def schema(self) -> SchemaSummary:
        """The data model, with how much of each is stored and an example query for each."""
        return self.service.schema()

    def cypher(self, text: str, /, **parameters: Any) -> Rows:
        """The answer to a reading query; `parameters` are its `$name`s.

        Raises:
            CypherError: The query is refused or fails; the message says what and why.
        """
        from graph_schema.store.guard import guard

        guard(text)  # again where it is run; here before a service is started for nothing
        return self.service.cypher(text, parameters)

    def query(self, name: str, /, **parameters: Any) -> Rows:
        """The answer to a named question (docs/queries.md, `circuits query`).

        Raises:
            SpecError: No such question or parameter, or one is missing or not with such a value.
            NotFoundError: The graph has no circuit, model, … of this name or id.
        """
        from graph_schema.store.asking import check, find_question

        check(find_question(name), parameters)  # before a service is started for nothing
        return self.service.query(name, parameters)

    @cached_property
    def motifs(self) -> Motifs:
        """What there is to do with motifs: list, add, find, test."""
        return Motifs(self)

    @cached_property
    def service(self) -> Service:
        """The connected service; made when it is first needed."""
        from workers.client.service import connect

        return self._open.enter_context(connect(self.settings, worker=self._worker))

    def close(self) -> None:
        """Let go of the connections. Jobs go on."""
        self._open.close()
        self.__dict__.pop("service", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
