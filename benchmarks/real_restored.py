"""What two heads of induction restore in two real models, alone and with MLPs: universality.md.

    python -m benchmarks.real_restored [--write]

Everything is ablated but the motif's wiring, and then also what MLPs read from the input, from each
other and from the two heads, and their edges to these and to the logits. No other head is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

from benchmarks.page import cpu, put, versions
from benchmarks.real_universality import FOLDER, PAGE, between
from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix, Graph
from discovery.evaluation.measured import Measured
from discovery.models.inspecting import inspect_model
from discovery.models.load import load_model
from discovery.tasks import TASKS
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import AblationSpec, Channel, InductionTask, Metric, ModelSource, Split
from graph_schema.intervals import group_interval

PLAYED = {"gemma3-270m": ("a10.h1", "a11.h2"), "smollm2-135m": ("a16.h0", "a18.h6")}
"""The previous-token head and the induction head that pass in each model."""


def kept(graph: Graph, previous: str, induction: str, mlps: list[str]) -> BoolMatrix:
    """The motif's wiring and, where there are any, MLPs around it."""
    heads = (previous, induction)
    found = graph.between(["input"], heads, Channel) | graph.between(
        [induction], ["logits"], Channel
    )
    found |= graph.between([previous], [induction], [Channel.K])
    if mlps:
        found |= graph.between(["input", *heads, *mlps], [*mlps, *heads, "logits"], Channel)
    return found


def table() -> Iterator[str]:
    yield "| model | heads | alone | with the MLPs before them | with all MLPs |"
    yield "| --- | --- | --- | --- | --- |"
    for name, (previous, induction) in PLAYED.items():
        source = ModelSource(name=str(FOLDER / name))
        inspected = inspect_model(source)
        adapter = load_model(source, fingerprint=None, inspected=inspected).adapter
        vocabulary = Vocabulary(inspected.d_vocab, inspected.tokenizer, None, inspected.n_ctx)
        made = TASKS["induction"](InductionTask(length=24, max_period=10), vocabulary, 16, 0)
        experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), made.discovery)
        split, graph = Measured(experiment, Split.HELDOUT, made.heldout, seed=0), experiment.graph
        mlps = [f"m{layer}" for layer in range(graph.n_layers)]
        last = int(induction[1:].split(".")[0])
        wirings = [kept(graph, previous, induction, some) for some in ([], mlps[:last], mlps)]
        split.measure(wirings)
        cells: list[str] = []
        for wiring in wirings:
            back = split.recovered(wiring)
            low, high, _ = group_interval(back, split.groups, over=split.gap, seed=0)
            share = f"{back.sum() / split.gap.sum():.2f} {between(low, high)}"
            cells.append(f"{share} ({wiring.sum()} edges of {graph.n_edges})")
        yield f"| {name} | {previous}, {induction} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines: list[str] = []
    seconds = cpu(lambda: lines.extend(table()))
    told = f"`python -m benchmarks.real_restored`: {seconds:.0f} CPU s; "
    section = "\n".join([*lines, "", f"{told}{versions('torch', 'transformers')}."])
    print(section)
    if given.write:
        put("real restored", section, PAGE)


if __name__ == "__main__":
    main()
