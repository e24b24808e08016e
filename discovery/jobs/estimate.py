"""What a job will need, before it begins: memory and CPU seconds, from sizes alone.

Nothing is allocated, so a model of seven billion parameters is planned as fast as a tiny one. Both
figures are estimates. Memory counts the large tensors (weights; every sender's ablated and current
write for a chunk of examples; one layer's reads and gradients; the logits read). Time counts
multiplications and divides by rates that were measured on one thread at GPT-2-small shape
(docs/performance.md); another machine is another factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from discovery.engine.at_once import LOGITS, ROWS
from discovery.engine.graph import Graph
from discovery.jobs.sizes import CutSizes, Sizes
from discovery.methods.effort import PENALTIES, UNIT_STEPS
from graph_schema.documents import Acdc, AnyMethod, Eap, EapIg, Exact, MaskIg, Metric, TwoLeg
from graph_schema.errors import LimitError

GIB = 2**30
WIDTHS = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
FLOPS = 6e10
"""Operations a second of one thread in float32 matrix products, two to a multiply-add."""
OVERHEAD = 1.7
"""CPU seconds of exact tests by those of their matrix products."""
ATTRIBUTION = 0.85
"""The same for attribution, whose products are large enough for a better rate than `FLOPS`."""
CIRCUIT = 0.7
"""The same for running a circuit: what cannot reach the loss is not computed."""
EXACT_SHARE = 0.5
"""An exact test runs what lies after its receiver: on average half of the model."""
COPIES = 1.25
"""Memory of a chunk by that of the tensors counted: temporary copies."""
ENGINE_BYTES = GIB
"""What the engine gives a chunk where no chunk is set (`Experiment.fitting`)."""
RESTARTS = 1.75
"""What exact tests take of a chunk by that: what a try overwrites is held twice."""
SPENT = 500 * 2**20
"""What Python, torch and transformers take before a model is there."""
MOST = 32
"""More examples at a time than these do not make attribution faster on a CPU."""


@dataclass(frozen=True)
class RunPlan:
    """What a job is expected to need. All bytes and CPU seconds are estimates."""

    n_edges: int
    chunk: int
    """Examples at a time."""
    weight_bytes: int
    chunk_bytes: int
    score_bytes: int
    cpu_seconds: dict[Literal["scores", "evaluation"], float]
    held_bytes: int = 0
    """What ACDC holds of every example at once: a test is of the mean over all pairs."""

    @property
    def memory_bytes(self) -> int:
        return SPENT + self.weight_bytes + self.chunk_bytes + self.held_bytes + self.score_bytes

    @property
    def total_seconds(self) -> float:
        return sum(self.cpu_seconds.values())

    def require(self, limit: int | None) -> None:
        """Refuse a job that does not fit, before its weights are loaded.

        Raises:
            LimitError: Memory is over `limit` even at the chunk of the plan.
        """
        if limit is not None and self.memory_bytes > limit:
            held, fewer = "", ""
            if self.held_bytes:
                held = f", {self.held_bytes / GIB:.2f} for all pairs, which acdc holds at once"
                fewer = "fewer pairs or draws, "
            raise LimitError(
                f"the job needs about {self.memory_bytes / GIB:.2f} GiB of memory "
                f"({self.weight_bytes / GIB:.2f} for the weights, {self.chunk_bytes / GIB:.2f} for "
                f"{self.chunk} example{'s' if self.chunk > 1 else ''} at a time{held}), the limit "
                f"is {limit / GIB:.2f} GiB (setting limits.memory_bytes): use {fewer}a smaller "
                "dtype or chunk, a smaller model or shorter prompts, or raise the limit"
            )


def plan_run(
    sizes: Sizes,
    method: AnyMethod | None,
    *,
    n_pairs: int,
    n_tokens: int,
    n_heldout: int = 0,
    draws: int = 1,
    metric: Metric = Metric.LOGIT_DIFF,
    dtype: str = "float32",
    exact_top: int | None = None,
    keep_pair_scores: bool = False,
    selections: int = 1,
    alternatives: int = 1,
    chunk: int | None = None,
    limit: int | None = None,
    cut: CutSizes | None = None,
) -> RunPlan:
    """The plan of a discover job with preset `quick`, or of an evaluate job.

    Args:
        sizes: The model's.
        method: How edges are scored; None where a stored circuit is judged.
        n_pairs: Discovery pairs.
        n_tokens: Tokens of the longest prompt.
        n_heldout: Held-out pairs.
        draws: Examples a pair: of ablation `resample`.
        metric: `kl` adds a clean run.
        dtype: Of the weights.
        exact_top: How many edges of each circuit are tested exactly after attribution.
        keep_pair_scores: Whether every pair's own scores are kept.
        selections: Circuits that the scores select: of a sweep one for each threshold.
        alternatives: Circuits of each of them, further ones sought among its edges' scores.
        chunk: Examples at a time; else the most, up to 32, that fit `limit`.
        limit: Bytes of memory; None for no limit.
        cut: Into how many units components are cut; None where nodes are heads and MLPs.
    """
    graph = sizes.graph if cut is None else cut.graph(sizes)
    weights = (sizes.n_weights + (cut.n_numbers if cut else 0)) * WIDTHS[dtype]
    scores = graph.n_senders * graph.n_receivers * 8 * 2
    if keep_pair_scores:
        scores += graph.n_edges * n_pairs * 4
    width = max(4, WIDTHS[dtype])
    tests = isinstance(method, Exact) or exact_top is not None
    if (tests or isinstance(method, Acdc)) and metric.reads_whole_vocabulary:
        # Exact tests unembed several tries together.
        scores += ROWS * sizes.d_vocab * width
    one = _example_bytes(sizes, graph, n_tokens, width)
    n_examples = n_pairs * draws
    held = 0
    if isinstance(method, Acdc):
        held = n_examples * _held_bytes(sizes, graph, n_tokens, width)
    engine = 0
    if chunk is None:
        chunk = min(MOST, n_examples)
        if limit is None:
            chunk = max(1, min(chunk, ENGINE_BYTES // one))
            most = int((RESTARTS if tests else 1) * ENGINE_BYTES)
            engine = min(most, max(n_examples, n_heldout * draws) * one)
        else:
            chunk = max(1, min(chunk, (limit - SPENT - weights - scores - held) // one))
    per_pair = _pass_seconds(sizes, n_tokens)
    match method:
        case None:
            work = 0.0
        case Exact():
            work = OVERHEAD * (2 + graph.n_edges * EXACT_SHARE) * per_pair
        case Acdc(candidates=candidates):
            n_tests = min(candidates or graph.n_edges, graph.n_edges)
            work = OVERHEAD * n_tests * EXACT_SHARE * per_pair
            if candidates is not None:
                work += _attribution_seconds(method.proposed_by, graph, sizes, n_tokens)
        case _:
            work = _attribution_seconds(method, graph, sizes, n_tokens)
    n_tested = min((exact_top or 0) * selections * alternatives, graph.n_edges)
    work += OVERHEAD * n_tested * EXACT_SHARE * per_pair
    if metric is Metric.KL and method is not None:
        work += OVERHEAD * per_pair
    if cut is not None:
        n_sweeps = UNIT_STEPS if cut.asked.by == "ig" else 1
        work += ATTRIBUTION * 3 * n_sweeps * per_pair
    a_circuit = CIRCUIT * draws * (per_pair + _read_seconds(sizes, graph, n_tokens))
    tries = selections * (1 + len(PENALTIES) * (alternatives - 1)) if alternatives > 1 else 0
    evaluated = _evaluated(n_pairs, n_heldout, selections, alternatives)
    return RunPlan(
        n_edges=graph.n_edges,
        chunk=chunk,
        weight_bytes=weights,
        chunk_bytes=max(one * chunk, engine),
        score_bytes=scores,
        cpu_seconds={
            "scores": n_examples * work + tries * n_pairs * a_circuit,
            "evaluation": evaluated * a_circuit,
        },
        held_bytes=held,
    )


def _evaluated(n_pairs: int, n_heldout: int, selections: int, alternatives: int) -> int:
    """Runs of a circuit on a pair that preset `quick` takes to judge all that are found.

    M and empty once. Of each circuit itself and ten random ones on the discovery pairs; itself and
    its complement on the held-out ones, and ten points by size and by sign where scores rank it,
    which they do not where it is an alternative.
    """
    judged = n_heldout or n_pairs
    once = 2 * (n_pairs + n_heldout)
    own = 11 * n_pairs + (2 * n_heldout or n_pairs)
    ranked = own + 20 * judged
    return once + selections * (ranked + (alternatives - 1) * own)


def _example_bytes(sizes: Sizes, graph: Graph, n_tokens: int, width: int) -> int:
    """An example's tensors: two writes a sender, a layer's reads and gradients, tape, logits.

    A unit of a dictionary writes one number a position.
    """
    stream = n_tokens * sizes.d_model * width
    tape = sizes.n_layers * (4 * sizes.n_heads + 8) * stream
    mlp = sizes.n_layers * 3 * n_tokens * sizes.d_mlp * width
    writes = (2 * graph.n_dense + 6 * sizes.n_heads) * stream
    writes += 2 * graph.n_directed * n_tokens * width
    return int(COPIES * (writes + tape + mlp)) + LOGITS * sizes.d_vocab * width


def _held_bytes(sizes: Sizes, graph: Graph, n_tokens: int, width: int) -> int:
    """An example's share of ACDC's benches and states: the large tensors that all stay.

    Ablated writes of the prompt and of the window, and deltas; each layer's queries, keys, values
    and what its attention and MLP read with everything ablated.
    """
    stream = n_tokens * sizes.d_model * width
    units = 3 * graph.n_directed * n_tokens * width
    return int(COPIES * ((3 * graph.n_dense + 5 * sizes.n_layers) * stream + units))


def _pass_seconds(sizes: Sizes, n_tokens: int) -> float:
    """One run of the model on one example: weights by tokens, the logits at one position."""
    inner = sizes.n_weights - sizes.n_embeddings
    return 2 * (inner * n_tokens + sizes.d_model * sizes.d_vocab) / FLOPS


def _attribution_seconds(
    method: Eap | EapIg | TwoLeg | MaskIg, graph: Graph, sizes: Sizes, n_tokens: int
) -> float:
    """CPU seconds of one example: forwards, backwards, their products with all differences."""
    per_pair = _pass_seconds(sizes, n_tokens)
    contraction = 2 * graph.n_edges * n_tokens * sizes.d_model / FLOPS
    n_sweeps, whole = 1, 3.0
    if isinstance(method, TwoLeg):
        # Without each sender in turn, what it reaches is run again.
        whole += graph.n_senders * EXACT_SHARE
    if isinstance(method, MaskIg):
        n_sweeps, whole = method.steps, 3.0 * method.steps
    if isinstance(method, EapIg):
        n_sweeps, whole = method.steps, 2.0 + 2 * method.steps
        if method.over == "activations":
            # The input's path runs all of the model, a layer's two half of it on average.
            n_sweeps = method.steps * (1 + sizes.n_layers)
            whole = 3.0 + 2 * n_sweeps
    return ATTRIBUTION * (whole * per_pair + n_sweeps * contraction)


def _read_seconds(sizes: Sizes, graph: Graph, n_tokens: int) -> float:
    """Putting together what every receiver reads: each sender's write once an edge."""
    return 2 * graph.n_edges * n_tokens * sizes.d_model / FLOPS
