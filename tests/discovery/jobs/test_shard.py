"""A job in shards finds what it finds in one piece: scores to 1e-5 of the largest, same circuit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from discovery.jobs.beginning import Begun
from discovery.jobs.discover import discover
from discovery.jobs.shard import score_shard
from discovery.methods.finding import find
from discovery.methods.shards import Part, merged
from discovery.models import LoadedModel
from discovery.progress import NoCheckpoint, no_progress
from discovery.tasks.base import PairSet, TokenPair
from graph_schema.documents import DatasetDocument, Limits, sha256_hex
from graph_schema.documents.jobs import DiscoverSpec, ShardSpec
from graph_schema.errors import NumericsError, TaskNotPerformedError
from tests.discovery.cases import done_pairs, tiny_llama
from tests.discovery.jobs import test_discover
from tests.discovery.jobs.test_discover import spec

LLAMA = LoadedModel(
    tiny_llama(),
    None,
    test_discover.model().document.model_copy(
        update={"family": "llama", "n_heads": 4, "n_kv_heads": 2}
    ),
)
GPT2 = test_discover.model()


def _weights(pair: TokenPair, number: int) -> Any:
    (answer,), (wrong,) = pair.answers[0], pair.wrong_answers[0]
    return (((answer, 1 + number / 7), (wrong, -1.0)),)


def data(model: LoadedModel) -> PairSet:
    """Of two lengths, so that chunks are of other pairs in a shard than in one piece."""
    long, short = (done_pairs(model.adapter, 20, length) for length in (6, 5))
    pairs = [
        replace(pair, id=f"pair-{number}", group=f"group-{number}", weights=_weights(pair, number))
        for number, pair in enumerate((*long[:9], *short[:9], *long[9:], *short[9:]))
    ]
    document = DatasetDocument(sha256=sha256_hex("made"), task="made", n_pairs=40, jsonl="")
    return PairSet(tuple(pairs[:21]), tuple(pairs[21:]), document, "made", "made-1", ())


ABOUT: dict[str, Any] = {"limits": Limits(), "progress": no_progress}


def shards(of: int, asks: DiscoverSpec, model: LoadedModel, **more: Any) -> list[Part]:
    """All parts, each as a worker of its own makes it."""
    found: list[Part] = []
    for index in range(of):
        shard = ShardSpec(discover=asks, index=index, of=of)
        made = score_shard(shard, model, data(model), checkpoint=NoCheckpoint(), **ABOUT, **more)
        again = Part.from_arrays(made.to_arrays())
        assert again is not None
        found.append(again)
    return found


def whole_and_added(asks: DiscoverSpec, model: LoadedModel, of: int, **more: Any) -> None:
    """Hold what is found in `of` shards to what is found in one piece."""
    pairs = data(model)
    begun = Begun.of(asks, model, pairs, chunk=more.get("chunk"), dictionaries=(), **ABOUT)
    work = begun.work(NoCheckpoint())
    parts = shards(of, asks, model, **more)
    assert [part.end - part.first for part in parts] != [21] * of
    added = merged(parts, begun.identity(model, pairs), 21)
    (one, expected), (other, found) = find(asks, work), find(asks, work, added)
    assert found.keys() == expected.keys()
    largest = float(np.abs(expected["scores"]["scores"]).max())
    for name, arrays in expected.items():
        assert arrays["scores"].shape == found[name]["scores"].shape
        np.testing.assert_allclose(
            found[name]["scores"], arrays["scores"], atol=1e-5 * largest, rtol=0
        )
    for a, b in zip(one, other, strict=True):
        assert (a.kept == b.kept).all()
        assert (a.kind, a.notes, a.n_scored) == (b.kind, b.notes, b.n_scored)


CASES: dict[str, dict[str, Any]] = {
    "eap": {"method": {"name": "eap"}},
    "eap, mean": {"method": {"name": "eap"}, "ablation": {"kind": "mean"}},
    "eap-ig, resample": {
        "method": {"name": "eap-ig", "steps": 2},
        "ablation": {"kind": "resample", "draws": 3},
        "keep_pair_scores": True,
    },
    "eap-ig over activations, weights": {
        "method": {"name": "eap-ig", "steps": 2, "over": "activations"},
        "metric": "linear",
    },
    "mask-ig, kl": {"method": {"name": "mask-ig", "steps": 4}, "metric": "kl"},
    "two-leg": {"method": {"name": "two-leg"}},
    "exact, mean": {
        "method": {"name": "exact"},
        "ablation": {"kind": "mean"},
        "keep_pair_scores": True,
    },
}


@pytest.mark.parametrize(("case", "of"), list(zip(CASES, (2, 3, 5, 4, 3, 2, 4), strict=True)))
def test_shards_score_as_one_job(case: str, of: int) -> None:
    whole_and_added(spec(**CASES[case]), LLAMA if of == 3 else GPT2, of)


def test_chunks_and_groups_of_keys_do_not_matter() -> None:
    whole_and_added(spec(receivers="kv_group"), LLAMA, 2, chunk=3)


def test_units_are_the_same_in_every_shard() -> None:
    """They are chosen on all pairs, so each part has the edges between them."""
    whole_and_added(
        spec(granularity="neuron", candidates={"n": 6}, method={"name": "two-leg"}), GPT2, 2
    )


def test_a_shard_may_have_no_pair() -> None:
    """Where pairs that do not fit the tokenizer are left out, fewer may be left than shards."""
    shard = ShardSpec(discover=spec(keep_pair_scores=True), index=0, of=200)
    part = score_shard(shard, GPT2, data(GPT2), checkpoint=NoCheckpoint(), **ABOUT)
    assert (part.first, part.end, part.n_pairs) == (0, 0, 21)
    assert not part.scores.any()
    assert part.per_pair is not None
    assert part.per_pair.shape == (0, 75)


def test_a_job_in_shards_gives_the_circuits_of_one() -> None:
    asks = spec(exact_top=3, selection={"kind": "thresholds", "thresholds": [0.05, 0.2]})
    one = discover(asks, GPT2, data(GPT2), checkpoint=NoCheckpoint(), **ABOUT)
    parts = shards(3, asks, GPT2)
    found = discover(asks, GPT2, data(GPT2), parts=parts, checkpoint=NoCheckpoint(), **ABOUT)
    assert [each.circuit_id for each in found.circuits] == [e.circuit_id for e in one.circuits]
    for a, b in zip(one.circuits, found.circuits, strict=True):
        assert a.evaluation is not None
        assert b.evaluation is not None
        assert a.evaluation.faithfulness.value == b.evaluation.faithfulness.value
        assert a.notes == b.notes
    assert found.cpu_seconds["shards"] == sum(part.cpu_seconds for part in parts)


def test_parts_of_other_pairs_or_units_are_not_added_up() -> None:
    asks = spec()
    parts = shards(2, asks, GPT2)
    about: dict[str, Any] = {"checkpoint": NoCheckpoint()} | ABOUT
    other = data(GPT2).document.model_copy(update={"sha256": sha256_hex("other")})
    with pytest.raises(NumericsError, match="other dataset"):
        discover(asks, GPT2, replace(data(GPT2), document=other), parts=parts, **about)
    with pytest.raises(NumericsError, match="each of 21 once"):
        discover(asks, GPT2, data(GPT2), parts=parts[:1], **about)


def test_a_shard_of_a_task_that_the_model_does_not_do_says_so() -> None:
    pairs = data(GPT2)
    wrong = [replace(p, answers=p.wrong_answers, wrong_answers=p.answers) for p in pairs.discovery]
    refused = replace(pairs, discovery=tuple(wrong))
    with pytest.raises(TaskNotPerformedError):
        score_shard(
            ShardSpec(discover=spec(), index=1, of=2),
            GPT2,
            refused,
            checkpoint=NoCheckpoint(),
            **ABOUT,
        )


def test_acdc_has_no_shards() -> None:
    asks = spec(method={"name": "acdc"}, selection={"kind": "threshold", "threshold": 0.1})
    with pytest.raises(ValueError, match="acdc decides edge after edge"):
        ShardSpec(discover=asks, index=0, of=2)
