"""Submitted pairs against a tokenizer and a vocabulary: what fits and every refusal."""

from __future__ import annotations

from typing import Any

import pytest

from discovery.tasks.base import TokenPair
from discovery.tasks.submitted import submitted_pairs, tokenise
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import Limits, PairDocument, Split
from graph_schema.documents.jobs import Tokenisation
from graph_schema.errors import DatasetError
from tests.discovery.tasks.tokenizers import byte_level, byte_level_with_unknown, sentence_piece

TOKENIZER = byte_level()
TEXT = Vocabulary(len(TOKENIZER), TOKENIZER)
IDS = Vocabulary(100)
CLEAN = "When John and Mary went to the store, John gave a drink to"


def text_pair(**change: Any) -> PairDocument:
    fields: dict[str, Any] = {
        "clean": CLEAN,
        "corrupt": "When John and Mary went to the store, Anna gave a drink to",
        "answers": (" Mary",),
        "wrong_answers": (" John",),
    }
    return PairDocument(**{**fields, **change})


def id_pair(**change: Any) -> PairDocument:
    fields: dict[str, Any] = {
        "clean": (1, 2, 3),
        "corrupt": (1, 4, 3),
        "answers": (5,),
        "wrong_answers": (6,),
    }
    return PairDocument(**{**fields, **change})


def refusal(pair: PairDocument, vocabulary: Vocabulary) -> str:
    with pytest.raises(DatasetError) as error:
        tokenise("line 3", pair, vocabulary)
    return str(error.value)


def test_text_becomes_tokens_read_at_the_last_position() -> None:
    pair = tokenise("line 1", text_pair(), TEXT)
    assert len(pair.clean) == len(pair.corrupt)
    assert pair.positions == (len(pair.clean) - 1,)
    assert TOKENIZER.decode(list(pair.answers[0])) == " Mary"
    assert TOKENIZER.decode(list(pair.wrong_answers[0])) == " John"


def test_ids_pass_as_they_are_whatever_add_bos_says() -> None:
    vocabulary = Vocabulary(100, sentence_piece(), add_bos=True)
    assert tokenise("line 1", id_pair(), vocabulary).clean == (1, 2, 3)


def test_one_list_of_answers_serves_every_position() -> None:
    pair = tokenise("line 1", id_pair(positions=(0, -1)), IDS)
    assert pair.positions == (0, 2)
    assert pair.answers == ((5,), (5,))


def test_answers_by_position_keep_their_order() -> None:
    pair = tokenise("l", id_pair(positions=(0, 1), answers=((7, 8), (9,))), IDS)
    assert pair.answers == ((7, 8), (9,))


def test_an_answer_given_twice_counts_once() -> None:
    assert tokenise("l", id_pair(answers=(5, 5, 7)), IDS).answers == ((5, 7),)


def test_pairs_of_unequal_length_name_line_lengths_and_words() -> None:
    message = refusal(text_pair(corrupt=CLEAN.replace(", John", ", Zeb")), TEXT)
    assert message.startswith("line 3: clean has 14 tokens, corrupt has 16;")
    assert 'they differ in " John" and " " + "Z" + "eb"' in message
    assert refusal(id_pair(corrupt=(1, 2)), IDS).startswith(
        "line 3: clean has 3 tokens, corrupt has 2;"
    )


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"clean": (1, 100, 3)}, "clean holds token id 100"),
        ({"corrupt": (1, 2, 4999)}, "corrupt holds token id 4999"),
        ({"answers": (100,)}, "answer holds token id 100"),
        ({"wrong_answers": (100,)}, "wrong answer holds token id 100"),
        ({"weights": (((100, 1.0),),)}, "weighted token holds token id 100"),
    ],
)
def test_an_id_beyond_the_vocabulary_names_id_and_size(change: dict[str, Any], part: str) -> None:
    message = refusal(id_pair(**change), IDS)
    assert message == f"line 3: {part}; the model's vocabulary has 100 tokens, ids 0 to 99"


def test_a_split_answer_shows_its_pieces_and_the_leading_space() -> None:
    assert refusal(text_pair(answers=("Mary",)), TEXT) == (
        'line 3: the answer "Mary" is 2 tokens ("M" + "ary"); expected one token. Answers are '
        'taken exactly as written: " Mary", with a leading space, is one token'
    )


def test_a_word_of_several_tokens_suggests_the_option() -> None:
    message = refusal(text_pair(wrong_answers=(" Zebedee",)), TEXT)
    assert 'wrong answer " Zebedee" is 6 tokens' in message
    assert "answers='first_difference'" in message


def test_an_answer_the_tokenizer_does_not_know_is_refused() -> None:
    tokenizer = sentence_piece()
    message = refusal(text_pair(answers=("§",)), Vocabulary(len(tokenizer), tokenizer))
    assert 'the answer "§" is unknown to the tokenizer' in message


def test_the_unknown_token_itself_can_be_an_answer() -> None:
    """As GPT-2's end of text, which is its unknown token as well."""
    for tokenizer in (sentence_piece(), byte_level_with_unknown()):
        vocabulary = Vocabulary(len(tokenizer), tokenizer)
        unknown = str(tokenizer.unk_token)
        pair = tokenise("line 3", text_pair(answers=(unknown,)), vocabulary)
        assert pair.answers == ((0,),)


def test_an_answer_cannot_be_right_and_wrong() -> None:
    message = refusal(text_pair(wrong_answers=(" John", " Mary")), TEXT)
    assert 'line 3: " Mary" is a wrong answer and an answer' in message


def test_text_without_a_tokenizer_says_what_to_do() -> None:
    message = refusal(text_pair(), IDS)
    assert message.startswith("line 3: clean is text, and the model has no tokenizer; submit token")
    assert 'the answer " Mary" is text' in refusal(id_pair(answers=(" Mary",)), IDS)


def test_positions_and_spans_lie_inside_the_tokens() -> None:
    assert "position 14 lies outside the prompt of 14 tokens" in refusal(
        text_pair(positions=(14,)), TEXT
    )
    assert "names a position twice" in refusal(text_pair(positions=(13, -1)), TEXT)
    assert "span 's' is [0, 15]" in refusal(text_pair(spans={"s": (0, 15)}), TEXT)


def test_weights_take_text_or_ids() -> None:
    mary = TEXT.answer(" Mary")[0]
    pair = tokenise("l", text_pair(weights=(((" Mary", 1.0), (7, -2.0)),)), TEXT)
    assert pair.weights == (((mary, 1.0), (7, -2.0)),)
    assert "the weighted token" in refusal(text_pair(weights=((("Mary", 1.0),),)), TEXT)


def first_difference(pair: PairDocument) -> TokenPair:
    return tokenise("line 3", pair, TEXT, "first_difference")


def test_the_first_differing_token_follows_what_answers_share() -> None:
    plain = tokenise("l", text_pair(), TEXT)
    pair = first_difference(text_pair(answers=(" Mary John",), wrong_answers=(" Mary Anna",)))
    assert pair.clean == plain.clean + TEXT.answer(" Mary")
    assert pair.positions == (len(plain.clean),)
    assert pair.answers == (TEXT.answer(" John"),)
    assert pair.wrong_answers == (TEXT.answer(" Anna"),)


def test_answers_that_differ_at_once_leave_the_prompts_alone() -> None:
    pair = first_difference(text_pair(answers=(" Mary John",)))
    assert pair.clean == tokenise("l", text_pair(), TEXT).clean
    assert pair.answers == (TEXT.answer(" Mary"),)


def test_first_difference_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(DatasetError, match='the answer " Mary" is the beginning of another'):
        first_difference(text_pair(wrong_answers=(" Mary John",)))
    with pytest.raises(DatasetError, match="compared at the last position only"):
        first_difference(
            text_pair(answers=(" Mary John",), wrong_answers=(" Mary Anna",), positions=(3,))
        )


def many(n: int, **change: Any) -> list[PairDocument]:
    return [id_pair(clean=(1, i, 3), corrupt=(1, i, 4), **change) for i in range(n)]


def test_a_file_is_split_by_seed() -> None:
    made = submitted_pairs(many(40), IDS, Tokenisation(), 0, Limits())
    assert (len(made.discovery), len(made.heldout)) == (28, 12)
    assert made == submitted_pairs(many(40), IDS, Tokenisation(), 0, Limits())
    assert made != submitted_pairs(many(40), IDS, Tokenisation(), 1, Limits())


def test_a_pair_without_id_and_group_takes_nobody_elses() -> None:
    some = list(many(20))
    some[0] = some[0].model_copy(update={"id": "2"})
    some[4] = some[4].model_copy(update={"group": "7"})
    some[8] = some[8].model_copy(update={"group": "line 7"})
    made = submitted_pairs(some, IDS, Tokenisation(), 0, Limits())
    every = (*made.discovery, *made.heldout)
    assert len({each.id for each in every}) == len({each.group for each in every}) == 20
    assert "line 2" in {each.id for each in every}


def test_a_pair_whose_id_is_anothers_group_is_not_of_that_group() -> None:
    some = list(many(20))
    some[0] = some[0].model_copy(update={"id": "a"})
    some[4] = some[4].model_copy(update={"id": "b", "group": "a"})
    some[5] = some[5].model_copy(update={"id": "pair a", "group": "a"})
    made = submitted_pairs(some, IDS, Tokenisation(), 0, Limits())
    every = {each.id: each.group for each in (*made.discovery, *made.heldout)}
    assert every["b"] == every["pair a"] == "a"
    assert len(set(every.values())) == 19  # two of one group, and everybody else alone


def test_given_splits_are_taken_as_given() -> None:
    pairs = [*many(8), *many(3, split=Split.HELDOUT)]
    made = submitted_pairs(pairs, IDS, Tokenisation(), 0, Limits())
    assert (len(made.discovery), len(made.heldout)) == (8, 3)
    assert made.notes == (
        "3 held-out pairs have a prompt, clean or corrupt, that discovery saw (split as given)",
    )


def test_reversed_pairs_are_not_parted_and_counted_where_the_file_parts_them() -> None:
    ways = [((1, i, 3), (1, i, 4)) for i in range(20)]
    pairs = [id_pair(clean=a, corrupt=b) for way in ways for a, b in (way, way[::-1])]
    for seed in range(5):
        made = submitted_pairs(pairs, IDS, Tokenisation(), seed, Limits())
        assert (len(made.discovery), len(made.heldout)) == (28, 12)
        assert not {p.clean for p in made.discovery} & {p.corrupt for p in made.heldout}
    given = [
        pair.model_copy(update={"split": Split.HELDOUT if i % 2 else Split.DISCOVERY})
        for i, pair in enumerate(pairs)
    ]
    made = submitted_pairs(given, IDS, Tokenisation(), 0, Limits())
    assert made.notes[0].startswith("20 held-out pairs have a prompt, clean or corrupt, that")


def test_a_prompt_that_all_pairs_share_leaves_nothing_to_hold_out_and_says_so() -> None:
    same = [id_pair(clean=(1, i, 3), corrupt=(1, 99, 3)) for i in range(40)]
    made = submitted_pairs(same, IDS, Tokenisation(), 0, Limits())
    assert made.heldout == ()
    assert made.notes[0].startswith("none of 40 pairs is held out: pairs that share a prompt")


def test_prompts_that_become_the_same_tokens_are_not_parted() -> None:
    same = [text_pair(id=str(i)) for i in range(40)]
    assert submitted_pairs(same, TEXT, Tokenisation(), 0, Limits()).heldout == ()


def test_prompts_longer_than_the_limit_or_the_context_are_refused() -> None:
    pairs = [text_pair()] * 8
    with pytest.raises(DatasetError, match=r"^line 1: the prompt has 14 tokens; the limit is 13"):
        submitted_pairs(pairs, TEXT, Tokenisation(), 0, Limits(prompt_tokens=13))
    short = Vocabulary(TEXT.size, TOKENIZER, n_ctx=12)
    with pytest.raises(DatasetError, match=r"has 14 tokens; the model's context holds 12"):
        submitted_pairs(pairs, short, Tokenisation(), 0, Limits())


def test_a_heldout_line_is_also_called_by_its_own_number() -> None:
    pairs = [*many(8), *many(2, split=Split.HELDOUT), id_pair(answers=(300,), split="heldout")]
    with pytest.raises(DatasetError, match=r"^line 11 \(held-out pair 3\): answer holds"):
        submitted_pairs(pairs, IDS, Tokenisation(), 0, Limits())


def test_misfits_are_left_out_and_counted_where_asked() -> None:
    lenient = Tokenisation(misfits="leave_out")
    pairs = [*many(10), id_pair(answers=(300,)), id_pair(corrupt=(1,))]
    made = submitted_pairs(pairs, IDS, lenient, 0, Limits())
    assert len(made.discovery) + len(made.heldout) == 10
    assert made.notes[0].startswith("2 of 12 pairs left out: they do not fit the tokenizer (the")
    assert "line 11: answer holds token id 300" in made.notes[0]
    with pytest.raises(DatasetError, match="1 of 8 pairs do not fit the tokenizer, 7 are left"):
        submitted_pairs([*many(7), id_pair(corrupt=(1,))], IDS, lenient, 0, Limits())
