"""From a traced prompt to what is kept of it, and what the job makes of that."""

from __future__ import annotations

import pytest
import torch
from numpy.testing import assert_allclose

from discovery.dictionaries import NeuronBasis
from discovery.dictionaries.checks import Loaded
from discovery.jobs.sizes import Sizes
from discovery.jobs.trace import trace_prompt
from discovery.jobs.trace_room import require_room, trace_bytes
from discovery.models import LoadedModel
from discovery.tasks.vocabulary import Vocabulary
from discovery.tracing import Traced, trace
from discovery.tracing.prompt import read_prompt
from discovery.tracing.pruning import keep
from graph_schema.documents import Channel, Limits, ModelDocument, Trace
from graph_schema.documents.jobs import TraceSpec
from graph_schema.errors import JobCancelled, LimitError, SpecError
from tests.discovery.models.families import D_VOCAB, tiny

TOKENS = (3, 17, 8, 3, 22, 11)


def traced(method: Trace) -> Traced:
    adapter = tiny("llama", torch.float64)
    return trace(adapter, TOKENS, [NeuronBasis(adapter, layer) for layer in range(2)], method)


def test_all_is_kept_at_thresholds_of_one() -> None:
    method = Trace(node_threshold=1, edge_threshold=1)
    found = traced(method)
    kept = keep(found, method)
    square = found.weights[Channel.R]
    for source, target, channel, weight in kept.edges:
        assert channel is Channel.R
        assert weight == float(square[target, source])
    assert kept.n_edges == int((square != 0).sum())
    assert not kept.pruned.limited
    # Neurons miss nothing: all influence comes from tokens.
    assert_allclose([kept.scores.replacement, kept.scores.completeness], 1)


@pytest.mark.parametrize("heads", [False, True])
def test_no_more_edges_are_kept_than_asked_for(heads: bool) -> None:
    method = Trace(max_edges=50, heads=heads)
    kept = keep(traced(method), method)
    assert 20 < len(kept.edges) <= 50
    assert kept.pruned.limited
    strengths = [abs(weight) for *_, weight in kept.edges]
    assert strengths == sorted(strengths, reverse=True)


def test_scores_rise_with_the_number_of_nodes() -> None:
    scores = [
        keep(traced(method := Trace(max_feature_nodes=n)), method).scores for n in (5, 40, 20_000)
    ]
    assert scores[0].replacement < scores[1].replacement < scores[2].replacement
    assert scores[0].completeness < scores[1].completeness < scores[2].completeness
    assert_allclose(scores[2].replacement, 1)


def spec(**changed: object) -> TraceSpec:
    return TraceSpec.model_validate(
        {"model": {"fingerprint": "0" * 40}, "prompt": TOKENS, "dtype": "float64"} | changed
    )


def loaded(family: str = "llama") -> LoadedModel:
    adapter = tiny(family, torch.float64)
    sizes = adapter.shape
    document = ModelDocument(
        fingerprint="0" * 40,
        name="tiny",
        family="llama",
        architecture="LlamaForCausalLM",
        **{name: getattr(sizes, name) for name in ("n_layers", "n_heads", "n_kv_heads")},
        **{name: getattr(sizes, name) for name in ("d_model", "d_head", "d_mlp", "d_vocab")},
        n_edges=adapter.n_edges,
    )
    return LoadedModel(adapter, None, document)


def run(asked: TraceSpec, dictionaries: tuple[Loaded, ...] = (), progress: object = None):
    prompt = read_prompt(asked, Vocabulary(D_VOCAB), Limits())
    return trace_prompt(
        asked,
        loaded(),
        prompt,
        progress=progress or (lambda stage, done, total: None),  # type: ignore[arg-type]
        say=str,
        dictionaries=dictionaries,
    )


def test_a_circuits_nodes_say_what_each_is() -> None:
    found = run(spec(exact_top=3))
    circuit = found.circuit
    assert circuit.prompt is not None
    assert circuit.prompt.tokens == tuple(map(str, TOKENS))
    ends = {end for edge in circuit.edges for end in (edge.sender, edge.receiver)}
    figures = {node.name: node for node in circuit.nodes}
    assert ends <= set(figures)
    assert [figures[f"input@{at}"].token for at in range(6)] == list(TOKENS)
    for name, node in figures.items():
        assert (node.activation is not None) == (".n" in name or name.startswith("logits"))
        assert (node.probability is not None) == name.startswith("logits")
    assert [edge.exact is not None for edge in circuit.edges[:4]] == [True, True, True, False]
    tests = found.arrays["exact_edges"]
    stored = [edge.exact or 0.0 for edge in circuit.edges[:3]]
    assert_allclose(tests["exact"], stored, rtol=1e-6)
    assert tests["logits"].shape == (3, len(tests["tokens"]))
    again = run(spec(exact_top=3)).circuit
    assert again.circuit_id == circuit.circuit_id
    assert again.edges == circuit.edges


def test_a_job_stops_where_its_progress_says() -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "rows" and done:
            raise JobCancelled("cancelled")

    with pytest.raises(JobCancelled):
        run(spec(), progress=stop)


def test_a_graph_that_does_not_fit_is_refused_before_weights() -> None:
    sizes = Sizes(30, 9, 576, 1536, 49152, 134_000_000, 28_000_000)
    asked = spec(dtype="float32")
    needed = trace_bytes(asked, sizes, 32)
    assert 1.2e9 < needed < 4e9  # measured: 2.3 GB
    require_room(asked, sizes, 32, 0, Limits())
    require_room(asked, sizes, 32, 0, Limits(memory_bytes=needed))
    with pytest.raises(LimitError, match="max_feature_nodes"):
        require_room(asked, sizes, 32, 0, Limits(memory_bytes=needed - 1))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"prompt": (3, 99)}, "vocabulary has 29"),
        ({"prompt": (3,)}, "have no nodes"),
        ({"prompt": (3,) * 2000}, "limit is 1,024"),
        ({"prompt": "text"}, "no tokenizer"),
        ({"targets": ("word",)}, "no tokenizer"),
        ({"targets": (29,)}, "no logit"),
    ],
)
def test_a_prompt_that_is_not_the_models_is_refused(changed: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        read_prompt(spec(**changed), Vocabulary(D_VOCAB), Limits())


def test_a_context_that_is_too_short_is_named() -> None:
    with pytest.raises(SpecError, match=r"limit is 4 \(the model's context"):
        read_prompt(spec(), Vocabulary(D_VOCAB, n_ctx=4), Limits())
