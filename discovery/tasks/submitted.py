"""Submitted pairs as tokens: every check that needs the tokenizer or the vocabulary's size."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from discovery.tasks.answers import (
    AnswerMode,
    answer_rows,
    first_difference,
    single,
    weights_of,
    wrong_tokens,
)
from discovery.tasks.base import MadePairs, TokenIds, TokenPair
from discovery.tasks.heldout import heldout_indices
from discovery.tasks.vocabulary import Vocabulary, check_id
from graph_schema.datasets.file import check_prompt_length, places
from graph_schema.datasets.pair import check_position, check_span, fail, shown
from graph_schema.documents import Limits, PairDocument, Split
from graph_schema.documents.dataset import Prompt
from graph_schema.documents.jobs import Tokenisation
from graph_schema.errors import DatasetError, DatasetLimitError


def submitted_pairs(
    pairs: Sequence[PairDocument],
    vocabulary: Vocabulary,
    tokenisation: Tokenisation,
    seed: int,
    limits: Limits,
) -> MadePairs:
    """The pairs of a dataset as tokens, by split: the given one, else 70/30 by `seed`.

    Raises:
        DatasetError: A line that does not fit the tokenizer or the vocabulary; or, where misfits
            are left out, too few that do.
    """
    fitting, notes = _fitting(pairs, vocabulary, tokenisation, limits)
    tokens = [token for _, token in fitting]
    if any(pair.split is not None for pair in pairs):
        heldout = {i for i, (pair, _) in enumerate(fitting) if pair.split is Split.HELDOUT}
        notes += _leaks(tokens, heldout)
    else:
        groups = [pair.group for pair, _ in fitting]
        prompts = [pair.prompts for pair in tokens]
        heldout = set(heldout_indices(groups, prompts, seed, limits.min_pairs))
        if not heldout and len(tokens) > limits.min_pairs:
            notes += (
                f"none of {len(tokens)} pairs is held out: pairs that share a prompt, clean or "
                "corrupt, or a group are not parted, and what hangs together is too much; give "
                "each pair its 'split', or held-out pairs apart (heldout)",
            )
    return MadePairs(
        discovery=tuple(pair for i, pair in enumerate(tokens) if i not in heldout),
        heldout=tuple(pair for i, pair in enumerate(tokens) if i in heldout),
        notes=notes,
    )


def _alone(name: str, taken: AbstractSet[str | None]) -> str:
    """A group for a pair whose id is what others call a group of theirs."""
    while name in taken:
        name = f"pair {name}"
    return name


def _fitting(
    pairs: Sequence[PairDocument],
    vocabulary: Vocabulary,
    tokenisation: Tokenisation,
    limits: Limits,
) -> tuple[list[tuple[PairDocument, TokenPair]], tuple[str, ...]]:
    fitting: list[tuple[PairDocument, TokenPair]] = []
    misfits: list[str] = []
    # A pair without an id goes by its line, and is a group alone: not another's id or group.
    taken = {name for pair in pairs for name in (pair.id, pair.group)}
    groups = {pair.group for pair in pairs}
    for number, (place, pair) in enumerate(zip(places(pairs), pairs, strict=True), 1):
        label = str(number)
        while label in taken:
            label = f"line {label}"
        try:
            token = tokenise(place, pair, vocabulary, tokenisation.answers, label)
            check_lengths(place, token, vocabulary, limits)
            if pair.group is None and token.id in groups:
                token = replace(token, group=_alone(token.id, taken))
        except DatasetError as error:
            if tokenisation.misfits == "refuse":
                raise
            misfits.append(str(error))
        else:
            fitting.append((pair, token))
    if not misfits:
        return fitting, ()
    n_discovery = sum(pair.split is not Split.HELDOUT for pair, _ in fitting)
    if n_discovery < limits.min_pairs:
        raise DatasetLimitError(
            f"{len(misfits)} of {len(pairs)} pairs do not fit the tokenizer, {n_discovery} are "
            f"left to discover on; at least {limits.min_pairs} are needed. The first: {misfits[0]}"
        )
    return fitting, (
        f"{len(misfits)} of {len(pairs)} pairs left out: they do not fit the tokenizer "
        f"(the first: {misfits[0]})",
    )


def _leaks(tokens: Sequence[TokenPair], heldout: set[int]) -> tuple[str, ...]:
    seen = {prompt for i, pair in enumerate(tokens) if i not in heldout for prompt in pair.prompts}
    shared = sum(not seen.isdisjoint(tokens[i].prompts) for i in heldout)
    if not shared:
        return ()
    return (
        f"{shared} held-out pairs have a prompt, clean or corrupt, that discovery saw (split as "
        "given)",
    )


def tokenise(
    place: str,
    pair: PairDocument,
    vocabulary: Vocabulary,
    answers: AnswerMode = "single",
    default_id: str = "1",
) -> TokenPair:
    """The pair as token ids, checked.

    Raises:
        DatasetError: Text without a tokenizer; prompts of different lengths; an id, position or
            span out of range; an answer of several tokens, or both right and wrong.
    """
    clean = _prompt_ids(place, "clean", pair.clean, vocabulary)
    corrupt = _prompt_ids(place, "corrupt", pair.corrupt, vocabulary)
    if len(clean) != len(corrupt):
        fail(place, _unequal(pair.clean, clean, corrupt, vocabulary))
    for position in pair.positions or ():
        check_position(place, position, len(clean))
    for name, span in (pair.spans or {}).items():
        check_span(place, name, span, len(clean))
    positions = tuple(p % len(clean) for p in pair.positions or (-1,))
    if len(set(positions)) < len(positions):
        fail(place, f"positions {shown(pair.positions)} names a position twice")
    right = answer_rows(place, "answer", pair.answers, len(positions), vocabulary)
    wrong = answer_rows(place, "wrong answer", pair.wrong_answers, len(positions), vocabulary)
    label = pair.id if pair.id is not None else default_id
    made = TokenPair(
        clean=clean,
        corrupt=corrupt,
        answers=(),
        wrong_answers=(),
        positions=positions,
        id=label,
        group=pair.group if pair.group is not None else label,
        weights=weights_of(place, pair, vocabulary),
        spans=dict(pair.spans or {}),
    )
    if answers == "first_difference":
        made, right, wrong = first_difference(place, pair, made, right, wrong)
    return replace(
        made,
        answers=tuple(single(place, "answer", row, vocabulary) for row in right),
        wrong_answers=tuple(
            wrong_tokens(place, row, ok, vocabulary) for row, ok in zip(wrong, right, strict=True)
        ),
    )


def _prompt_ids(place: str, key: str, prompt: Prompt, vocabulary: Vocabulary) -> TokenIds:
    if isinstance(prompt, str):
        if not vocabulary.reads_text:
            fail(
                place,
                f"{key} is text, and the model has no tokenizer; submit token ids, or put the "
                "tokenizer's files into the model folder",
            )
        try:
            prompt = vocabulary.prompt(prompt)
        except DatasetError as error:
            fail(place, f"{key}: {error}")
    for token in prompt:
        check_id(place, key, token, vocabulary)
    return tuple(prompt)


def _unequal(text: Prompt, clean: TokenIds, corrupt: TokenIds, vocabulary: Vocabulary) -> str:
    message = (
        f"clean has {len(clean)} tokens, corrupt has {len(corrupt)}; the two prompts of a pair "
        "need the same number"
    )
    if not isinstance(text, str):
        return f"{message}: replace tokens one for one"
    start = 0
    while start < min(len(clean), len(corrupt)) and clean[start] == corrupt[start]:
        start += 1
    end = 0
    while end < min(len(clean), len(corrupt)) - start and clean[-1 - end] == corrupt[-1 - end]:
        end += 1
    parts = [
        vocabulary.pieces(ids[start : len(ids) - end]) or "nothing" for ids in (clean, corrupt)
    ]
    return f"{message}: they differ in {parts[0]} and {parts[1]}; choose words of equal length"


def check_lengths(place: str, pair: TokenPair, vocabulary: Vocabulary, limits: Limits) -> None:
    """Refuse a prompt that is longer than the limit or than the model's context.

    Raises:
        DatasetError: Names the pair, its length and the bound.
    """
    length = len(pair.clean)
    check_prompt_length(place, length, limits)
    if vocabulary.n_ctx is not None and length > vocabulary.n_ctx:
        fail(
            place,
            f"the prompt has {length:,} tokens; the model's context holds "
            f"{vocabulary.n_ctx:,}: shorten it",
        )
