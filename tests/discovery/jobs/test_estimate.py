"""Plans from sizes alone: counted by hand, refused with the number, fast for a large model."""

from __future__ import annotations

from typing import Any

import pytest
import transformers

from discovery.jobs.estimate import GIB, SPENT, plan_run
from discovery.jobs.sizes import CutSizes, Sizes, sizes_of
from graph_schema.documents import Acdc, Eap, EapIg, Exact, Metric
from graph_schema.errors import LimitError
from tests.factories import make_circuit

GPT2 = sizes_of(transformers.GPT2Config())


def test_sizes_are_those_of_gpt2_small() -> None:
    assert GPT2.n_weights == 124_439_808
    assert GPT2.n_embeddings == 768 * 50257
    assert GPT2.graph.n_edges == 32_491


def test_a_plan_of_gpt2_small_is_near_what_was_measured() -> None:
    # Measured: eap on 8 pairs x 16 tokens 1.0 CPU s, peak 1.4 GiB.
    plan = plan_run(GPT2, Eap(), n_pairs=8, n_tokens=16)
    assert plan.weight_bytes == 4 * 124_439_808
    assert plan.cpu_seconds["scores"] == pytest.approx(1.0, rel=0.3)
    assert plan.memory_bytes == pytest.approx(1.4 * GIB, rel=0.3)


def test_seven_billion_parameters_are_planned_without_their_weights() -> None:
    config = transformers.LlamaConfig(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
    )
    sizes = sizes_of(config)
    assert sizes.n_weights == pytest.approx(6.7e9, rel=0.02)
    plan = plan_run(sizes, Eap(), n_pairs=32, n_tokens=16, dtype="bfloat16", limit=24 * GIB)
    assert plan.weight_bytes == 2 * sizes.n_weights
    plan.require(24 * GIB)
    with pytest.raises(LimitError, match=r"needs about \d+\.\d\d GiB .* limit is 8\.00 GiB"):
        plan_run(sizes, Eap(), n_pairs=32, n_tokens=16, limit=8 * GIB).require(8 * GIB)


def test_the_chunk_is_the_most_that_fits() -> None:
    free = plan_run(GPT2, Eap(), n_pairs=32, n_tokens=64, chunk=1)
    limit = free.memory_bytes + free.chunk_bytes
    plan = plan_run(GPT2, Eap(), n_pairs=32, n_tokens=64, limit=limit)
    assert plan.chunk == 2
    plan.require(limit)
    assert plan_run(GPT2, Eap(), n_pairs=32, n_tokens=64, limit=SPENT).chunk == 1


def test_exact_work_grows_with_edges_and_attribution_with_steps() -> None:
    sizes = Sizes(4, 4, 128, 512, 1024, 1_000_000, 131_072)

    def seconds(method: object) -> float:
        return plan_run(sizes, method, n_pairs=8, n_tokens=16).cpu_seconds["scores"]  # pyright: ignore

    assert seconds(Exact()) > 20 * seconds(Eap())
    assert seconds(EapIg(steps=5)) <= 6 * seconds(Eap())
    assert seconds(Acdc(candidates=50)) < seconds(Acdc())


def test_paths_of_all_layers_exact_tests_and_pair_scores_are_counted() -> None:
    # Measured: 10.3 CPU s, one step over activations on 8 pairs x 16 tokens.
    slow = plan_run(GPT2, EapIg(steps=1, over="activations"), n_pairs=8, n_tokens=16)
    assert slow.cpu_seconds["scores"] == pytest.approx(10.3, rel=0.3)
    plain = plan_run(GPT2, Eap(), n_pairs=8, n_tokens=16)
    more = plan_run(GPT2, Eap(), n_pairs=8, n_tokens=16, exact_top=100, keep_pair_scores=True)
    assert more.cpu_seconds["scores"] > plain.cpu_seconds["scores"]
    assert more.memory_bytes - plain.memory_bytes == 8 * 32_491 * 4


def test_a_large_vocabulary_fills_a_chunk_of_a_small_model() -> None:
    # Measured: the full model under kl on 1000 pairs x 8 tokens in one chunk took 1.07 GiB.
    small = Sizes(2, 4, 64, 256, 50257, 3_320_000, 3_220_000)
    plan = plan_run(small, EapIg(), n_pairs=1000, n_tokens=8, metric=Metric.KL)
    assert plan.chunk_bytes == GIB, "Experiment.fitting makes two chunks of them"
    assert plan_run(small, EapIg(), n_pairs=500, n_tokens=8).chunk_bytes > 0.53 * GIB


@pytest.mark.parametrize(("n_pairs", "measured"), [(16, 0.61), (32, 1.13), (47, 1.73)])
def test_what_exact_tests_overwrite_is_counted_twice(n_pairs: int, measured: float) -> None:
    # GiB of a chunk of that many pairs x 16 tokens under kl, the engine not told of memory.
    for method, exact_top in ((Exact(), None), (EapIg(), 100)):
        plan = plan_run(GPT2, method, n_pairs=n_pairs, n_tokens=16, exact_top=exact_top)
        assert measured * GIB < plan.chunk_bytes < 2 * measured * GIB


def test_exact_tests_of_the_whole_vocabulary_hold_256_rows_of_logits() -> None:
    def memory(method: Acdc | Exact | Eap, metric: Metric, exact_top: int | None = None) -> int:
        plan = plan_run(GPT2, method, n_pairs=8, n_tokens=16, metric=metric, exact_top=exact_top)
        return plan.memory_bytes

    tested = memory(Eap(), Metric.PROB_DIFF, exact_top=9)
    assert tested - memory(Eap(), Metric.LOGIT_DIFF, exact_top=9) == 256 * 50257 * 4

    for method, wanted in ((Acdc(), 256 * 50257 * 4), (Exact(), 256 * 50257 * 4), (Eap(), 0)):
        for metric in (Metric.KL, Metric.PROB_DIFF, Metric.ANSWER_PROB):
            assert memory(method, metric) - memory(method, Metric.LOGIT_DIFF) == wanted


def test_acdc_holds_all_pairs_and_draws_at_once() -> None:
    # Measured: benches and states of 1000 pairs x 32 tokens take 1.00 GiB.
    sizes = Sizes(4, 8, 64, 256, 500, 235_000, 32_000)
    free = plan_run(sizes, Acdc(), n_pairs=1000, n_tokens=32, chunk=8)
    assert free.held_bytes == pytest.approx(GIB, rel=0.3)
    assert plan_run(sizes, Eap(), n_pairs=1000, n_tokens=32).held_bytes == 0
    plan_run(sizes, Acdc(), n_pairs=1000, n_tokens=32, limit=2 * GIB).require(2 * GIB)
    drawn = plan_run(sizes, Acdc(), n_pairs=1000, n_tokens=32, draws=3, limit=2 * GIB)
    assert drawn.held_bytes == 3 * free.held_bytes
    assert drawn.total_seconds == pytest.approx(3 * free.total_seconds)
    with pytest.raises(LimitError, match=r"all pairs, which acdc holds.*use fewer pairs"):
        drawn.require(2 * GIB)


def test_further_circuits_and_sweeps_are_paid_for() -> None:
    """Of an alternative: six tries on the discovery pairs, then its own evaluation, unranked."""

    def seconds(**asked: Any) -> tuple[float, float]:
        plan = plan_run(GPT2, Eap(), n_pairs=8, n_heldout=4, n_tokens=16, **asked)
        return plan.cpu_seconds["scores"], plan.cpu_seconds["evaluation"]

    scores, evaluation = seconds()
    a_run = evaluation / (13 * 8 + 24 * 4)
    for asked, tries, runs in (
        ({"alternatives": 3}, 13 * 8, 13 * 8 + 24 * 4 + 2 * (11 * 8 + 2 * 4)),
        ({"selections": 2}, 0, 13 * 8 + 24 * 4 + 11 * 8 + 22 * 4),
        ({"selections": 2, "alternatives": 2}, 14 * 8, 24 * 8 + 46 * 4 + 2 * (11 * 8 + 2 * 4)),
    ):
        assert seconds(**asked) == pytest.approx((scores + tries * a_run, runs * a_run))
    assert seconds(alternatives=3, exact_top=10)[0] - seconds(alternatives=3)[0] == pytest.approx(
        3 * (seconds(exact_top=10)[0] - scores)
    )


def test_a_stored_circuit_of_units_is_judged_in_a_larger_graph_than_one_of_heads() -> None:
    heads = make_circuit()
    assert CutSizes.of_circuit(heads, 0) is None
    cut = CutSizes.of_circuit(heads.model_copy(update={"granularity": "neuron"}), 24)
    assert cut is not None
    assert cut.graph(GPT2).n_senders >= GPT2.graph.n_senders + 24
    whole = plan_run(GPT2, None, n_pairs=8, n_tokens=16, chunk=1)
    assert plan_run(GPT2, None, n_pairs=8, n_tokens=16, chunk=1, cut=cut).memory_bytes > (
        whole.memory_bytes
    )
