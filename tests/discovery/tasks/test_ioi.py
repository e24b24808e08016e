"""IOI prompts on each kind of tokenizer: one length, both orders, nothing shared with held-out."""

from __future__ import annotations

from collections import Counter

import pytest
from transformers import PreTrainedTokenizerBase

from discovery.tasks.base import MadePairs, TokenPair
from discovery.tasks.ioi import ioi
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import IoiTask
from graph_schema.errors import DatasetError
from tests.discovery.tasks.tokenizers import byte_level, sentence_piece

KINDS = pytest.mark.parametrize(
    "tokenizer",
    [byte_level(), sentence_piece(), sentence_piece("first")],
    ids=["byte-level", "sentence-piece", "space-first"],
)


def made(tokenizer: PreTrainedTokenizerBase, n: int = 32, seed: int = 0) -> MadePairs:
    return ioi(IoiTask(), Vocabulary(len(tokenizer), tokenizer), n, seed)


def names(pair: TokenPair) -> set[int]:
    swapped = {a for a, b in zip(pair.clean, pair.corrupt, strict=True) if a != b}
    third = {b for a, b in zip(pair.clean, pair.corrupt, strict=True) if a != b}
    return {*pair.answers[0], *pair.wrong_answers[0], *swapped, *third}


def template(pair: TokenPair) -> str:
    return pair.group.split("-")[0]


@KINDS
def test_corrupt_replaces_only_the_second_mention_of_the_subject(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    for pair in made(tokenizer).discovery:
        (place,) = [i for i, token in enumerate(pair.clean) if token != pair.corrupt[i]]
        assert pair.spans["s2"] == (place, place + 1)
        assert pair.clean[place] == pair.clean[pair.spans["s1"][0]] == pair.wrong_answers[0][0]
        assert pair.clean[pair.spans["io"][0]] == pair.answers[0][0]
        assert pair.clean.count(pair.answers[0][0]) == 1
        assert pair.corrupt[place] not in pair.clean


@KINDS
def test_all_prompts_have_one_length(tokenizer: PreTrainedTokenizerBase) -> None:
    pairs = made(tokenizer)
    assert len({len(pair.clean) for pair in (*pairs.discovery, *pairs.heldout)}) == 1


@KINDS
def test_heldout_pairs_share_no_name_and_add_templates(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    pairs = made(tokenizer)
    assert len(pairs.discovery) == len(pairs.heldout) == 32
    seen = set[int]().union(*map(names, pairs.discovery))
    assert not seen & set[int]().union(*map(names, pairs.heldout))
    new = set(map(template, pairs.heldout)) - set(map(template, pairs.discovery))
    assert len(new) == 4
    assert all(f"'{name}'" in pairs.notes[0] for name in new)


@pytest.mark.parametrize("n", [32, 96])
def test_groups_and_orders_have_equal_shares(n: int) -> None:
    pairs = made(byte_level(), n).discovery
    assert set(Counter(pair.group for pair in pairs).values()) == {n // 16}
    first = Counter(pair.spans["io"] < pair.spans["s1"] for pair in pairs)
    assert first[True] == first[False]


def test_prompts_do_not_repeat() -> None:
    assert len({pair.clean for pair in made(byte_level(), n=200).discovery}) == 200


def test_the_seed_decides_the_pairs() -> None:
    assert made(byte_level()) == made(byte_level())
    assert made(byte_level(), seed=1).discovery != made(byte_level()).discovery


def test_a_model_without_tokenizer_is_told_what_to_do() -> None:
    with pytest.raises(DatasetError, match="no tokenizer; put the tokenizer's files") as error:
        ioi(IoiTask(), Vocabulary(64), 8, 0)
    assert "token ids" in str(error.value)


def test_a_tokenizer_that_splits_names_is_refused_with_their_count() -> None:
    few = byte_level(("Mary", "John", "Anna"))
    with pytest.raises(DatasetError, match="at least 36 names that are single tokens") as error:
        made(few)
    assert "has 3 (Anna, John, Mary)" in str(error.value)


@pytest.mark.needs_real_models
def test_smollm2_holds_names_and_templates_as_single_tokens(smollm2_folder: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    pairs = made(tokenizer)
    assert {len(pair.clean) for pair in (*pairs.discovery, *pairs.heldout)} == {14}
