"""The prompt that is traced, and the tokens that are asked about: read before any weights are."""

from __future__ import annotations

from dataclasses import dataclass

from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import Limits
from graph_schema.documents.jobs import TraceSpec
from graph_schema.errors import SpecError
from graph_schema.printable import clipped, quoted


@dataclass(frozen=True)
class Prompt:
    """A prompt as token ids, each as text, and the targets as ids of logits."""

    text: str
    tokens: tuple[int, ...]
    pieces: tuple[str, ...]
    targets: tuple[int, ...]


def read_prompt(spec: TraceSpec, vocabulary: Vocabulary, limits: Limits) -> Prompt:
    """The job's prompt for its model.

    Raises:
        SpecError: It is empty, too long, or text where the model has no tokenizer; a token or a
            target is none of the model's, or several.
        DatasetError: BOS is asked for where there is none; a name is none of a program's.
    """
    tokens = _tokens(spec, vocabulary)
    if len(tokens) <= (skip := spec.method.skip_positions):
        raise SpecError(
            f"the prompt has {len(tokens)} tokens and the first {skip} have no nodes: give a "
            "longer prompt, or fewer skip_positions"
        )
    most = min(limits.prompt_tokens, vocabulary.n_ctx or limits.prompt_tokens)
    if len(tokens) > most:
        why = "the model's context" if most != limits.prompt_tokens else "limits.prompt_tokens"
        raise SpecError(f"the prompt has {len(tokens):,} tokens; the limit is {most:,} ({why})")
    pieces = tuple(piece(token, vocabulary) for token in tokens)
    text = spec.prompt if isinstance(spec.prompt, str) else "".join(pieces)
    targets = tuple(_target(each, vocabulary) for each in spec.targets)
    for token in targets:
        if targets.count(token) > 1:
            raise SpecError(f"target token {token} is given twice; leave one out")
    return Prompt(text, tokens, pieces, targets)


def piece(token: int, vocabulary: Vocabulary) -> str:
    """A token as text; its number where the model has no tokenizer."""
    if vocabulary.names is not None:
        names = {each: name for name, each in vocabulary.names.tokens.items()}
        return names.get(token, str(token))
    if vocabulary.tokenizer is None or token >= len(vocabulary.tokenizer):
        return str(token)
    return str(vocabulary.tokenizer.decode([token]))


def logit_piece(token: int, vocabulary: Vocabulary) -> str:
    """What a logit says, as text."""
    if vocabulary.names is None:
        return piece(token, vocabulary)
    outputs = vocabulary.names.outputs
    return str(token) if outputs is None else outputs[token]


def _tokens(spec: TraceSpec, vocabulary: Vocabulary) -> tuple[int, ...]:
    if not isinstance(spec.prompt, str):
        for token in spec.prompt:
            if token >= vocabulary.size:
                raise SpecError(
                    f"the prompt holds token {token}; the model's vocabulary has "
                    f"{vocabulary.size:,} tokens"
                )
        return spec.prompt
    if not vocabulary.reads_text:
        raise SpecError(
            "the prompt is text, and the model has no tokenizer; put the tokenizer's files into "
            "the model folder, or give token ids (--tokens 5,17,3)"
        )
    found = vocabulary.prompt(spec.prompt)
    if len(found) == len(vocabulary.prefix()):
        raise SpecError(f"prompt {quoted(spec.prompt)} has no tokens; give a text")
    return found


def _target(given: int | str, vocabulary: Vocabulary) -> int:
    if isinstance(given, int):
        if given >= vocabulary.n_outputs:
            raise SpecError(
                f"target {given} is no logit of the model, which has {vocabulary.n_outputs:,}"
            )
        return given
    if not vocabulary.reads_text:
        raise SpecError(
            f"target {quoted(given)} is text, and the model has no tokenizer; give a token's id"
        )
    found = vocabulary.answer(given)
    if len(found) != 1:
        pieces = [piece(token, vocabulary) for token in found]
        raise SpecError(
            f"target {quoted(given)} is {len(found)} tokens ({clipped(str(pieces))}); expected "
            "one: mind the blank before a word, or give a token's id"
        )
    unknown = getattr(vocabulary.tokenizer, "unk_token_id", None)
    if found[0] == unknown or (found[0] >= vocabulary.size and vocabulary.names is None):
        raise SpecError(f"target {quoted(given)} is no token that the model knows")
    return found[0]
