"""`plan`: what a request will need, before anything is downloaded, stored or run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from graph_schema.documents import Metric
from graph_schema.errors import ResourceError
from graph_schema.fingerprint import resolve_source
from workers.checking import METHODS, choice, named
from workers.cli.app import command
from workers.cli.options import AsJson, asks_for_a_circuit, whole
from workers.cli.output import emit, emit_json
from workers.local import require_worker
from workers.settings import read_settings
from workers.specs import DiscoverRequest

PAIRS = 32
ALL_KEPT = (
    "one run that keeps every edge; where few are kept, acdc tests what can reach the logits "
    "through them alone, and may take a hundredth of this"
)
Tokens = Annotated[
    int, typer.Option(parser=whole, metavar="N", help="Tokens of the longest prompt.")
]


@command(
    "circuits plan --model openai-community/gpt2 --task ioi --method eap-ig --edges 500",
    "circuits plan --model ./my-model --task ioi --method acdc --threshold 0.001 --tokens 20",
)
@asks_for_a_circuit
def plan(request: DiscoverRequest, tokens: Tokens = 32, as_json: AsJson = False) -> None:
    """Estimate memory and CPU time of a request.

    Takes the options of submit, and reads the model's configuration alone.
    """
    settings = read_settings()
    require_worker(settings)
    from discovery.plan_run import GIB, plan_run, read_config, sizes_of

    limit = settings.limits.memory_bytes
    method: Any = named("method", METHODS, request.method, request.method_params)
    metric = choice("metric", Metric, request.metric)
    n_pairs = request.pairs or PAIRS
    source = resolve_source(request.model, request.revision)
    sizes = sizes_of(read_config(source))
    made = plan_run(
        sizes,
        method,
        n_pairs=n_pairs,
        n_heldout=n_pairs,
        draws=request.draws,
        n_tokens=tokens,
        metric=metric,
        dtype=request.dtype,
        exact_top=request.exact_top,
        keep_pair_scores=request.keep_pair_scores,
        chunk=request.chunk,
        limit=limit,
    )
    refusal = ""
    try:
        made.require(limit)
    except ResourceError as error:
        refusal = str(error)
    if as_json:
        emit_json(
            asdict(made)
            | {
                "memory_bytes": made.memory_bytes,
                "n_weights": sizes.n_weights,
                "n_pairs": n_pairs,
                "n_tokens": tokens,
                "assumes_all_kept": request.method == "acdc",
                "refused": refusal or None,
            }
        )
        return
    facts = [
        ("model", f"{source.name}, {sizes.n_weights:,} weights, {made.n_edges:,} edges"),
        (
            "work",
            f"{request.method}, {n_pairs} discovery and {n_pairs} held-out pairs of {tokens} "
            f"tokens, {made.chunk} at a time",
        ),
        (
            "memory",
            f"about {made.memory_bytes / GIB:.1f} GiB: {made.weight_bytes / GIB:.1f} weights in "
            f"{request.dtype}, {(made.chunk_bytes + made.held_bytes) / GIB:.1f} activations",
        ),
        (
            "CPU time",
            f"about {_duration(made.total_seconds)}: "
            f"{_duration(made.cpu_seconds['scores'])} scores, "
            f"{_duration(made.cpu_seconds['evaluation'])} evaluation (preset quick)",
        ),
        *([("assumes", ALL_KEPT)] if request.method == "acdc" else []),
        ("estimate", "from sizes alone, for one thread as fast as the one it was measured on"),
    ]
    facts += [("refused", refusal)] if refusal else []
    emit("\n".join(f"{label:<10}{text}" for label, text in facts))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
