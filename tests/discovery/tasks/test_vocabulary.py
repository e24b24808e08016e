"""Text as each kind of tokenizer sees it: special tokens before prompts, none in answers."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

from discovery.tasks import pieces
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.errors import DatasetError
from tests.discovery.tasks.tokenizers import byte_level, sentence_piece


def vocabulary(tokenizer: PreTrainedTokenizerBase, add_bos: bool | None = None) -> Vocabulary:
    return Vocabulary(len(tokenizer), tokenizer, add_bos)


KINDS = pytest.mark.parametrize(
    "tokenizer",
    [byte_level(), sentence_piece(), sentence_piece("first"), sentence_piece(eos=True)],
    ids=["byte-level", "sentence-piece", "space-first", "with-eos"],
)


@KINDS
def test_an_answer_continues_the_prompt(tokenizer: PreTrainedTokenizerBase) -> None:
    words = vocabulary(tokenizer)
    whole = words.prompt("When John and Mary")
    assert whole[:-1] + words.answer(" Mary") == whole


@KINDS
def test_an_answer_is_taken_exactly_as_written(tokenizer: PreTrainedTokenizerBase) -> None:
    words = vocabulary(tokenizer)
    assert len(words.answer(" Mary")) == 1
    assert words.pieces(words.answer("Mary")) == '"M" + "ary"'


def test_special_tokens_are_the_tokenizers_own() -> None:
    assert vocabulary(sentence_piece()).prompt("When")[0] == 1
    assert 0 not in vocabulary(byte_level()).prompt("When")


def test_appended_special_tokens_are_left_out() -> None:
    with_eos, without = (vocabulary(sentence_piece(eos=eos)) for eos in (True, False))
    assert with_eos.prompt("When Mary") == without.prompt("When Mary")


@KINDS
def test_add_bos_forces_one_or_none(tokenizer: PreTrainedTokenizerBase) -> None:
    bos = tokenizer.bos_token_id
    plain = vocabulary(tokenizer, add_bos=False).prompt("When Mary")
    assert bos not in plain
    assert vocabulary(tokenizer, add_bos=True).prompt("When Mary") == (bos, *plain)


def test_a_bos_that_does_not_exist_cannot_be_forced() -> None:
    tokenizer = sentence_piece()
    bos = tokenizer.bos_token
    try:
        tokenizer.bos_token = None
        with pytest.raises(DatasetError, match="no BOS token; leave add_bos unset"):
            vocabulary(tokenizer, add_bos=True).prefix()
    finally:
        tokenizer.bos_token = bos


@KINDS
def test_special_tokens_are_not_ordinary(tokenizer: PreTrainedTokenizerBase) -> None:
    ordinary = vocabulary(tokenizer).ordinary_ids()
    assert not set(tokenizer.all_special_ids) & set(ordinary)
    assert len(ordinary) == len(tokenizer) - len(tokenizer.added_tokens_decoder)


def test_ordinary_ids_end_with_the_models_vocabulary() -> None:
    assert max(Vocabulary(100, byte_level()).ordinary_ids()) == 99
    assert Vocabulary(5).ordinary_ids() == [0, 1, 2, 3, 4]


def test_pieces_are_shown_as_text_and_parts_of_characters_as_bytes() -> None:
    words = vocabulary(byte_level())

    def shown(text: str) -> str:
        return words.pieces(words.answer(text))

    assert shown("é") == '"<0xC3>" + "<0xA9>"'
    assert shown("🙂") == '"<0xF0>" + "<0x9F>" + "<0x99>" + "<0x82>"'
    assert shown("\n") == '"\\n"'
    assert shown(" Mary") == '" Mary"'
    assert shown("<|endoftext|>") == '"<|endoftext|>"'
    assert shown('"') == '"\\""'
    pieces_of = sentence_piece()
    assert vocabulary(pieces_of).pieces(vocabulary(pieces_of).answer(" Mary")) == '" Mary"'


def test_every_byte_has_its_letter() -> None:
    found = pieces._bytes_by_letter()
    assert {byte: letter for letter, byte in found.items()} == bytes_to_unicode()


@pytest.mark.parametrize(
    ("tokenizer", "token"), [(byte_level(), "<|endoftext|>"), (sentence_piece(), "</s>")]
)
def test_special_tokens_can_be_answers(tokenizer: PreTrainedTokenizerBase, token: str) -> None:
    assert vocabulary(tokenizer).answer(token) == (tokenizer.convert_tokens_to_ids(token),)
