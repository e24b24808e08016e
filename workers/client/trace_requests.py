"""What a client asks about one prompt: its attribution graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from workers.client.bulk import ManyRequests
from workers.client.job import Job
from workers.requests.dictionaries import AskedDictionary
from workers.requests.discover import Submission
from workers.requests.trace import TraceRequest, build_trace


class TraceRequests(ManyRequests):
    """A connection that asks for attribution graphs: `trace`."""

    def trace(
        self,
        *,
        model: str,
        prompt: str | Sequence[int],
        targets: Sequence[str | int] = (),
        dictionaries: Literal["neurons"] | Sequence[AskedDictionary] = "neurons",
        heads: bool = False,
        exact_top: int | None = None,
        max_feature_nodes: int = 3000,
        max_edges: int = 20_000,
        max_n_logits: int = 10,
        desired_logit_prob: float = 0.95,
        node_threshold: float = 0.8,
        edge_threshold: float = 0.98,
        skip_positions: int = 1,
        add_bos: bool | None = None,
        revision: str | None = None,
        dtype: str = "float32",
        device: str = "cpu",
        memory: int | None = None,
        priority: int = 5,
        force: bool = False,
    ) -> Job:
        """Ask for the attribution graph of one prompt; the job's result is a circuit.

        Args:
            model: Hub id, folder (absolute, `./…`, `~/…`) or `.gguf` file.
            prompt: Text, or token ids.
            targets: Tokens whose logits are nodes: text that is one token (`" Paris"`), or ids.
                Without any, the likeliest that hold `desired_logit_prob`, at most `max_n_logits`.
            dictionaries: Every MLP's `"neurons"`, or transcoders and SAEs on MLPs' outputs.
            heads: Attention heads are nodes too, with query, key and value inputs.
            exact_top: Test so many of the strongest edges by intervention (`edge.exact`).
            max_feature_nodes: How many units become nodes, by influence.
            max_edges: How many edges are kept at most.
            max_n_logits: How many logits are nodes at most.
            desired_logit_prob: The probability that they hold, at least.
            node_threshold: The share of influence that the kept nodes hold.
            edge_threshold: The share of it that the kept edges carry.
            skip_positions: Positions at the start at which no unit is a node.
            add_bos: Force a BOS token on or off; None leaves it to the tokenizer.
            revision: Branch, tag or commit of a hub model.
            dtype: What the model computes in.
            device: What its worker must have (`auto`: whatever there is), with so many GiB of
                `memory`; these and `priority` are outside the job's identity.
            priority: 0 to 9; 9 goes first.
            force: Run again what has ended before.

        Raises:
            SpecError: The request is wrong; nothing was sent.
            MissingExtraError: The local service has no torch to work with.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        request = TraceRequest(
            model=model,
            prompt=prompt,
            revision=revision,
            targets=targets,
            dictionaries=dictionaries,
            add_bos=add_bos,
            heads=heads,
            max_feature_nodes=max_feature_nodes,
            max_edges=max_edges,
            max_n_logits=max_n_logits,
            desired_logit_prob=desired_logit_prob,
            node_threshold=node_threshold,
            edge_threshold=edge_threshold,
            skip_positions=skip_positions,
            exact_top=exact_top,
            dtype=dtype,
            device=device,
            memory=memory,
            priority=priority,
        )
        return self.trace_request(request, force=force)

    def trace_request(self, request: TraceRequest, *, force: bool = False) -> Job:
        """`trace`, with the request as one value."""
        submission = self.trace_asked(request)
        self._require_worker()
        return Job(self, self.service.submit(submission, force=force), submission)

    def trace_asked(self, request: TraceRequest) -> Submission:
        """The checked request, not yet sent."""
        return build_trace(request, self.settings.limits, self.settings.cache_dir)
