"""`plan`: what a request will need, before anything is downloaded, stored or run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from graph_schema.datasets.file import read_jsonl
from graph_schema.dictionaries import describe
from graph_schema.documents import Acdc, DatasetDocument, Limits, Split, TaskData, Thresholds
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import LimitError, SpecError
from graph_schema.printable import whole_number
from workers.cli.asking import asks_for_a_circuit
from workers.cli.command_line import command
from workers.cli.options import AsJson, whole
from workers.cli.output import emit, emit_json
from workers.requests.dictionaries import source_named
from workers.requests.discover import DiscoverRequest, drafted, placed, without_dictionaries
from workers.requests.pairs import source_of
from workers.requests.zoo_names import place_of
from workers.settings import read_settings

if TYPE_CHECKING:
    from discovery.jobs.sizes import CutSizes

TOKENS = 32
ALL_KEPT = "one threshold, and every edge kept: where few are, acdc takes far less than this"
Tokens = Annotated[
    int | None,
    typer.Option(parser=whole, metavar="N", help="Tokens of the longest prompt (32)."),
]


@command(
    "circuits plan --model openai-community/gpt2 --task ioi --method eap-ig --edges 500",
    "circuits plan --model ./my-model --task ioi --method acdc --threshold 0.001 --tokens 20",
)
@asks_for_a_circuit
def plan(request: DiscoverRequest, tokens: Tokens = None, as_json: AsJson = False) -> None:
    """Estimate memory and CPU time of a request.

    Takes the options of submit, and reads the model's configuration alone.
    """
    settings = read_settings()
    draft, dataset = drafted(without_dictionaries(request), settings.limits)
    source = source_of(place_of(request.model, settings.cache_dir), request.revision)
    placement = placed(request, source)
    from workers.local.able import require_worker

    require_worker(settings)
    from discovery.jobs.estimate import GIB, plan_run
    from discovery.jobs.kept_sizes import planned_sizes

    limit = settings.limits.memory_bytes
    known = planned_sizes(source, settings.cache_dir)
    longest = known.n_ctx or max(tokens or 0, TOKENS)
    n_tokens = min(TOKENS, longest) if tokens is None else tokens
    if not 1 <= n_tokens <= longest:
        raise SpecError(
            f"--tokens is {whole_number(n_tokens)}; expected 1 to the model's {longest} positions"
        )
    sizes, (n_pairs, n_heldout) = known.sizes, _pairs(draft, dataset, settings.limits)
    swept = draft.selection
    selections = len(swept.thresholds) if isinstance(swept, Thresholds) else 1
    made = plan_run(
        sizes,
        draft.method,
        n_pairs=n_pairs,
        n_heldout=n_heldout,
        draws=draft.ablation.draws,
        n_tokens=n_tokens,
        metric=draft.metric,
        dtype=draft.dtype,
        exact_top=draft.exact_top,
        keep_pair_scores=draft.keep_pair_scores,
        selections=selections,
        alternatives=draft.alternatives,
        chunk=placement.chunk,
        limit=limit,
        cut=_cut(request, draft),
    )
    shard_seconds = made.cpu_seconds["scores"] / request.shards
    n_circuits, refusal = selections * draft.alternatives, ""
    try:
        made.require(limit)
    except LimitError as error:
        refusal = str(error)
    if as_json:
        emit_json(
            asdict(made)
            | {
                "memory_bytes": made.memory_bytes,
                "n_weights": sizes.n_weights,
                "n_pairs": n_pairs,
                "n_heldout": n_heldout,
                "n_tokens": n_tokens,
                "n_circuits": n_circuits,
                "shards": request.shards,
                "shard_cpu_seconds": shard_seconds,
                "assumes_all_kept": isinstance(draft.method, Acdc),
                "refused": refusal or None,
                "ask_for_gib": -int(-made.memory_bytes // GIB),
            }
        )
        return
    facts = [
        ("model", f"{source.name}, {sizes.n_weights:,} weights, {made.n_edges:,} edges"),
        (
            "work",
            f"{draft.method.name}, {n_pairs} discovery and {n_heldout} held-out pairs of "
            f"{n_tokens} tokens, {made.chunk} at a time"
            + (f", {n_circuits} circuits" if n_circuits > 1 else ""),
        ),
        (
            "memory",
            f"about {made.memory_bytes / GIB:.1f} GiB: {made.weight_bytes / GIB:.1f} weights in "
            f"{request.dtype}, {(made.chunk_bytes + made.held_bytes) / GIB:.1f} activations",
        ),
        (
            "worker",
            f"any; to leave it to one with enough memory, submit with --memory "
            f"{-int(-made.memory_bytes // GIB)}",
        ),
        (
            "CPU time",
            f"about {_duration(made.total_seconds)}: "
            f"{_duration(made.cpu_seconds['scores'])} scores, "
            f"{_duration(made.cpu_seconds['evaluation'])} evaluation (preset quick)",
        ),
        *(
            [("shards", f"{request.shards}, about {_duration(shard_seconds)} of the scores each")]
            if request.shards > 1
            else []
        ),
        *([("assumes", ALL_KEPT)] if isinstance(draft.method, Acdc) else []),
        ("estimate", "from sizes alone, for one thread as fast as the one it was measured on"),
    ]
    facts += [("refused", refusal)] if refusal else []
    emit("\n".join(f"{label:<10}{text}" for label, text in facts))


def _cut(request: DiscoverRequest, draft: DiscoverSpec) -> CutSizes | None:
    """Into how many units components are cut; of dictionaries of the hub nothing is fetched."""
    from discovery.jobs.sizes import CutSizes

    if not request.dictionaries or draft.candidates is None:
        return CutSizes.of(draft)
    sources = [source_named(each) for each in request.dictionaries]
    if hub := [source.name for source in sources if not source.name.startswith("/")]:
        raise SpecError(
            f"dictionary {hub[0]!r} is on the hub, and a plan downloads nothing: plan with a "
            "folder of its files, or with --granularity neuron and as many units"
        )
    from discovery.dictionaries.pickled import pickled_shapes  # loads torch

    found = [each for source in sources for each in describe(source, pickled=pickled_shapes)]
    components = tuple(each.site.words for each in found)
    return CutSizes(draft.candidates, components, sum(each.n_numbers for each in found))


def _pairs(draft: DiscoverSpec, dataset: DatasetDocument | None, limits: Limits) -> tuple[int, int]:
    """How many pairs are for discovery and how many held out, if every pair fits the tokenizer."""
    if isinstance(draft.data, TaskData):
        return draft.data.pairs, draft.data.pairs
    from discovery.tasks.heldout import heldout_indices

    assert dataset is not None
    pairs = read_jsonl(dataset.jsonl.encode())
    if any(pair.split is not None for pair in pairs):
        n_heldout = sum(pair.split is Split.HELDOUT for pair in pairs)
    else:
        groups, prompts = [pair.group for pair in pairs], [(p.clean, p.corrupt) for p in pairs]
        n_heldout = len(heldout_indices(groups, prompts, draft.seed, limits.min_pairs))
    return len(pairs) - n_heldout, n_heldout


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
