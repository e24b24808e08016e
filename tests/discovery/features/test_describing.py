"""What a unit is, where the answer is known because the unit was made so."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian

from discovery.dictionaries import LinearDictionary, NeuronBasis
from discovery.engine.splice import Splice
from discovery.features import TokenTexts, describe, describing, kept_units
from discovery.features.detecting import by_tokens
from discovery.features.examples import LONGEST, example
from discovery.features.promoting import directions_read, promoted
from discovery.models import ModelAdapter, load_model
from discovery.models.decoder import DecoderAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import ModelSource
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Place,
    Reading,
    Site,
)
from graph_schema.documents.feature import FEWEST, DetectionScore
from graph_schema.errors import NonFiniteError, SpecError
from tests.discovery.cases import D_VOCAB, made_pairs, tiny_gpt2, tiny_llama
from tests.discovery.dictionaries_made import made, other_splices, splices
from tests.discovery.models.families import FAMILIES, tiny

UNITS = (3, 7, 11, 20)


def _said(token: int) -> int:
    """The token whose logit the unit of a token is made to raise."""
    return (token + 5) % D_VOCAB


def on_tokens(adapter: ModelAdapter) -> LinearDictionary:
    """Unit k fires on token k alone: reads the embedding, writes what raises another's logit."""
    with torch.no_grad():
        rows = adapter.embed(adapter.batch(torch.arange(D_VOCAB)[:, None]))[:, 0]
        unembedding = adapter.logits(torch.eye(adapter.shape.d_model)).T
    directions = unembedding - unembedding.mean(0)
    encoder = rows / rows.norm(dim=-1, keepdim=True)
    alike = (encoder @ rows.T).fill_diagonal_(-torch.inf)
    # More than any other token gives, and less than its own.
    threshold = (alike.max(1).values + rows.norm(dim=-1)) / 2
    site = Site(reads=Place.RESID_PRE, writes=Place.MLP_OUT, layer=0)
    written = torch.stack([directions[_said(token)] for token in range(D_VOCAB)])
    norm = adapter.closed_form(adapter.shape.n_layers, "logits")
    assert norm is not None
    return LinearDictionary(
        DictionaryDocument(
            kind=DictionaryKind.TRANSCODER,
            site=site,
            width=D_VOCAB,
            reading=Reading(activation=Activation.RELU),
            sha256="0" * 64,
        ),
        encoder,
        {0: written / norm.weight},
        torch.zeros(adapter.shape.d_model),
        -threshold,
    )


def test_a_unit_of_one_token_is_told_by_it() -> None:
    adapter = tiny_llama()
    with torch.no_grad():
        rows = adapter.embed(adapter.batch(torch.arange(D_VOCAB)[:, None]))[:, 0]
    alone = [
        unit
        for unit in range(D_VOCAB)
        if (rows @ rows[unit] / rows[unit].norm()).argsort()[-1] == unit
    ]
    units = alone[:6]
    pairs, held = made_pairs(120, (6,), seed=1), made_pairs(120, (6,), seed=2)
    found = describe(adapter, [(on_tokens(adapter), units)], pairs, held)
    assert [each.name for each in found.units] == [f"m0.f{unit}" for unit in units]
    prompts = [pair.clean for pair in pairs]
    for unit, each in zip(units, found.units, strict=True):
        assert each.detected("tokens") == 1.0
        assert each.detected("activation") == 1.0  # it has one value, wherever it fires
        assert {example.tokens[example.position] for example in each.examples} == {f" {unit}"}
        later = [token for prompt in prompts for token in prompt[1:]]
        assert each.density == pytest.approx(later.count(unit) / len(later))
        assert each.n_tokens == len(later)
        assert each.promotes[0].text == f" {_said(unit)}"
        weights = [token.weight for token in each.promotes]
        assert weights == sorted(weights, reverse=True)
        assert weights[-1] > 0
        assert all(each.weight < 0 for each in each.suppresses)
        active = [i for i, p in enumerate(held) if unit in p.clean[1:]]
        assert list(each.heldout_active) == active
    assert found.heldout[0] == tuple(f" {token}" for token in held[0].clean)


def test_a_unit_that_no_token_tells_scores_a_half() -> None:
    """Activations drawn anew at every token: over 40 seeds the mean of the scores is .5."""
    rng = np.random.default_rng(0)
    scores: list[float] = []
    for _ in range(40):
        prompts = rng.integers(0, 50, (100, 8)).tolist()
        active = rng.random(100) < 0.4
        peaked = frozenset(rng.integers(0, 50, 8).tolist())
        value = by_tokens(peaked, prompts, active, False).value
        assert value is not None
        scores.append(value)
    error = np.std(scores, ddof=1) / len(scores) ** 0.5
    assert abs(np.mean(scores) - 0.5) < 3 * error
    assert error < 0.02


def test_examples_are_different_prompts_the_most_active_first() -> None:
    adapter = tiny_llama()
    pairs = made_pairs(40, seed=3)
    asked = [(NeuronBasis(adapter, 1), (0, 5)), (NeuronBasis(adapter, 0), (2,))]
    found = describe(adapter, asked, [*pairs, *pairs], ())
    assert [each.name for each in found.units] == ["m1.n0", "m1.n5", "m0.n2"]
    for each in found.units:
        assert each.n_prompts == 40
        texts = [example.tokens for example in each.examples]
        assert len(set(texts)) == len(texts) == 8
        peaks = [abs(example.peak) for example in each.examples]
        assert peaks == sorted(peaks, reverse=True)
        assert abs(each.max_activation) == peaks[0]
        assert all(example.position > 0 for example in each.examples)
        assert each.dictionary_id is None
        for score in each.detection:
            assert score.value is None
            assert "0 active and 0 inactive" in (score.reason or "")


def test_activations_are_the_model_s_own_at_every_token() -> None:
    """Of every kind of dictionary, against a run of each prompt alone."""
    adapter = tiny("gemma3", torch.float64)
    pairs = made_pairs(6, seed=4)
    for made_splices in (splices(adapter), other_splices(adapter)):
        asked = [(splice.dictionary, splice.units) for splice in made_splices]
        together = describe(adapter, asked, pairs, ())
        for pair in pairs:
            alone = describe(adapter, asked, [pair], ())
            tokens = tuple(f" {token}" for token in pair.clean)
            for one, all_ in zip(alone.units, together.units, strict=True):
                for example_ in one.examples:
                    same = [each for each in all_.examples if each.tokens == tokens]
                    for each in same:
                        assert each.activations == pytest.approx(example_.activations, rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_promoted_tokens_are_the_slope_of_the_logits(family: str) -> None:
    """Against autograd through the norms with their sizes held still, in every family."""
    adapter = tiny(family, torch.float64)
    dictionary, units = NeuronBasis(adapter, 1), (0, 3)
    rows = directions_read(adapter, dictionary, units)
    found = promoted(adapter, rows, TokenTexts(), adapter.n_outputs)
    after = adapter.closed_form(1, "mlp", after=True)
    final = adapter.closed_form(adapter.shape.n_layers, "logits")
    for unit, (up, down) in zip(units, found, strict=True):
        step = dictionary.directions()[unit]
        for norm in (after, final):
            if norm is not None:
                step = (step - step.mean() if norm.centred else step) * norm.weight
        slopes = jacobian(adapter.logits, torch.zeros_like(step)) @ step
        slopes = (slopes - slopes.mean()).tolist()
        for each in (*up, *down):
            assert each.weight == pytest.approx(slopes[each.token], rel=2e-3, abs=1e-9)
        assert up[0].token == int(np.argmax(slopes))
        assert down[0].token == int(np.argmin(slopes))


def test_a_unit_active_at_first_positions_alone_is_shown_there() -> None:
    adapter = tiny_llama()
    dictionary = on_tokens(adapter)
    units = (3,)
    pairs = [_starting(3, pair) for pair in made_pairs(20, (6,), seed=5)]
    (found,) = describe(adapter, [(dictionary, units)], pairs, ()).units
    at_start = {each.position for each in found.examples}
    assert found.counts_first == (at_start == {0})
    assert found.counts_first
    assert found.density == pytest.approx(1 / 6)


def _starting(token: int, pair: TokenPair) -> TokenPair:
    rest = [(each if each != token else token + 1) for each in pair.clean[1:]]
    return replace(pair, clean=(token, *rest))


def test_long_prompts_are_shown_around_the_peak() -> None:
    texts = [str(number) for number in range(200)]
    values = np.zeros(200, dtype=np.float32)
    for at in (0, 10, 150, 199):
        found = example(texts, values, at)
        assert found.tokens[found.position] == str(at)
        assert len(found.tokens) == len(found.activations) == LONGEST
        assert found.tokens[0] == str(found.start)


def test_of_many_units_fewer_prompts_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, pairs = tiny_llama(), made_pairs(40, (6,), seed=6)
    monkeypatch.setattr(describing, "MOST_NUMBERS", 2 * 10 * 6 * 3)
    (found, *_) = describe(adapter, [(NeuronBasis(adapter, 0), (0, 1, 2))], pairs, pairs).units
    assert found.n_prompts == 10
    assert found.n_tokens == 50


def test_all_of_the_work_is_reported() -> None:
    adapter, pairs = tiny_llama(), made_pairs(20, seed=7)
    told: list[tuple[int, int]] = []
    asked = [(NeuronBasis(adapter, 0), (0, 1, 2)), (NeuronBasis(adapter, 1), (4,))]
    describe(adapter, asked, pairs[:12], pairs[12:], report=lambda *each: told.append(each))
    assert told[-1] == (24, 24)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_score_takes_prompts_of_both_kinds() -> None:
    few = [True] * (FEWEST - 1) + [False] * 10
    assert DetectionScore.of("tokens", few, few).value is None
    enough = [True] * FEWEST + [False] * FEWEST
    assert DetectionScore.of("tokens", enough, enough).value == 1.0
    assert DetectionScore.of("tokens", [not each for each in enough], enough).value == 0.0
    assert DetectionScore.of("tokens", [True] * 2 * FEWEST, enough).value == 0.5


def test_kept_units_are_found_by_name() -> None:
    adapter = tiny_llama()
    made_ = (Splice(NeuronBasis(adapter, 1), (5, 0)), Splice(NeuronBasis(adapter, 0), (1,)))
    found = kept_units(made_, ["m1.n0@3", "m1.n0@4", "m1.rest", "a0.h1", "logits"])
    assert [(each.document.site.layer, list(units)) for each, units in found] == [(1, [0])]
    assert describe(adapter, [], made_pairs(4), ()).units == ()


def test_what_cannot_be_described_is_named() -> None:
    adapter = tiny_llama()
    stream = made(adapter, Site(reads=Place.RESID_PRE, writes=Place.RESID_PRE, layer=0))
    with pytest.raises(SpecError, match="residual stream"):
        describe(adapter, [(stream, (0,))], made_pairs(4), ())
    site = Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=0)
    bad = made(adapter, site)
    bad.encoder[2] = torch.nan
    with pytest.raises(NonFiniteError, match=r"m0\.f2"):
        describe(adapter, [(bad, (1, 2))], made_pairs(4), ())


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_neurons_are_what_the_model_s_own_down_projection_reads(family: str) -> None:
    adapter = tiny_llama() if family == "llama" else tiny_gpt2()
    pairs, units = made_pairs(6, seed=8), (1, 4)
    found = describe(adapter, [(NeuronBasis(adapter, 1), units)], pairs, ()).units
    own: list[torch.Tensor] = []
    assert isinstance(adapter, DecoderAdapter)
    module = (
        adapter.model.model.layers[1].mlp.down_proj
        if family == "llama"
        else adapter.model.transformer.h[1].mlp.c_proj
    )
    hook = module.register_forward_pre_hook(lambda _, given: own.append(given[0][0]))
    try:
        for pair in pairs:
            adapter.model(torch.tensor([pair.clean]))
    finally:
        hook.remove()
    by_prompt = {
        tuple(f" {token}" for token in pair.clean): values
        for pair, values in zip(pairs, own, strict=True)
    }
    for unit, each in zip(units, found, strict=True):
        assert each.examples
        for shown in each.examples:
            values = by_prompt[shown.tokens][:, unit]
            assert shown.activations == pytest.approx(values.tolist(), rel=1e-3, abs=1e-5)
            assert shown.position == int(values[1:].abs().argmax()) + 1
        largest = torch.cat([values[1:, unit] for values in own]).abs().max()
        active = [values[1:, unit].abs() > largest / 10 for values in own]
        share = float(torch.cat(active).float().mean())
        assert each.density == pytest.approx(share)


@pytest.mark.needs_real_models
def test_smollm2_s_neurons_are_described_in_seconds(smollm2_folder: Path) -> None:
    """300 neurons on 64 + 64 prompts; tokens as its tokenizer writes them."""
    source = ModelSource(name=str(smollm2_folder))
    model = load_model(source, fingerprint=None)
    adapter, tokenizer = model.adapter, model.tokenizer
    assert tokenizer is not None
    texts = TokenTexts(tokenizer)
    names = ("Mary", "John", "Anna", "Peter", "Tom", "Kate", "Rose", "Mark")
    pairs = [
        replace(pair, clean=tuple(tokenizer(text)["input_ids"]))
        for pair, text in zip(
            made_pairs(128),
            [
                f"When {a} and {b} went to the {place}, {b} gave a drink to"
                for place in ("store", "park", "school")
                for a in names
                for b in names
                if a != b
            ],
            strict=False,
        )
    ]
    drawn = np.random.default_rng(0).integers(0, 30 * adapter.shape.d_mlp, 300).tolist()
    asked = [
        (NeuronBasis(adapter, layer), [n % 1536 for n in drawn if n // 1536 == layer])
        for layer in range(30)
    ]
    start = time.process_time()
    found = describe(adapter, asked, pairs[:64], pairs[64:], texts)
    seconds = time.process_time() - start
    assert len(found.units) == sum(len(units) for _, units in asked)
    assert seconds < 40
    assert " gave" in found.heldout[0]
    assert found.heldout[0][0] == "When"
    assert len(found.model_dump_json()) < 3_000_000
    assert texts.token(tokenizer("\n")["input_ids"][0]) == "\\n"
    every = [texts.token(token) for token in range(0, len(tokenizer), 50)]
    assert all(text and text.isprintable() for text in every)
