"""Tokens as text a person reads: one at a time, blanks kept, nothing that steers a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from discovery.tasks.names import TokenNames
from graph_schema.printable import clipped, escaped

LONGEST = 40
"""Characters of a token; some are runs of blanks of a whole line."""
_BLANK = "\u2581"  # what a blank is in a SentencePiece vocabulary


class TokenTexts:
    """The text of tokens, and of outputs where a model answers in other terms than tokens.

    Of a tokenizer, or of a compiled program's names; without either a token is its number.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase | None = None,
        names: TokenNames | None = None,
    ) -> None:
        self._tokenizer, self._names = tokenizer, names
        self._known: dict[int, str] = {}

    def token(self, token: int) -> str:
        """A token's text, with line ends and the like as Python writes them."""
        if token not in self._known:
            self._known[token] = clipped(escaped(self._text(token)), LONGEST)
        return self._known[token]

    def prompt(self, tokens: Sequence[int]) -> tuple[str, ...]:
        return tuple(map(self.token, tokens))

    def output(self, column: int) -> str:
        """The text of a logit: a token's, or the name of a compiled program's output."""
        if self._names is None:
            return self.token(column)
        outputs = self._names.outputs
        return str(column) if outputs is None else clipped(escaped(outputs[column]), LONGEST)

    def _text(self, token: int) -> str:
        if self._names is not None:
            return f" {self._spelled.get(token, str(token))}"
        if self._tokenizer is None:
            return f" {token}"
        text = str(self._tokenizer.decode([token], clean_up_tokenization_spaces=False))
        piece = str(self._tokenizer.convert_ids_to_tokens([token])[0])
        if not text or "\ufffd" in text:  # a part of a character
            return piece
        return f" {text}" if piece.startswith(_BLANK) and not text.startswith(" ") else text

    @cached_property
    def _spelled(self) -> dict[int, str]:
        assert self._names is not None, "asked for where there are names"
        return {token: name for name, token in self._names.tokens.items()}
