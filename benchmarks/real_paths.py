"""How SmolLM2-135M does two tasks, head by head: docs/universality.md.

    python -m benchmarks.real_paths [--model FOLDER] [--pairs N] [--write]

Of induction: what the heads carry whose pattern reaches a threshold, for several. Of the indirect
object: the heads with the largest effects on the roles job's discovery pairs, whatever their
pattern, and the paths between them, patched as in an effects job: the senders ablated, seen through
one channel of the receivers alone. All figures are of held-out pairs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.page import cpu, put, versions
from benchmarks.real_universality import FOLDER, PAGE, between
from benchmarks.real_universality import share as of_share
from discovery.engine.attention import attention
from discovery.engine.experiment import Experiment, pad
from discovery.engine.forward import logits_at
from discovery.evaluation.measured import Measured
from discovery.models import ModelAdapter
from discovery.models.inspecting import inspect_model
from discovery.models.load import load_model
from discovery.roles.causal import silenced_on
from discovery.roles.group_effects import losses
from discovery.roles.names import Named, named
from discovery.roles.path_patching import Patch
from discovery.roles.patterns import patterns
from discovery.roles.probes import repeats
from discovery.roles.transduction import of_repeats, transduction
from discovery.roles.watching import AtLayer, watched
from discovery.tasks import TASKS
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import (
    AblationSpec,
    Channel,
    Component,
    InductionTask,
    IoiTask,
    Metric,
    ModelSource,
    RoleName,
    head_name,
)
from graph_schema.documents import Split as OfData
from graph_schema.intervals import group_interval

GROUPS = {
    "duplicates": ("a2.h4", "a5.h6", "a8.h0", "a8.h1", "a9.h2"),
    "induction": ("a17.h4",),
    "inhibitors": ("a19.h2", "a20.h0"),
    "movers": ("a23.h0", "a23.h1", "a23.h7"),
    "suppressor": ("a23.h3",),
    "negative mover": ("a24.h4",),
}
PATHS = (
    ("duplicates", Channel.V, "inhibitors"),
    ("induction", Channel.V, "inhibitors"),
    ("duplicates", Channel.K, "inhibitors"),
    ("inhibitors", Channel.Q, "movers"),
    ("inhibitors", Channel.Q, "negative mover"),
    ("inhibitors", Channel.Q, "suppressor"),
    ("duplicates", Channel.K, "suppressor"),
    ("duplicates", Channel.V, "suppressor"),
)
PREVIOUS, THRESHOLDS = "a16.h0", (0.3, 0.2, 0.1)
PLACES = ("io", "s1", "s2")


def share(change: NDArray[np.float64], split: Measured) -> str:
    """A change as a share of the gap, with its interval over groups."""
    low, high, _ = group_interval(change, split.groups, over=split.gap, seed=split.seed)
    return f"{change.sum() / split.gap.sum():.2f} {between(low, high)}"


def heads_table(
    split: Measured, adapter: ModelAdapter, prompts: tuple[Named, ...]
) -> Iterator[str]:
    """Each group ablated, what it writes to the logits itself, and each head's looks and writes."""
    graph = split.experiment.graph
    numbers = {name: graph.senders_of(heads) for name, heads in GROUPS.items()}
    gone = silenced_on(split.experiment, split.pairs, list(numbers.values()))
    direct = losses(
        split.experiment,
        split.pairs,
        [Patch(tuple(own), (graph.logits,), tuple(own)) for own in numbers.values()],
    )
    yield "| heads | ablated | to the logits directly | from the end to io, s1, s2; lens |"
    yield "| --- | --- | --- | --- |"
    for (name, heads), loss, own in zip(GROUPS.items(), gone, direct, strict=True):
        seen = "; ".join(f"{head} {looks(adapter, prompts, head)}" for head in heads)
        cells = share(loss - split.full.loss, split), share(own - split.full.loss, split)
        yield f"| {name} | {' | '.join(cells)} | {seen} |"


def looks(adapter: ModelAdapter, prompts: tuple[Named, ...], name: str) -> str:
    """Attention to the names, and where the name most looked at stands in what the head writes.

    The lens: of all tokens' logits from the head's value and output there, which place that name
    has, 1 the highest; median over prompts.
    """
    component = Component.parse(name)
    layer, head = component.layer, component.head
    assert head is not None, "these are heads"
    batch = pad(adapter, [each.clean.tokens for each in prompts])
    rows = torch.arange(len(prompts))
    places = {name: torch.tensor([each.clean.places[name] for each in prompts]) for name in PLACES}
    found: list[str] = []

    def look(at: AtLayer) -> None:
        if at.layer != layer:
            return
        weights = attention(adapter, batch, at.layer, at.q, at.k)[rows, head, batch.last]
        mean = {name: float(weights[rows, place].mean()) for name, place in places.items()}
        most = max(mean, key=lambda name: mean[name])
        value = at.v[rows, head, places[most]][:, None, None]
        written = adapter.head_out(at.layer, value, [head])[:, 0, 0]
        logits = logits_at(adapter, adapter.post_norm(at.layer, "attn", written)).float()
        own = logits[rows, batch.tokens[rows, places[most]]]
        place = int((logits > own[:, None]).sum(-1).median()) + 1
        found.append(" ".join(f"{value:.2f}" for value in mean.values()))
        if mean[most] >= 0.1:
            found.append(f"{most} at {place} of {logits.shape[-1]}")

    watched(adapter, batch, look)
    return ", ".join(found)


def paths_table(split: Measured) -> Iterator[str]:
    graph = split.experiment.graph
    patches = [
        Patch(
            tuple(graph.senders_of(GROUPS[sender])),
            tuple(graph.inputs_of(GROUPS[receiver], [channel])),
        )
        for sender, channel, receiver in PATHS
    ]
    yield "| path | share |"
    yield "| --- | --- |"
    for (sender, channel, receiver), loss in zip(
        PATHS, losses(split.experiment, split.pairs, patches), strict=True
    ):
        name = f"{sender} -{channel.value}-> {receiver}"
        yield f"| {name} | {share(loss - split.full.loss, split)} |"


def thresholds_table(adapter: ModelAdapter, vocabulary: Vocabulary, seed: int = 0) -> Iterator[str]:
    """What heads with an induction pattern carry, by how much of it is asked."""
    task = InductionTask(length=24, max_period=10)
    made = TASKS["induction"](task, vocabulary, 16, seed)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), made.discovery)
    split = Measured(experiment, OfData.HELDOUT, made.heldout, seed=seed)
    conditions = repeats(task, vocabulary, 16, seed)
    scores = patterns(adapter, conditions).scores[RoleName.INDUCTION]
    least = np.min(list(scores.values()), axis=0)
    of_tokens = [each for each in conditions if each.name.startswith("period")]
    swaps, graph = of_repeats(of_tokens, vocabulary, 16, seed), experiment.graph
    previous = tuple(graph.senders_of([PREVIOUS]))
    yield f"| pattern | heads | moved | same answer | {PREVIOUS} -k-> them | them -> logits |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for threshold in THRESHOLDS:
        heads = [(int(layer), int(head)) for layer, head in np.argwhere(least >= threshold)]
        names = [head_name(*head) for head in heads]
        carried = transduction(adapter, RoleName.INDUCTION, heads, swaps, seed=seed)
        keys = tuple(graph.inputs_of(names, [Channel.K]))
        found = losses(
            experiment,
            split.pairs,
            [Patch(previous, keys), Patch(tuple(graph.senders_of(names)), (graph.logits,))],
        )
        shares = (share(loss - split.full.loss, split) for loss in found)
        moved = of_share(carried.moved), of_share(carried.same_answer)
        yield f"| {threshold} | {len(heads)} | {' | '.join((*moved, *shares))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=FOLDER / "smollm2-135m")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    source = ModelSource(name=str(given.model))
    inspected = inspect_model(source)
    adapter = load_model(source, fingerprint=None, inspected=inspected).adapter
    vocabulary = Vocabulary(inspected.d_vocab, inspected.tokenizer, None, inspected.n_ctx)
    pairs = TASKS["ioi"](IoiTask(), vocabulary, given.pairs, 0)
    prompts = tuple(each for several in named(vocabulary, 8, 0).values() for each in several)
    lines: list[str] = []

    def work() -> None:
        experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs.discovery)
        split = Measured(experiment, OfData.HELDOUT, pairs.heldout, seed=0)
        lines.extend(heads_table(split, adapter, prompts))
        lines.append("")
        lines.extend(paths_table(split))

    seconds = cpu(work)
    told = f"`python -m benchmarks.real_paths`: {given.pairs} held-out pairs, seed 0; {seconds:.0f}"
    section = [f"{told} CPU s; {versions('torch', 'transformers')}.", "", *lines]
    print("\n".join(section))
    lines = list(thresholds_table(adapter, vocabulary))
    print("\n".join(lines))
    if given.write:
        put("real thresholds", "\n".join(lines), PAGE)
        put("real paths", "\n".join(section), PAGE)


if __name__ == "__main__":
    main()
