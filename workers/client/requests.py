"""What a client asks for: a circuit, a judgement of one, a place for another tool's.

Each keyword is a field of a request (`workers/requests`), which is what the command line makes as
well; they are written out here because this is where a user reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from workers.client.connection import Connection
from workers.client.job import Job
from workers.requests.dictionaries import AskedDictionary
from workers.requests.discover import DiscoverRequest, build_submission
from workers.requests.evaluate import EvaluateRequest
from workers.requests.exchange import ImportRequest, read_request
from workers.results.circuit import Circuit


class Requests(Connection):
    """A connection that asks: `submit`, `evaluate`, `import_circuit`."""

    def submit(
        self,
        *,
        model: str,
        task: str | None = None,
        dataset: str | Path | None = None,
        heldout: str | Path | None = None,
        method: str | None = None,
        granularity: Literal["head", "neuron", "dictionary"] = "head",
        dictionaries: Sequence[AskedDictionary] = (),
        candidates: int | Mapping[str, Any] | None = None,
        n_edges: int | None = None,
        threshold: float | Sequence[float] | None = None,
        metric: str | None = None,
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
        alternatives: int = 1,
        evaluation: Literal["quick", "full"] = "quick",
        dtype: str = "float32",
        device: str = "cpu",
        memory: int | None = None,
        chunk: int | None = None,
        priority: int = 5,
        shards: int = 1,
        force: bool = False,
    ) -> Job:
        """Ask for a circuit; the same request twice is one job.

        Give exactly one of `task` and `dataset`, and exactly one of `n_edges` and `threshold`.

        Args:
            model: Hub id, folder (absolute, `./…`, `~/…`) or `.gguf` file.
            task: A built-in task; `task_params` are its parameters, `pairs` how many it makes.
            dataset: Your own pairs, a JSONL file, filed under `label` (default: its name).
            heldout: Pairs to judge the circuit on, in place of a part of `dataset`.
            method: `exact`, `eap`, `eap-ig` (the default), `two-leg` (of neurons and features),
                `mask-ig` or `acdc`, with `method_params` (`steps`, `endpoint`, `over`;
                `candidates`, `proposed_by`).
            granularity: What nodes are: heads and MLPs, or every MLP's `neuron`s, or the features
                of a `dictionary` (the default where `dictionaries` are given).
            dictionaries: SAEs and transcoders: folders, hub paths (`org/name/path`, with
                `?hook=…` where the files do not say what they are of), or mappings with `name`,
                `path`, `revision`, `hook`, `hook_out` and `format`.
            candidates: How many units are nodes (256), or `{"n": …, "per": "all" or "layer",
                "by": "ig", "relp" or "gradient"}`; the others write together as `rest`.
            n_edges: How many edges to keep.
            threshold: The score that an edge must reach; of several, each gives a circuit.
            metric: What is measured on a pair; None for the task's own (`logit_diff`, mostly).
            ablation: What takes an edge's place, with `draws` where it is `resample`.
            seed: Seed of everything random.
            revision: Branch, tag or commit of a hub model.
            by: Rank edges by `abs` or `signed` score.
            add_bos: Force a BOS token on or off; None leaves it to the tokenizer.
            answers: Answers are `single` tokens, or the `first_difference` of several is taken.
            misfits: Pairs that do not fit the tokenizer `refuse` the dataset, or `leave_out` these.
            receivers: Patch each `query_head` alone, or keys and values of a whole `kv_group`.
            exact_top: Test so many of the best edges that an estimate keeps exactly.
            keep_pair_scores: Store every edge's score on every pair (`circuit.pair_scores()`).
            alternatives: Find so many circuits, each unlike those before and comparably faithful
                (`job.results()`); not with `acdc`.
            evaluation: `quick`, or `full` with tests and stability.
            dtype: What the model computes in.
            device: What its worker must have (`auto`: whatever there is), with so many GiB of
                `memory`; these and those up to `shards` are outside the job's identity.
            chunk: Pairs computed at once.
            priority: 0 to 9; 9 goes first.
            shards: Score the edges in so many parts of the pairs, each by any worker; not `acdc`.
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
            granularity=granularity,
            dictionaries=dictionaries,
            candidates=candidates,
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
            alternatives=alternatives,
            evaluation=evaluation,
            dtype=dtype,
            seed=seed,
            device=device,
            memory=memory,
            chunk=chunk,
            priority=priority,
            shards=shards,
        )
        return self.submit_request(request, force=force)

    def submit_request(self, request: DiscoverRequest, *, force: bool = False) -> Job:
        """`submit`, with the request as one value."""
        submission = build_submission(request, self.settings.limits, self.settings.cache_dir)
        self._require_worker()
        return Job(self, self.service.submit(submission, force=force), submission)

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
        misfits: Literal["refuse", "leave_out"] | None = None,
        evaluation: Literal["quick", "full"] = "quick",
        dtype: str | None = None,
        device: str = "cpu",
        memory: int | None = None,
        chunk: int | None = None,
        priority: int = 5,
        force: bool = False,
    ) -> Job:
        """Judge a stored circuit, ours or imported; `job.evaluation()` is what was found.

        What is left out is the circuit's own: the pairs of its job or its import, the metric,
        ablation, dtype and seed that its figures stand on. The other arguments are `submit`'s.

        Args:
            circuit: Its id, or the first digits.
            model: Where its model lies now: the same files, or others of the same weights.

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
            misfits=misfits,
            evaluation=evaluation,
            dtype=dtype,
            seed=seed,
            device=device,
            memory=memory,
            chunk=chunk,
            priority=priority,
        )
        return self.evaluate_request(request, force=force)

    def evaluate_request(self, request: EvaluateRequest, *, force: bool = False) -> Job:
        """`evaluate`, with the request as one value."""
        from workers.client.stored import evaluation_asked

        self._require_worker()
        submission = evaluation_asked(self.service, request)
        return Job(self, self.service.submit(submission, force=force), submission)

    def import_circuit(
        self,
        file: str | Path,
        *,
        model: str | None = None,
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
        n_edges: int | None = None,
        threshold: float | None = None,
        by: str = "abs",
    ) -> Circuit:
        """Store a circuit of another tool; the same file again is the same circuit.

        Until it is evaluated, importing it again may say anew what it is for; the rest stays.

        Args:
            file: EAP-IG's, MIB's, Neuronpedia's or node-link JSON, `.pt`, GraphML or CSV.
            model: Hub id (with `revision`), folder, or the first digits of a stored model's
                fingerprint; a graph of Neuronpedia's names its own.
            format: Where the file's name does not say it.
            task: What the circuit is for, with `task_params` and `pairs`, how many it makes.
            dataset: Or the pairs that it is for, a JSONL file filed under `label`; `heldout` are
                those to judge it on.
            metric: What its scores are of; else what the file says.
            ablation: What took an edge's place; else what the file says, with `draws`.
            n_edges: Choose so many by its scores, less dead ends; else the file's own circuit.
            threshold: Or choose those whose score, `abs` or `signed` (`by`), is at least this.

        Raises:
            SpecError: The request is wrong, the file corrupt, too large or of another model.
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
            n_edges=n_edges,
            threshold=threshold,
            by=by,
        )
        return self.import_request(request)

    def import_request(self, request: ImportRequest) -> Circuit:
        """`import_circuit`, with the request as one value."""
        read = read_request(request, self.settings.limits)  # before a service is started
        return self.service.circuit(self.service.import_circuit(request, read).circuit_id)

    def _require_worker(self) -> None:
        if self.settings.local:
            from workers.local.able import require_worker

            require_worker(self.settings)  # before the service is started for nothing
