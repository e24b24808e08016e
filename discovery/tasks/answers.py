"""Submitted answers as tokens: one token each, none right and wrong at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from discovery.tasks.base import TokenIds, TokenPair
from discovery.tasks.vocabulary import Vocabulary, check_output
from graph_schema.datasets.pair import fail, shown
from graph_schema.documents import PairDocument
from graph_schema.documents.dataset import Token
from graph_schema.errors import DatasetError

AnswerMode = Literal["single", "first_difference"]

Row = list[tuple[Token, TokenIds]]
"""The answers at one position: as written, and as tokens."""


def _token_ids(place: str, key: str, token: Token, vocabulary: Vocabulary) -> TokenIds:
    if isinstance(token, int):
        ids: TokenIds = (token,)
    elif not vocabulary.reads_text:
        fail(
            place,
            f"the {key} {shown(token)} is text, and the model has no tokenizer; submit token ids",
        )
    else:
        try:
            ids = vocabulary.answer(token)
        except DatasetError as error:
            fail(place, f"the {key}: {error}")
    for i in ids:
        check_output(place, key, i, vocabulary)
    return ids


def answer_rows(
    place: str,
    key: str,
    written: tuple[Token, ...] | tuple[tuple[Token, ...], ...],
    n_positions: int,
    vocabulary: Vocabulary,
) -> list[Row]:
    """The answers at each position; those given once hold at all."""
    per_position = [row for row in written if isinstance(row, tuple)]
    flat = tuple(token for token in written if not isinstance(token, tuple))
    return [
        [(token, _token_ids(place, key, token, vocabulary)) for token in row]
        for row in (per_position or [flat] * n_positions)
    ]


def single(place: str, key: str, row: Row, vocabulary: Vocabulary) -> TokenIds:
    """One token an answer; two spellings of a token count once.

    Raises:
        DatasetError: An answer is several tokens, or one that the tokenizer does not know.
    """
    for written, ids in row:
        if len(ids) != 1:
            fail(place, _several_tokens(key, str(written), ids, vocabulary))
        if isinstance(written, str) and vocabulary.unknown(written, ids[0]):
            fail(place, f"the {key} {shown(written)} is unknown to the tokenizer; use another")
    return tuple(dict.fromkeys(ids[0] for _, ids in row))


def _several_tokens(key: str, written: str, ids: TokenIds, vocabulary: Vocabulary) -> str:
    message = (
        f"the {key} {shown(written)} is {len(ids)} tokens ({vocabulary.pieces(ids)}); "
        "expected one token"
    )
    spaced = f" {written}"
    if not written.startswith(" ") and len(vocabulary.answer(spaced)) == 1:
        return (
            f"{message}. Answers are taken exactly as written: {shown(spaced)}, with a leading "
            "space, is one token"
        )
    return (
        f"{message}: use another word, or tokenisation answers='first_difference' to compare the "
        "first token that differs"
    )


def wrong_tokens(place: str, row: Row, right: Row, vocabulary: Vocabulary) -> TokenIds:
    """One token a wrong answer, none of them a right one.

    Raises:
        DatasetError: As `single`; or one is an answer as well.
    """
    tokens = single(place, "wrong answer", row, vocabulary)
    by_token = {ids[0]: written for written, ids in right}
    for written, ids in row:
        if ids[0] in by_token:
            fail(
                place,
                f"{shown(written)} is a wrong answer and an answer ({shown(by_token[ids[0]])}) at "
                "once: both are the same token; remove one",
            )
    return tokens


def first_difference(
    place: str, pair: PairDocument, made: TokenPair, right: list[Row], wrong: list[Row]
) -> tuple[TokenPair, list[Row], list[Row]]:
    """Cut every answer to the first token in which the answers and the wrong ones differ.

    What they share is appended to both prompts: the differing token is predicted after it.

    Raises:
        DatasetError: Answers that begin alike, with positions of their own; an answer that is the
            beginning of another.
    """
    shared: TokenIds = ()
    cut: tuple[list[Row], list[Row]] = ([], [])
    for ok, bad in zip(right, wrong, strict=True):
        shared = _common_prefix([ids for _, ids in (*ok, *bad)]) if bad else ()
        if shared and pair.positions is not None:
            fail(
                place,
                "answers that begin alike can be compared at the last position only; leave out "
                "'positions' or give answers of one token",
            )
        for rows, row in zip(cut, (ok, bad), strict=True):
            rows.append([(written, ids[len(shared) :][:1]) for written, ids in row])
            for written, ids in row:
                if len(ids) == len(shared):
                    fail(
                        place, f"the answer {shown(written)} is the beginning of another; extend it"
                    )
    if not shared:
        return made, *cut
    longer = replace(
        made,
        clean=made.clean + shared,
        corrupt=made.corrupt + shared,
        positions=(len(made.clean) + len(shared) - 1,),
    )
    return longer, *cut


def _common_prefix(rows: list[TokenIds]) -> TokenIds:
    first = min(rows)
    last = max(rows)
    n = 0
    while n < min(len(first), len(last)) and first[n] == last[n]:
        n += 1
    return first[:n]


def weights_of(
    place: str, pair: PairDocument, vocabulary: Vocabulary
) -> tuple[tuple[tuple[int, float], ...], ...] | None:
    """The weights of the `linear` metric as (token, weight), a row a position."""
    if pair.weights is None:
        return None
    rows: list[tuple[tuple[int, float], ...]] = []
    for row in pair.weights:
        entries: list[tuple[int, float]] = []
        for token, weight in row:
            ids = single(
                place,
                "weighted token",
                [(token, _token_ids(place, "weighted token", token, vocabulary))],
                vocabulary,
            )
            entries.append((ids[0], weight))
        rows.append(tuple(entries))
    return tuple(rows)
