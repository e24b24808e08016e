"""Group interventions equal the slow exact ways: hooks on transformers' modules, the textbook."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from discovery.engine.experiment import Bench, Experiment
from discovery.engine.forward import run
from discovery.engine.graph import Graph
from discovery.engine.pair_values import values
from discovery.engine.state import State
from discovery.models import ModelAdapter
from discovery.roles.group_effects import losses
from discovery.roles.path_patching import Patch
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, Channel, Metric
from graph_schema.errors import SpecError
from tests.discovery import textbook
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import tiny

FAMILIES = ["gpt2", "llama", "neox-parallel", "gemma3"]
"""One of each kind: biases, grouped queries, parallel blocks, post-norms with windows."""
PAIRS = made_pairs(4, lengths=(6, 4))
SENDERS, RECEIVERS = ("a0.h0", "a0.h2"), ("a1.h1",)


def _experiment(family: str, ablation: Ablation = Ablation.CORRUPT, layers: int = 2) -> Experiment:
    return Experiment(
        tiny(family, layers=layers), Metric.LOGIT_DIFF, AblationSpec(kind=ablation), PAIRS
    )


def _patch(experiment: Experiment, channel: Channel, **fields: Any) -> Patch:
    graph = experiment.graph
    return Patch(
        tuple(graph.senders_of(SENDERS)), tuple(graph.inputs_of(RECEIVERS, [channel])), **fields
    )


class Hooked:
    """A two-layer model of transformers, and what hooks on its modules see and put in place."""

    def __init__(self, family: str, adapter: ModelAdapter) -> None:
        self.model: Any = adapter.model  # pyright: ignore
        base = getattr(self.model, self.model.base_model_prefix)
        layers = base.h if family == "gpt2" else base.layers
        attention = [{"gpt2": "attn", "neox-parallel": "attention"}.get(family, "self_attn")] * len(
            layers
        )
        blocks = [getattr(layer, name) for layer, name in zip(layers, attention, strict=True)]
        out = {"gpt2": "c_proj", "neox-parallel": "dense"}.get(family, "o_proj")
        self.out = [getattr(block, out) for block in blocks]
        self._blocks, self._family, self._shape = blocks, family, adapter.shape

    def projection(self, channel: Channel) -> tuple[Any, Callable[[Tensor], Tensor]]:
        """Layer 1's module that makes queries, keys or values, and the view of its output."""
        block, shape = self._blocks[1], self._shape
        number = ("q", "k", "v").index(channel.value)
        width = shape.n_heads * shape.d_head
        if self._family == "gpt2":
            return block.c_attn, lambda x: x[..., number * width : (number + 1) * width]
        if self._family == "neox-parallel":
            each = 3 * shape.d_head

            def view(x: Tensor) -> Tensor:
                by_head = x.view(*x.shape[:-1], shape.n_heads, each)
                return by_head[..., number * shape.d_head : (number + 1) * shape.d_head]

            return block.query_key_value, view
        return getattr(block, f"{channel.value}_proj"), lambda x: x

    @torch.no_grad()
    def logits(self, tokens: Tensor, *hooks: tuple[Any, str, Callable[..., Any]]) -> Tensor:
        with ExitStack() as stack:
            for module, kind, hook in hooks:
                handle = getattr(module, f"register_forward_{kind}hook")(hook)
                stack.callback(handle.remove)
            return self.model(tokens).logits

    def heads_of(self, z: Tensor, heads: list[int]) -> Tensor:
        return z.view(*z.shape[:-1], self._shape.n_heads, self._shape.d_head)[..., heads, :]


def _by_hooks(family: str, adapter: ModelAdapter, pair: TokenPair, channel: Channel) -> Tensor:
    """The logits where layer 1's head reads, on one channel, a model with layer 0's patched."""
    hooked = Hooked(family, adapter)
    clean, corrupt = torch.tensor([pair.clean]), torch.tensor([pair.corrupt])
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: Any, args: tuple[Tensor, ...], *out: Tensor) -> None:
            seen[name] = (out[0] if out else args[0]).clone()

        return hook

    def put(name: str, heads: list[int]) -> Callable[..., tuple[Tensor]]:
        def hook(module: Any, args: tuple[Tensor]) -> tuple[Tensor]:
            z = args[0].clone()
            hooked.heads_of(z, heads)  # a copy: written by index below
            by_head = z.view(*z.shape[:-1], adapter.shape.n_heads, adapter.shape.d_head)
            by_head[..., heads, :] = hooked.heads_of(seen[name], heads)
            return (z,)

        return hook

    projection, view = hooked.projection(channel)

    def put_channel(module: Any, args: Any, out: Tensor) -> Tensor:
        changed = out.clone()
        view(changed).copy_(view(seen["world"]))
        return changed

    hooked.logits(corrupt, (hooked.out[0], "pre_", keep("corrupt")))
    hooked.logits(
        clean, (hooked.out[0], "pre_", put("corrupt", [0, 2])), (projection, "", keep("world"))
    )
    # Every head that shares the keys sees them here; of what comes out only one is put back.
    hooked.logits(clean, (projection, "", put_channel), (hooked.out[1], "pre_", keep("z")))
    return hooked.logits(clean, (hooked.out[1], "pre_", put("z", [1])))[0, -1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channel", [Channel.Q, Channel.K, Channel.V])
def test_a_share_equals_path_patching_by_hooks(family: str, channel: Channel) -> None:
    experiment = _experiment(family)
    (found,) = losses(experiment, PAIRS, [_patch(experiment, channel)], chunk=4)
    (clean,) = values(experiment, PAIRS, [experiment.graph.upstream])
    for number, pair in enumerate(PAIRS):
        last = _by_hooks(family, experiment.adapter, pair, channel)
        wanted = last[list(pair.answers[0])].mean() - last[pair.wrong_answers[0][0]]
        assert found[number] == pytest.approx(-float(wanted), abs=2e-4)
    assert np.abs(found - clean.loss).max() > 0.01


class PathTextbook(textbook.Textbook):
    """The textbook forward in which some edges carry what another run of the model writes."""

    def __init__(self, bench: Bench, world: list[Tensor], edges: set[tuple[int, int]]) -> None:
        super().__init__(bench, bench.experiment.graph.upstream)
        self._world, self._edges = world, edges

    def sent(self, sender: int, receiver: int) -> Tensor:
        if (sender, receiver) in self._edges:
            return self._world[sender]
        return super().sent(sender, receiver)


def _by_textbook(bench: Bench, patch: Patch) -> Tensor:
    graph = bench.experiment.graph
    ablated = textbook.ablated(bench)
    put = {sender: ablated[sender] for sender in patch.senders}
    if patch.where is not None:
        clean = run(bench.experiment.adapter, graph, bench.batch, bench.experiment.dtype).writes
        for row, example in enumerate(bench.examples):
            keep = [at for at, chosen in enumerate(patch.where(example)) if not chosen]
            for sender in put:
                put[sender] = put[sender].clone()
                put[sender][row, keep] = clean[sender, row, keep]
    world = textbook.Textbook(bench, graph.upstream, pinned=put)
    world.logits()
    carriers = range(graph.n_senders) if patch.carriers is None else patch.carriers
    edges = {
        (sender, receiver)
        for sender in carriers
        for receiver in patch.receivers
        if sender < graph.n_upstream[receiver]
    }
    logits = PathTextbook(bench, world.writes, edges).logits()
    return bench.objective.loss(logits)


def _every_other(example: Any) -> list[bool]:
    return [at % 2 == 0 for at in range(len(example.pair.clean))]


def _over_layers(graph: Graph, senders: tuple[int, ...]) -> list[Patch]:
    """Inputs of several layers, MLPs' and the logits' among them, and carriers between these."""
    several = tuple(graph.inputs_of(["a1.h0", "m1", "a2.h1", "m2"], Channel))
    every, last = tuple(range(graph.n_senders)), (graph.head_sender(2, 1), graph.mlp_sender(2))
    return [
        Patch(senders, several),
        Patch(senders, (*several, graph.logits)),
        Patch(senders, several, every),
        Patch((*senders, 0), (*several, graph.logits), (0, graph.head_sender(1, 1), *last)),
        Patch(senders, (graph.logits,), last),
        Patch((*senders, *last), (graph.logits,), (*senders, *last)),
        Patch((*senders, *last), (graph.logits,), where=_every_other),
        Patch(senders, several, ()),
    ]


@torch.no_grad()
@pytest.mark.parametrize(
    ("family", "ablation"),
    [
        ("gpt2", Ablation.ZERO),
        *(
            pytest.param(family, ablation, marks=pytest.mark.slow)
            for family, ablation in [
                *((family, Ablation.CORRUPT) for family in FAMILIES),
                ("gemma3", Ablation.RESAMPLE),
            ]
        ),
    ],
)
def test_every_kind_of_patch_equals_the_textbook(family: str, ablation: Ablation) -> None:
    experiment = _experiment(family, ablation, layers=3)
    graph = experiment.graph
    senders = graph.senders_of(["a0.h0", "a0.h2", "a1.h1"])
    receivers = graph.inputs_of(["a1.h0", "a2.h1", "a2.h2"], [Channel.K])
    mlp = (graph.mlp_sender(0),)
    every_head = [
        n for layer in range(3) for n in range(graph.n_senders)[graph.head_senders(layer)]
    ]
    patches = [
        Patch(tuple(senders), tuple(receivers)),
        Patch(tuple(senders), tuple(receivers), tuple(senders)),
        Patch(tuple(senders), tuple(receivers), mlp),
        Patch(tuple(senders), (graph.logits,)),
        Patch(tuple(senders), tuple(receivers), where=_every_other),
        Patch(tuple(every_head), tuple(receivers)),
        Patch((0,), tuple(receivers)),
        Patch(mlp, tuple(graph.inputs_of(["a2.h0"], [Channel.V]))),
        *_over_layers(graph, tuple(senders)),
    ]
    found = losses(experiment, PAIRS, patches, chunk=3)
    for examples in experiment.chunks(PAIRS, 16):
        bench = experiment.bench(examples)
        for patch, loss in zip(patches, found, strict=True):
            np.testing.assert_allclose(
                loss[bench.index], _by_textbook(bench, patch).numpy(), atol=2e-4
            )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channel", [Channel.Q, Channel.K, Channel.V])
def test_direct_edges_are_a_kept_set_without_them(family: str, channel: Channel) -> None:
    experiment = _experiment(family)
    graph = experiment.graph
    patch = _patch(experiment, channel)
    direct = Patch(patch.senders, patch.receivers, patch.senders)
    (found,) = losses(experiment, PAIRS, [direct], chunk=6)
    without = graph.upstream & ~graph.between(SENDERS, RECEIVERS, [channel])
    assert (graph.upstream & ~without).sum() == 2
    for examples in experiment.chunks(PAIRS, 6):
        bench = experiment.bench(examples)
        np.testing.assert_allclose(found[bench.index], State(bench, without).loss, atol=3e-5)


def test_between_names_edges_by_channel_and_refuses_what_is_not_there() -> None:
    graph = _experiment("gpt2").graph
    assert graph.names(graph.between(["a0.h1", "m0"], ["a1.h0", "logits"], [Channel.K])) == [
        "a0.h1->a1.h0<k>",
        "m0->a1.h0<k>",
    ]
    assert graph.names(graph.between(["input"], ["m1", "logits"], Channel)) == [
        "input->m1",
        "input->logits",
    ]
    assert not graph.between(["a1.h0"], ["a0.h1"], Channel).any()
    with pytest.raises(SpecError, match=r"sender 'a0.h9' is not in this model"):
        graph.between(["a0.h9"], ["logits"], Channel)
    with pytest.raises(SpecError, match=r"receiver 'm7' is not in this model"):
        graph.between(["input"], ["m7"], Channel)


def test_progress_counts_every_patch_and_may_stop_the_work() -> None:
    experiment = _experiment("gpt2")
    seen: list[tuple[int, int]] = []
    patches = [_patch(experiment, channel) for channel in (Channel.Q, Channel.K)]
    losses(
        experiment, PAIRS, patches, chunk=3, progress=lambda done, all_: seen.append((done, all_))
    )
    # At each chunk's clean run, its world, and the patches that go side by side.
    assert [done for done, _ in seen] == [0, 0, 0, 2, 2, 2]
    assert {total for _, total in seen} == {4}

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        losses(experiment, PAIRS, patches, chunk=3, progress=stop)
